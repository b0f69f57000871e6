"""The distilled student beside the teacher that it replaces."""

import pytest

from benchmarks.cases import TEACHER, Case
from benchmarks.race import Entry

STUDENT = Case(TEACHER.n_patches)
LINES = [
    Entry(TEACHER, "torch_eager", "f32"),
    Entry(TEACHER, "ppgfast", "f32"),
    Entry(STUDENT, "torch_eager", "f32"),
    Entry(STUDENT, "ppgfast", "f32"),
    Entry(STUDENT, "ppgfast", "s8"),
]


@pytest.mark.parametrize("entry", LINES, ids=str)
def test_teacher_and_student(entry: Entry, run_race, record_entry):
    record_entry("teacher and student", entry, run_race(entry, LINES, share=0.2))
