"""What `make test-mcu` built, compared with the committed sizes: python -m benchmarks.hardware [--update]

More than 3 % above a committed size is a failure. Sizes hold for one compiler: those of another are shown and
not judged. --update keeps what was measured: it writes benchmarks/results/sizes.json and the tables of
docs/hardware.md. What was not built is left out; --update wants all of it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import ROOT
from benchmarks.report import table
from benchmarks.results import RESULTS

FILE = RESULTS / "sizes.json"
PAGE = ROOT / "docs" / "hardware.md"
CORES = {"m4": "Cortex-M4F", "m7": "Cortex-M7", "m33": "Cortex-M33", "m55": "Cortex-M55"}
LIMIT = 1.03

# What turns instructions into time and energy; said on the page.
CLOCK = 64e6  # Hz
JOULES = 156e-12  # an instruction: 52 uA / MHz at 3 V, one instruction a cycle
HOP = 2.0  # s between answers of the models of the package


@dataclass(frozen=True)
class Run:
    """One firmware with one table of kernels under the emulator."""

    core: str
    kernels: str
    model: str
    flash: int  # bytes, code and model
    ram: int  # bytes, without the stack
    macs: int
    counts: dict[str, int]  # instructions: of one window; or of a stream's init, second of signal, answer

    @property
    def name(self) -> str:
        return f"{self.core} {self.model}"

    @property
    def is_stream(self) -> bool:
        return "second" in self.counts


def runs(folder: Path) -> list[Run]:
    """Every firmware that `cmake/mcu_tests.sh` ran, with every table of kernels."""
    found = []
    for mcu, core in CORES.items():
        for log in sorted((folder / mcu).glob("*.txt")):
            text = log.read_text()
            names = dict(re.findall(r"^\s+Start\s+(\d+): (\w+)$", text, re.MULTILINE))
            sizes = re.findall(
                r"^\s*(\d+)\s+(\d+)\s+(\d+)\s+\d+\s+[0-9a-f]+\s+\S*/(\w+)$", text, re.MULTILINE
            )
            size_of = {name: (int(code) + int(data), int(data) + int(bss)) for code, data, bss, name in sizes}
            counts: dict[tuple[str, str], dict[str, int]] = {}
            what = r"^(\d+): (\w+) (instructions|init|second|answer) (\d+)$"
            for number, isa, key, count in re.findall(what, text, re.MULTILINE):
                counts.setdefault((names[number], isa), {})[key] = int(count)
            for (name, isa), found_counts in counts.items():
                header = (folder / "models" / f"{name}.h").read_text()
                macs = int(re.search(r"_MACS (\d+)", header)[1])  # type: ignore[index]
                found.append(Run(core, isa, name, *size_of[name], macs, found_counts))
    return found


def sizes(measured: list[Run], program: Path) -> dict[str, dict[str, int]]:
    """Bytes by compiler and name: of each firmware, and of the static program for 64-bit ARM Linux."""
    firmware = {}
    for run in measured:
        firmware[f"{run.name} flash"] = run.flash
        firmware[f"{run.name} RAM"] = run.ram
    found = {version("arm-none-eabi-g++"): firmware}
    if program.exists():
        found[version("aarch64-linux-gnu-g++")] = {"ppgfast-run aarch64": program.stat().st_size}
    return found


def verdicts(measured: dict[str, int], committed: dict[str, int]) -> list[tuple[str, bool]]:
    """(line to print, whether it holds) for each size."""
    lines = []
    for name, size in measured.items():
        before = committed.get(name)
        if before is None:
            lines.append((f"{name}: {size:,} bytes, nothing committed: run with --update", False))
        else:
            text = f"{name}: {size:,} bytes, committed {before:,}, {100 * (size / before - 1):+.1f} %"
            lines.append((text, size <= LIMIT * before))
    return lines


def version(compiler: str) -> str:
    """Of the compiler that decides sizes."""
    found = subprocess.run([compiler, "-dumpfullversion"], check=True, capture_output=True, text=True)
    return f"{compiler} {found.stdout.strip()}"


def window_table(measured: list[Run]) -> str:
    header = ["core", "kernels", "model", "flash, KB", "RAM, KB", "thousand multiply-adds"]
    header += ["million instructions", f"ms at {CLOCK / 1e6:.0f} MHz, computed", "mJ, computed"]
    rows = [
        [
            *(run.core, run.kernels, run.model.replace("_", "-")),
            *(f"{run.flash / 1024:.1f}", f"{run.ram / 1024:.1f}", f"{run.macs / 1e3:,.0f}"),
            f"{run.counts['instructions'] / 1e6:.2f}",
            f"{1e3 * run.counts['instructions'] / CLOCK:.0f}",
            f"{1e3 * run.counts['instructions'] * JOULES:.2f}",
        ]
        for run in measured
        if not run.is_stream
    ]
    return table(header, rows)


def stream_table(measured: list[Run]) -> str:
    header = [
        "core",
        "kernels",
        "model of the package",
        "flash, KB",
        "RAM, KB",
        "million instructions to start",
    ]
    header += ["thousand a second of signal", "million an answer", f"load at {CLOCK / 1e6:.0f} MHz, computed"]
    rows = []
    for run in measured:
        if not run.is_stream:
            continue
        load = (run.counts["second"] + run.counts["answer"] / HOP) / CLOCK
        rows.append(
            [
                *(run.core, run.kernels, run.model.replace("stream_", "hr-") + "-s8"),
                *(f"{run.flash / 1024:.1f}", f"{run.ram / 1024:.1f}"),
                f"{run.counts['init'] / 1e6:.1f}",
                f"{run.counts['second'] / 1e3:.0f}",
                f"{run.counts['answer'] / 1e6:.2f}",
                f"{100 * load:.1f} %",
            ]
        )
    return table(header, rows)


def update(measured: list[Run], program: Path) -> None:
    """Writes the file and the page."""
    missing = set(CORES.values()) - {run.core for run in measured}
    if missing or not program.exists():
        raise SystemExit(
            f"not measured: {', '.join(sorted(missing)) or program}; run `make test-mcu test-arm`"
        )
    document = json.loads(FILE.read_text()) if FILE.exists() else {}
    document |= sizes(measured, program)
    FILE.write_text(json.dumps(document, indent=1) + "\n")
    page = PAGE.read_text()
    for name, text in (("mcu", window_table(measured)), ("mcu-stream", stream_table(measured))):
        start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
        before, rest = page.split(start)
        page = f"{before}{start}\n{text}\n{end}{rest.split(end)[1]}"
    PAGE.write_text(page)
    print(f"{FILE.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}: {len(measured)} runs")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hardware", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--update", action="store_true", help="write what was measured")
    arguments = parser.parse_args()
    measured, program = runs(ROOT / "build" / "mcu"), ROOT / "build" / "aarch64" / "ppgfast-run"
    if not measured:
        raise SystemExit("nothing measured yet: run `make test-mcu` first")
    if arguments.update:
        update(measured, program)
        return 0
    document = json.loads(FILE.read_text())
    failed = 0
    for compiler, found in sizes(measured, program).items():
        if compiler not in document:
            print(f"Not judged: {compiler}, the committed sizes are of {'; '.join(document)}.")
            continue
        lines = verdicts(found, document[compiler])
        for text, held in lines:
            print(f"{'  ' if held else '! '}{text}")
        too_large = sum(not held for _, held in lines)
        print(f"{compiler}: {len(lines) - too_large} of {len(lines)} within {100 * (LIMIT - 1):.0f} %")
        failed += too_large
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
