"""A teacher known by its outputs alone: PaPaGei-S embeddings of PPG-BP, `python -m training.ppg_bp FOLDER`.

The embeddings become a teacher store, and students are distilled at the feature tier from it, over folds of
people. What a student has learned of what nobody told it, blood pressure, is read off its features by a ridge
regression, as it is off the embeddings themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training import checkpoint, metrics
from training.config import DistillConfig
from training.data.ppg_bp import MEASURED, People, people
from training.data.prepare import PrepareConfig, prepare
from training.data.windows import WindowSet
from training.distill import distill
from training.inputs import open_windows, split, subjects_of, to_tensor
from training.progress import bar, write_json
from training.robustness import rounded
from training.teacher_cache import is_store, write_store

TEACHER = {
    "who": "PaPaGei-S, pre-trained, by its embeddings",
    "data": {
        "dataset": "not stated",
        "licence": "not stated",
        "citation": "A. Pillai et al., PaPaGei, ICLR 2025",
    },
}
STUDENT: dict[str, Any] = {
    "model": {"name": "tcn5k"},
    "augment": {"gain": 0.2, "noise": 0.05},
    "optimiser": {"epochs": 60, "patience": 60, "learning_rate": 3e-3, "warmup": 0.1, "clip_norm": 1.0},
}
OFF = {"prediction": 0.0, "morphology": 0.0, "rhythm": 0.0}
ARMS = {
    "student alone": {"supervised": 1.0, "feature": 0.0},
    "student, embeddings and labels": {"supervised": 1.0, "feature": 1.0},
    "student, embeddings alone": {"supervised": 0.0, "feature": 1.0},
}
ALPHAS = np.logspace(0, 5, 21)  # of the ridge regression, chosen on the people it learns from
EMBEDDINGS, MEAN, PROBE = "embeddings", "mean of the others", "ridge on"


def study(
    folder: Path, out: Path, results: Path, folds: int = 5, seeds: int = 3, draws: int = 1000
) -> dict[str, Any]:
    """Run what is missing in `out`, write the comparison to `results` (JSON) and return it."""
    data = prepare("ppg_bp", folder, out / "data", PrepareConfig(filter_order=0)).folder
    windows, known = open_windows([data]), people(folder)
    store = out / "embeddings"
    if not is_store(store):
        write_store(store, windows, [{"feature": per_window(known, windows)}], "none", TEACHER, np.float32)
    errors: dict[str, dict[str, list[NDArray]]] = {}
    with bar(None, "ppg-bp", folds * seeds * len(ARMS)) as progress:
        for arm, weights in ARMS.items():
            for seed in range(seeds):
                runs = {}
                for fold in range(folds):
                    where = out / "runs" / f"{arm.replace(',', '').replace(' ', '-')}-f{fold}-s{seed}"
                    shared = {"data": data, "teacher": store, "seed": seed, "out": where}
                    config = DistillConfig(
                        **shared, **STUDENT, losses={**OFF, **weights}, split={"folds": folds, "fold": fold}
                    )
                    runs[fold] = distill(config, Console(quiet=True)).checkpoint
                    progress.advance(note=where.name)
                if weights["supervised"]:
                    collect(errors, arm, {MEASURED[0]: head_errors(windows, known, runs, folds)})
                of_folds = {fold: features(path, windows, known) for fold, path in runs.items()}
                collect(errors, f"{PROBE} {arm}", probe_errors(windows, known, of_folds))
    same = dict.fromkeys(range(folds), known.embedding)
    collect(errors, f"{PROBE} {EMBEDDINGS}", probe_errors(windows, known, same))
    nothing = dict.fromkeys(range(folds), np.zeros((len(known.names), 1)))
    collect(errors, MEAN, probe_errors(windows, known, nothing))
    found = compared(errors, known, folds, seeds, draws)
    results.parent.mkdir(parents=True, exist_ok=True)
    write_json(results, found)
    return found


def per_window(known: People, windows: WindowSet) -> NDArray[np.float32]:
    """The embedding of the person of each window."""
    place = {name: k for k, name in enumerate(known.names)}
    row = np.array([place[name] for name in windows.manifest["subjects"]])
    return known.embedding[row[windows.subject]]


def sides(
    windows: WindowSet, known: People, folds: int, fold: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The people outside a fold and those in it, as indices into `known`."""
    config = DistillConfig(data=["-"], out="-", teacher="-", split={"folds": folds, "fold": fold})
    tested = set(subjects_of(windows, split(windows, config.split).test))
    inside = np.array([f"{windows.manifest['dataset']}/{name}" in tested for name in known.names])
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def features(path: Path, windows: WindowSet, known: People) -> NDArray[np.float64]:
    """(n, d): the mean of a student's features over the windows of each person."""
    module, meta = checkpoint.load(path)
    with torch.no_grad():
        x = to_tensor(windows.ppg, meta["contract"]["scaling"], torch.device("cpu"), module.config.patch)
        return per_person(module(x).feature.numpy(), windows, known)


