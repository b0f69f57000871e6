"""What int8 costs, by the C++ core on held-out subjects: `python -m training.quantize_report RUN...`

RUNs are those of finetune or distill; what `quantize` made of one is looked for in `RUN-int8`. The table goes
into docs/quantization.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import metrics
from training.config import ExportConfig
from training.evaluate import core_entry
from training.export_model import export
from training.inputs import open_windows, subject_names
from training.progress import write_atomically
from training.runs import read_run

PAGE = Path(__file__).resolve().parents[1] / "docs" / "quantization.md"
START, END = "<!-- table:start -->", "<!-- table:end -->"
SCORES = {"hr": ("MAE, bpm", metrics.mae, 2), "af": ("AUROC", metrics.auroc, 4)}
FORMS: dict[str, tuple[str, dict[str, Any]]] = {  # column -> ending of the run's folder, options of export
    "float32": ("", {}),
    "int8, plain": ("", {"precision": "s8", "calibration": 0}),
    "int8, calibrated": ("", {"precision": "s8"}),
    "int8, after `quantize`": ("-int8", {"precision": "s8"}),
}


def answers(folder: Path, form: str) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.str_]]:
    """Answers (n,), labels (n,) and subjects (n,) of a run's held-out windows, by the core."""
    ending, options = FORMS[form]
    source = folder.with_name(folder.name + ending)
    file = source / f"report-{list(FORMS).index(form)}.ppgf"
    export(ExportConfig(model=source, out=file, **options))
    record = read_run(folder)
    windows = open_windows([Path(data) for data in record["data"]["folders"]])
    owner = np.array(subject_names(windows))[windows.subject]
    rows = np.flatnonzero(np.isin(owner, record["subjects"]["test"]) & np.isfinite(windows.label))
    return core_entry(form, file).predict(windows, rows), windows.label[rows], owner[rows]


def rows_of(folder: Path) -> Iterator[list[str]]:
    """A row for each data set of a run: every form's score, its change and the mean change of an answer."""
    record = read_run(folder)
    forms = [form for form, (ending, _) in FORMS.items() if folder.with_name(folder.name + ending).exists()]
    found = {form: answers(folder, form) for form in forms}
    exact, label, owner = found["float32"]
    metric, score, digits = SCORES["af" if np.isin(label, (0, 1)).all() else "hr"]
    datasets = np.array([name.partition("/")[0] for name in owner])
    for dataset in np.unique(datasets):
        of = datasets == dataset
        value = score(exact[of], label[of])
        cells = [f"{value:.{digits}f}"]
        for form in forms[1:]:
            answer = found[form][0][of]
            change = score(answer, label[of]) - value
            each = np.abs(answer - exact[of]).mean()
            cells.append(f"{change:+.{digits + 1}f}, {each:.{digits + 1}f}")
        who = f"{dataset}, {of.sum():,} windows of {len(np.unique(owner[of]))} subjects"
        cells += ["-"] * (len(FORMS) - len(cells))
        yield [f"{record['config']['model']['name']}, seed {record['config']['seed']}", who, metric, *cells]


def main(folders: list[Path]) -> None:
    """Write the table."""
    lines = [["model", "held out", "", *FORMS], ["---"] * 3 + ["---:"] * len(FORMS)]
    lines += [row for folder in folders for row in rows_of(folder)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    made = f"{before}{START}\n{table}\n{END}{rest.split(END)[1]}"
    write_atomically(PAGE, lambda file: file.write(made.encode()))


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
