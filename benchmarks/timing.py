"""An honest race: everyone runs in every round, on the same core, within milliseconds of each other.

pytest-benchmark times one function after the other, so a busy neighbour or a change of clock between two of
them looks like a difference between them. Here a round gives each contestant, in an order drawn anew, a short
burst: a few calls that bring its weights back into the cache, then timed ones, each kept. What disturbs a
round disturbs all.
"""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WARM, TIMED = 2, 10  # calls in a burst


def stopwatch(call: Callable[[], Any]) -> Callable[[], int]:
    """`call` -> a function that calls it and tells how long it took, in ns."""

    def timed() -> int:
        start = time.perf_counter_ns()
        call()
        return time.perf_counter_ns() - start

    return timed


def interleave(
    contestants: Mapping[str, Callable[[], int]], rounds: int, warm: int = WARM, timed: int = TIMED
) -> dict[str, NDArray[np.int64]]:
    """`rounds` bursts of each contestant, a function that runs once and tells its ns -> all samples in ns."""
    order = list(contestants)
    shuffle = random.Random(0).shuffle
    samples: dict[str, list[int]] = {name: [] for name in order}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            shuffle(order)
            for name in order:
                run = contestants[name]
                for _ in range(warm):
                    run()
                samples[name].extend([run() for _ in range(timed)])
    finally:
        if collecting:
            gc.enable()
    return {name: np.array(values) for name, values in samples.items()}


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Keeps this process, all threads it has and those it starts, on the last `threads` cores it may use.

    Does nothing where the system has no such call.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    _set_affinity(set(sorted(allowed)[-threads:]))
    try:
        yield
    finally:
        _set_affinity(allowed)


def _set_affinity(cores: set[int]) -> None:
    for task in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # a thread that ended meanwhile
            os.sched_setaffinity(int(task.name), cores)
