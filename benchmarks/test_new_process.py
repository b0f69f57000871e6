"""From nothing to the first answer: start, import, load, predict; and the memory that takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from benchmarks.cases import CACHE, ROOT, Case
from benchmarks.race import Entry, entries, graph_of
from benchmarks.runtimes import NAMES, Unavailable
from benchmarks.timing import interleave, pinned

CASE = Case(30)
NUMPY = Entry(CASE, "numpy", "f32")  # the interpreter with numpy and a window: what everyone pays
LINES = [NUMPY, *entries(CASE, NAMES)]
SLOW = 1e9  # ns; who takes longer runs fewer times


class NewProcess:
    """Calling it runs the entry once in a new process and returns the ns to its first answer.

    `Unavailable` where its runtime or its graph is missing.
    """

    def __init__(self, entry: Entry) -> None:
        file = "" if entry is NUMPY else str(graph_of(entry))
        program = "from benchmarks.cold import main; main()"
        self._arguments = [entry.runtime, entry.precision, str(entry.case.n_patches), file]
        self._command = [sys.executable, "-W", "ignore", "-c", program, *self._arguments]
        # Installed packages come with bytecode; a checkout must not pay for its compilation each time.
        self._environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(CACHE / "bytecode")}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.memory: list[int] = []

    def __call__(self) -> int:
        start = time.perf_counter_ns()
        done = subprocess.run(self._command, cwd=ROOT, capture_output=True, text=True, env=self._environment)
        if done.returncode:
            raise RuntimeError(
                f"{' '.join(self._arguments[:2])} failed in a new process: {done.stderr[-500:]}"
            )
        now, memory = done.stdout.split()[-2:]
        self.memory.append(int(memory))
        return int(now) - start


@pytest.fixture(scope="module")
def processes(chosen, rounds):
    """Entry -> (samples in ns, bytes of memory in each), or the reason why there are none."""
    outcome: dict[Entry, object] = {}
    runs: dict[str, NewProcess] = {}
    for line in [line for line in LINES if line in chosen]:
        try:
            runs[str(line)] = NewProcess(line)
        except Unavailable as reason:
            outcome[line] = str(reason)
    with pinned(1):
        first = {name: run() for name, run in runs.items()}  # fills the page cache, writes bytecode
        samples = {}
        for fewer, names in (
            (1, [n for n in first if first[n] < SLOW]),
            (5, [n for n in first if first[n] >= SLOW]),
        ):
            race = {name: runs[name] for name in names}
            samples.update(interleave(race, max(1, rounds // 4 // fewer), warm=0, timed=1))
    outcome.update(
        {line: (samples[str(line)], runs[str(line)].memory) for line in LINES if str(line) in runs}
    )
    return outcome


@pytest.mark.parametrize("entry", LINES, ids=str)
def test_new_process(entry: Entry, processes, record):
    outcome = processes[entry]
    if isinstance(outcome, str):
        pytest.skip(outcome)
    samples, memory = outcome
    record(
        f"new process N={CASE.n_patches}",
        samples,
        runtime=entry.runtime,
        precision=entry.precision,
        memory_bytes=sorted(memory)[len(memory) // 2],
    )
