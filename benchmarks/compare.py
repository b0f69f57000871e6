"""Did it get faster or slower? python -m benchmarks.compare BASE [OTHER] [--blocks 8] [--tolerance 0.02]

Builds two commits (OTHER: the working tree when not given) in temporary folders and runs both on the same
model files, in new processes, in the order A B B A, again and again: drift of the machine meets both alike. A
block of four gives one ratio; the table shows their geometric mean with a bootstrap interval over blocks, and
whether both commits return the same bits. Ends with 1 when a case is slower by more than the tolerance, whole
interval.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import ROOT, Case
from benchmarks.convert import convert_apart, graph_path
from benchmarks.timing import pinned

CASES = (Case(8), Case(30), Case(8, batch=64), Case(30, batch=64))
PRECISIONS = ("f32", "s8")
SECONDS, CALLS = 0.15, 10  # at least, per case and process
CONFIDENCE, RESAMPLES = 0.95, 4000


def build(commit: str | None, folder: Path) -> Path:
    """Install a commit, or the working tree, into `folder` and return the path to import it from."""
    tree, site = folder / "tree", folder / "site"
    if commit is None:
        source = ROOT
    else:
        source = tree
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, commit], cwd=ROOT, check=True)
    try:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps"]
        subprocess.run([*command, "--target", site, source], check=True)
    finally:
        if commit is not None:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)
    return site


def models(folder: Path) -> Path:
    """Copies of the model files that both sides run, in a new folder."""
    convert_apart("ppgfast")
    folder.mkdir()
    for case in CASES:
        for precision in PRECISIONS:
            shutil.copy(graph_path("ppgfast", case, precision), folder / f"{case.graph}-{precision}.ppgf")
    return folder


def child(folder: str) -> None:
    """In a process of one side: time every case, print {file name: [fastest ns, CRC of the outputs]}."""
    import ppgfast

    found: dict[str, list[int] | str] = {}
    for case in CASES:
        for precision in PRECISIONS:
            name = f"{case.graph}-{precision}"
            try:
                model = ppgfast.load(Path(folder) / f"{name}.ppgf")
            except ValueError as error:  # a file newer than the commit
                found[name] = str(error)
                continue
            windows = case.windows()
            crc = zlib.crc32(model.predict(windows).tobytes())
            samples: list[int] = []
            end = time.perf_counter() + SECONDS
            while len(samples) < CALLS or time.perf_counter() < end:
                start = time.perf_counter_ns()
                model.predict(windows)
                samples.append(time.perf_counter_ns() - start)
            found[name] = [min(samples), crc]
    print(json.dumps(found))


def run(site: Path, folder: Path) -> dict[str, list[int] | str]:
    """One process of a side."""
    program = "import sys; from benchmarks.compare import child; child(sys.argv[1])"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", program, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def interval(ratios: NDArray[np.float64]) -> tuple[float, float, float]:
    """Geometric mean of block ratios, and its bootstrap interval."""
    logs = np.log(ratios)
    resampled = np.random.default_rng(0).choice(logs, (RESAMPLES, len(logs))).mean(1)
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(np.exp(logs.mean())), float(np.exp(low)), float(np.exp(high))


def verdict(low: float, high: float, tolerance: float) -> str:
    """What the interval says."""
    if low > 1 + tolerance:
        return "slower"
    if high < 1 - tolerance:
        return "faster"
    if low >= 1 - tolerance and high <= 1 + tolerance:
        return f"same within {tolerance:.0%}"
    return "unclear: take more blocks"


def report(runs: list[tuple[str, dict[str, list[int] | str]]], tolerance: float) -> bool:
    """Print the table; True where something became slower by more than the tolerance."""
    worse = False
    print(f"{'case':20} {'A, µs':>10} {'B, µs':>10} {'B / A':>7}  {'95 % interval':15} {'bits':7}")
    for case in runs[0][1]:
        sides = {side: [found[case] for which, found in runs if which == side] for side in "AB"}
        broken = next((f"{s} cannot run it: {v[0]}" for s, v in sides.items() if isinstance(v[0], str)), None)
        if broken:
            print(f"{case:20} {broken}")
            continue
        a, b = (np.array([pair[0] for pair in sides[side]], dtype=float) for side in "AB")
        ratio, low, high = interval(b.reshape(-1, 2).sum(1) / a.reshape(-1, 2).sum(1))
        same = sides["A"][0][1] == sides["B"][0][1]
        worse |= low > 1 + tolerance
        print(
            f"{case:20} {a.min() / 1e3:10.1f} {b.min() / 1e3:10.1f} {ratio:7.3f}  {low:.3f} - {high:.3f}   "
            f"{'same' if same else 'differ':7} {verdict(low, high, tolerance)}"
        )
    return worse


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("base", help="A: a commit")
    parser.add_argument("other", nargs="?", help="B: a commit (default: the working tree)")
    parser.add_argument("--blocks", type=int, default=8, help="of four processes, A B B A (default 8)")
    parser.add_argument(
        "--tolerance", type=float, default=0.02, help="what counts as a difference (default 0.02)"
    )
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="ppgfast-compare-") as folder:
        files, sites = models(Path(folder) / "models"), {}
        for side, commit in (("A", arguments.base), ("B", arguments.other)):
            print(f"{side}: building {commit or 'the working tree'}", flush=True)
            (Path(folder) / side).mkdir()
            sites[side] = build(commit, Path(folder) / side)
        runs = []
        with pinned(1):
            for block in range(arguments.blocks):
                print(f"\rblock {block + 1} of {arguments.blocks}", end="", file=sys.stderr, flush=True)
                runs += [(side, run(sites[side], files)) for side in "ABBA"]
        print(file=sys.stderr)
    return int(report(runs, arguments.tolerance))


if __name__ == "__main__":
    sys.exit(main())
