"""This project."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import Case
from benchmarks.runtimes import Predict

TITLE = "ppgfast"
MODULE = PACKAGE = "ppgfast"
PRECISIONS = ("f32", "s8")
SUFFIX = ".ppgf"


def convert(case: Case, precision: str, path: Path) -> None:
    from benchmarks.model import seeded
    from training.export import to_ppgf

    to_ppgf(seeded(case), path, precision=precision)


def load(path: Path, case: Case, precision: str) -> Predict:
    import ppgfast

    model = ppgfast.load(path)
    return (
        model.predict if case.threads == 1 else lambda windows: model.predict(windows, threads=case.threads)
    )
