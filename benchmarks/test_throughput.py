"""64 windows at once, on one core and on two."""

import pytest

from benchmarks.cases import THROUGHPUT
from benchmarks.race import Entry, entries
from benchmarks.runtimes import NAMES

LINES = {case: entries(case, NAMES) for case in THROUGHPUT}


@pytest.mark.parametrize("entry", [entry for lines in LINES.values() for entry in lines], ids=str)
def test_throughput(entry: Entry, run_race, record_entry):
    case = entry.case
    # A call takes as long as 64 of the latency test: a tenth of the rounds, and bursts of three.
    result = run_race(entry, LINES[case], share=0.1, timed=3)
    record_entry(f"throughput N={case.n_patches} threads={case.threads}", entry, result)
