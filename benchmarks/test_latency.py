"""One window on one core: what a stream or a single request waits."""

import pytest

from benchmarks.cases import LATENCY
from benchmarks.race import Entry, entries
from benchmarks.runtimes import NAMES

LINES = {case: entries(case, NAMES) for case in LATENCY}


@pytest.mark.parametrize("entry", [entry for lines in LINES.values() for entry in lines], ids=str)
def test_latency(entry: Entry, run_race, record_entry):
    record_entry(f"latency N={entry.case.n_patches}", entry, run_race(entry, LINES[entry.case]))
