"""Runtimes side by side on one case: opened, checked against float64, then timed in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import Case
from benchmarks.convert import graph_path
from benchmarks.machine import Peak, build_peak
from benchmarks.model import answers
from benchmarks.runtimes import Predict, Unavailable, find, need
from benchmarks.timing import TIMED, interleave, pinned, stopwatch

# What counts as the same model. Random weights give outputs of about 0.5; peers in int8 stay within 2e-2.
WORST_ERROR = {"f32": 2e-5, "s8": 1e-1}
N_CHECKED = 16  # windows, at least


class Entry(NamedTuple):
    """One line of a table."""

    case: Case
    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{self.case.graph}-t{self.case.threads}-{self.runtime}-{self.precision}"


class Result(NamedTuple):
    """What became of an entry: `reason` says why it did not run, else `samples` holds ns of each call."""

    samples: NDArray[np.int64] | None
    error: float | None  # largest difference to float64 outputs
    share_of_peak: float | None  # of the core's multiply-adds, in the fastest call
    file_bytes: int | None
    reason: str | None


def entries(case: Case, runtimes: Sequence[str]) -> list[Entry]:
    """Every runtime in every precision it knows."""
    return [Entry(case, name, precision) for name in runtimes for precision in find(name).PRECISIONS]


def graph_of(entry: Entry) -> Path:
    """The entry's graph, or `Unavailable` where its runtime or its graph is missing."""
    need(find(entry.runtime).MODULE)
    path = graph_path(entry.runtime, entry.case, entry.precision)
    if not path.exists():
        raise Unavailable(
            f"no {entry.precision} graph of {entry.case.graph}: python -m benchmarks.convert {entry.runtime}"
        )
    return path


def largest_error(case: Case, predict: Predict) -> float:
    """Largest difference between the outputs of `predict` and float64 torch."""
    error = 0.0
    for seed in range(max(1, N_CHECKED // case.batch)):
        windows = case.windows(seed)
        error = max(error, float(np.abs(predict(windows) - answers(case, windows)).max()))
    return error


def race(lines: Sequence[Entry], rounds: int, timed: int = TIMED) -> dict[Entry, Result]:
    """Opens, checks and times `lines`, which share a number of threads."""
    ready: dict[Entry, Predict] = {}
    errors: dict[Entry, float] = {}
    results: dict[Entry, Result] = {}
    for line in lines:
        try:
            predict = find(line.runtime).load(graph_of(line), line.case, line.precision)
        except Unavailable as reason:
            results[line] = Result(None, None, None, None, str(reason))
            continue
        errors[line] = largest_error(line.case, predict)
        if errors[line] <= WORST_ERROR[line.precision]:
            ready[line] = predict
        else:
            results[line] = Result(None, errors[line], None, None, None)

    samples, peaks = _run(ready, rounds, timed)
    for line in ready:
        peak = peaks.get(line.precision)  # multiply-adds per ns, one core
        fastest = line.case.macs() / float(samples[line].min()) / line.case.threads
        size = graph_of(line).stat().st_size
        results[line] = Result(samples[line], errors[line], fastest / peak if peak else None, size, None)
    return results


def _run(
    ready: dict[Entry, Predict], rounds: int, timed: int
) -> tuple[dict[Entry, NDArray[np.int64]], dict[str, float]]:
    """Samples of each entry, and the multiply-adds per ns that one core reached meanwhile, per precision."""
    threads = {line.case.threads for line in ready}
    assert len(threads) <= 1, "a race has one number of threads"
    if not ready:
        return {}, {}
    contestants: dict[str, Callable[[], int]] = {
        str(line): stopwatch(partial(predict, line.case.windows())) for line, predict in ready.items()
    }
    operations: dict[str, int] = {}
    with pinned(threads.pop()):
        program = build_peak()
        peak = Peak(program) if program else None
        if peak:
            operations = {precision: peak.burst(precision)[0] for precision in ("f32", "s8")}
            for precision in [p for p in operations if operations[p]]:
                contestants[f"peak-{precision}"] = partial(_burst_ns, peak, precision)
        samples = interleave(contestants, rounds, timed=timed)
        if peak:
            peak.close()
    peaks = {p: n / float(samples[f"peak-{p}"].min()) for p, n in operations.items() if n}
    return {line: samples[str(line)] for line in ready}, peaks


def _burst_ns(peak: Peak, precision: str) -> int:
    return peak.burst(precision)[1]
