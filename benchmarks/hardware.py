"""The table of docs/hardware.md, from what `make test-mcu` measured: python -m benchmarks.hardware"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import ROOT
from benchmarks.report import table

START, END = "<!-- mcu:start -->", "<!-- mcu:end -->"
PAGE = ROOT / "docs" / "hardware.md"
CORES = {"m4": "Cortex-M4F", "m7": "Cortex-M7", "m33": "Cortex-M33", "m55": "Cortex-M55"}

# What turns instructions into time and energy; said on the page.
CLOCK = 64e6  # Hz
JOULES = 156e-12  # an instruction: 52 uA / MHz at 3 V, one instruction a cycle


@dataclass(frozen=True)
class Run:
    """One firmware under the emulator."""

    core: str
    kernels: str
    model: str
    flash: int  # bytes, code and model
    ram: int  # bytes, without the stack
    macs: int
    instructions: int  # one window


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
            for number, isa, count in re.findall(r"^(\d+): (\w+) instructions (\d+)$", text, re.MULTILINE):
                name = names[number]
                header = (folder / "models" / f"{name}.h").read_text()
                macs = int(re.search(r"_MACS (\d+)", header)[1])  # type: ignore[index]
                found.append(Run(core, isa, name, *size_of[name], macs, int(count)))
    return found


def rows(measured: list[Run]) -> list[list[str]]:
    return [
        [
            run.core,
            run.kernels,
            run.model.replace("_", "-"),
            f"{run.flash / 1024:.1f}",
            f"{run.ram / 1024:.1f}",
            f"{run.macs / 1e3:,.0f}",
            f"{run.instructions / 1e6:.2f}",
            f"{1e3 * run.instructions / CLOCK:.0f}",
            f"{1e3 * run.instructions * JOULES:.2f}",
        ]
        for run in measured
    ]


def main() -> None:
    measured = runs(ROOT / "build" / "mcu")
    if not measured:
        raise SystemExit("nothing measured yet: run `make test-mcu` first")
    header = [
        "core",
        "kernels",
        "model",
        "flash, KB",
        "RAM, KB",
        "thousand multiply-adds",
        "million instructions",
    ]
    header += [f"ms at {CLOCK / 1e6:.0f} MHz, computed", "mJ, computed"]
    before, rest = PAGE.read_text().split(START)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{START}\n{table(header, rows(measured))}\n{END}{after}")
    print(f"{PAGE.relative_to(ROOT)}: {len(measured)} firmwares")


if __name__ == "__main__":
    main()
