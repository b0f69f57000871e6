"""Convert, measure, report: python -m benchmarks [--quick] [--runtimes A,B] [--out FILE] [pytest options]

Writes benchmarks/results/<machine>-<date>.json and, from it, the tables and the chart. A quick look or a
choice of runtimes is no result: it goes to build/benchmarks, and the documents stay as they are.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

import pytest

from benchmarks.cases import CACHE, ROOT
from benchmarks.convert import convert_apart
from benchmarks.machine import slug
from benchmarks.report import report
from benchmarks.results import RESULTS
from benchmarks.runtimes import NAMES

COLUMNS = "min,median,iqr,rounds"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    parser.add_argument("--runtimes", help="who races, separated by commas (default: all that are installed)")
    parser.add_argument("--out", type=Path, help="result file")
    arguments, rest = parser.parse_known_args()

    partial = arguments.quick or arguments.runtimes or rest
    name = f"{slug()}-{datetime.date.today().isoformat()}.json"
    out = arguments.out or (CACHE / "partial.json" if partial else RESULTS / name)
    out.parent.mkdir(parents=True, exist_ok=True)

    print("Graphs", flush=True)
    for runtime in arguments.runtimes.split(",") if arguments.runtimes else NAMES:
        convert_apart(runtime)
    print("Races", flush=True)
    options = ["-rs", "-p", "no:cacheprovider", f"--benchmark-json={out}", f"--benchmark-columns={COLUMNS}"]
    options += ["--benchmark-sort=min", *(["--rounds=10"] if arguments.quick else [])]
    options += [f"--runtimes={arguments.runtimes}"] if arguments.runtimes else []
    status = pytest.main([str(ROOT / "benchmarks"), *options, *rest])
    if status == pytest.ExitCode.OK and not partial:
        print("Report", flush=True)
        report(out)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
