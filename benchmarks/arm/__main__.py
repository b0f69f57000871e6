"""Measure and compare with the committed numbers: python -m benchmarks.arm BUILD [--update]

BUILD is a built preset `aarch64`. More than 5 % above a committed number is a failure. The numbers hold for
one compiler and one llvm-mca: others are shown and not judged. --update keeps what was measured: it writes
benchmarks/results/arm.json and the tables of docs/hardware.md.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.arm.counts import CPUS, Count, counts
from benchmarks.arm.loops import MCA, Loop, loops
from benchmarks.cases import CACHE, ROOT
from benchmarks.report import table
from benchmarks.results import RESULTS

FILE = RESULTS / "arm.json"
PAGE = ROOT / "docs" / "hardware.md"
START, END = "<!-- arm:start -->", "<!-- arm:end -->"
LIMIT = 1.05
PRECISIONS = {"f32": "float32", "s8": "int8"}


def versions() -> str:
    """Of the programs that decide the numbers."""
    compiler = subprocess.run(
        ["aarch64-linux-gnu-g++", "-dumpfullversion"], check=True, capture_output=True, text=True
    )
    model = subprocess.run([MCA, "--version"], check=True, capture_output=True, text=True)
    found = re.search(r"version (\S+)", model.stdout)
    return f"g++ {compiler.stdout.strip()}, llvm-mca {found[1] if found else '?'}"


def verdicts(measured: Sequence[Count | Loop], committed: dict[str, float]) -> list[tuple[str, bool]]:
    """(line to print, whether it holds) for each number."""
    lines = []
    for item in measured:
        before = committed.get(item.name)
        if before is None:
            lines.append((f"{item.name}: {item.cost:,.10g}, nothing committed: run with --update", False))
            continue
        ratio = item.cost / before
        text = f"{item.name}: {item.cost:,.10g}, committed {before:,.10g}, {100 * (ratio - 1):+.2f} %"
        lines.append((text, ratio <= LIMIT))
    return lines


def read(document: dict[str, Any]) -> list[Count | Loop]:
    """The numbers of one pair of versions."""
    return [*(Count(**item) for item in document["counts"]), *(Loop(**item) for item in document["loops"])]


def tables(key: str, counted: list[Count], modelled: list[Loop]) -> str:
    """What stands in docs/hardware.md."""
    rows = [
        [
            c.model,
            f"{PRECISIONS[c.precision]}, {c.isa} ({CPUS[c.isa]})",
            str(c.n_patches),
            f"{c.multiply_adds / 1e6:.2f}",
            f"{c.instructions / 1e6:.2f}",
            f"{c.multiply_adds / c.instructions:.2f}",
        ]
        for c in counted
    ]
    header = ["model", "kernels (emulated CPU)", "N", "million multiply-adds", "million instructions"]
    parts = [f"{key}. One window:", table([*header, "multiply-adds an instruction"], rows)]
    rows = [
        [
            f"`{m.loop}`, {m.isa}",
            m.core,
            str(m.multiply_adds),
            f"{m.cycles:.2f}",
            f"{m.multiply_adds / m.cycles:.2f}",
        ]
        for m in modelled
    ]
    header = ["inner loop", "modelled core", "multiply-adds", "cycles, modelled", "multiply-adds a cycle"]
    return "\n\n".join([*parts, "One iteration of an inner loop:", table(header, rows)])


def update(key: str, counted: list[Count], modelled: list[Loop]) -> None:
    """Writes the file and the page."""
    document = json.loads(FILE.read_text()) if FILE.exists() else {}
    document[key] = {"counts": [asdict(c) for c in counted], "loops": [asdict(m) for m in modelled]}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(document, indent=1) + "\n")
    before, rest = PAGE.read_text().split(START)
    PAGE.write_text(f"{before}{START}\n{tables(key, counted, modelled)}\n{END}{rest.split(END)[1]}")
    print(f"{FILE.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}: written")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.arm", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("build", type=Path)
    parser.add_argument("--update", action="store_true", help="write what was measured")
    arguments = parser.parse_args()

    work = CACHE / "arm"
    work.mkdir(parents=True, exist_ok=True)
    counted, modelled = counts(arguments.build / "libppgfast.a", work), loops(arguments.build)
    measured: list[Count | Loop] = [*counted, *modelled]
    key = versions()
    if arguments.update:
        update(key, counted, modelled)
        return 0
    document = json.loads(FILE.read_text())
    if key not in document:
        print(f"Not judged: {key}, the committed numbers are of {'; '.join(document)}.")
        for item in measured:
            print(f"  {item.name}: {item.cost:,.10g}")
        return 0
    lines = verdicts(measured, {item.name: item.cost for item in read(document[key])})
    for text, held in lines:
        print(f"{'  ' if held else '! '}{text}")
    failed = sum(not held for _, held in lines)
    print(f"{key}: {len(lines) - failed} of {len(lines)} within {100 * (LIMIT - 1):.0f} %")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