def per_person(values: NDArray, windows: WindowSet, known: People) -> NDArray[np.float64]:
    """Means of values (w, ...) over each person's windows, in the order of `known`."""
    number = {name: k for k, name in enumerate(windows.manifest["subjects"])}
    return np.stack([values[windows.subject == number[name]].mean(0) for name in known.names]).astype(
        np.float64
    )


def probe_errors(windows: WindowSet, known: People, of_folds: Mapping[int, NDArray]) -> dict[str, NDArray]:
    """Absolute error (n,) of each measurement by a ridge regression on vectors (n, d) of each fold's own."""
    errors = {key: np.empty(len(known.names)) for key in MEASURED}
    for fold, vectors in of_folds.items():
        others, tested = sides(windows, known, len(of_folds), fold)
        for key, truth in known.measured.items():
            ridge = make_pipeline(StandardScaler(), RidgeCV(ALPHAS)).fit(vectors[others], truth[others])
            errors[key][tested] = np.abs(ridge.predict(vectors[tested]) - truth[tested])
    return errors


def head_errors(windows: WindowSet, known: People, runs: Mapping[int, Path], folds: int) -> NDArray:
    """Absolute error (n,) of the students' own heart rates, the mean over a person's clips."""
    from training.evaluate import torch_entry

    errors = np.empty(len(known.names))
    for fold, path in runs.items():
        answer = torch_entry("", path).predict(windows, np.arange(len(windows)))
        tested = sides(windows, known, folds, fold)[1]
        bpm = per_person(answer, windows, known)
        errors[tested] = np.abs(bpm - known.measured[MEASURED[0]])[tested]
    return errors


def collect(errors: dict[str, dict[str, list[NDArray]]], name: str, found: Mapping[str, NDArray]) -> None:
    for key, values in found.items():
        errors.setdefault(name, {}).setdefault(key, []).append(values)


def compared(
    errors: Mapping[str, Mapping[str, list[NDArray]]], known: People, folds: int, seeds: int, draws: int
) -> dict[str, Any]:
    """Mean errors over seeds with intervals over people, and the change against the mean of the others."""
    person = np.arange(len(known.names))
    mean = {name: {key: np.mean(each, axis=0) for key, each in row.items()} for name, row in errors.items()}

    def interval(values: NDArray) -> dict[str, float | None]:
        return rounded(metrics.bootstrap(lambda x: float(np.mean(x)), values, subjects=person, n=draws))

    rows = {
        name: {
            key: {**interval(values), "gain": interval(mean[MEAN][key] - values)}
            for key, values in row.items()
        }
        for name, row in mean.items()
    }
    return {
        "kind": "outputs-only",
        "title": "PPG-BP: a teacher known by its outputs",
        "people": len(known.names),
        "folds": folds,
        "seeds": seeds,
        "baseline": MEAN,
        "measured": list(MEASURED),
        "rows": rows,
    }


def main(
    folder: Annotated[Path, typer.Argument(help="Folder with ppg_bp_train.npz and ppg_bp_val.npz.")],
    out: Annotated[Path, typer.Option(help="Folder for data, store and runs.")] = Path("runs/ppg-bp"),
    results: Annotated[Path, typer.Option(help="JSON file for the comparison.")] = Path(
        "docs/results/ppg-bp.json"
    ),
) -> None:
    """Distil from the embeddings, and compare with labels alone, the embeddings themselves and the mean."""
    study(folder, out, results)
    print(results)


if __name__ == "__main__":
    typer.run(main)
