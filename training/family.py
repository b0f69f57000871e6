"""What an error costs: `python -m training.family cinc2015` sets the models of a family side by side.

Error on one data set against the bytes of the file, the multiply-adds of a window and the time that it takes.
Errors are those of the cards of the bundled models, or for other files those that `evaluate --out` wrote; the
time is measured here, one window on one thread, all models in turn.
"""

from __future__ import annotations

import gc
import json
import platform
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import ppgfast
from ppgfast.bundled import FOLDER
from training.config import ConfigError
from training.progress import write_json

HEADLINE = {"hr": "mae", "af": "auroc"}
BASELINE = {"hr": "spectral peak", "af": "pulse variability"}
ROUNDS, CALLS = 60, 20  # timed calls of each model: so many rounds of so many


def family(
    dataset: str, out: Path, files: Mapping[str, Path], evaluation: Path | None = None, rounds: int = ROUNDS
) -> dict[str, Any]:
    """Compare `files` (name -> .ppgf), without any all bundled models with a score on `dataset`; write `out`.

    Raises ConfigError for a model of which nothing says how it did on that data set.
    """
    cards = {name: card for name, card in ppgfast.models().items() if dataset in scores_of(card)}
    files = files or {name: FOLDER / f"{name}.ppgf" for name in cards}
    known = json.loads(evaluation.read_text()) if evaluation else {"dataset": dataset, "scores": []}
    if known["dataset"] != dataset:
        raise ConfigError(f"{evaluation} is about {known['dataset']}, expected {dataset}")
    models = {name: ppgfast.load(path) for name, path in files.items()}
    tasks = {model.info["output"]["task"] for model in models.values()}
    if len(tasks) != 1:
        raise ConfigError(f"the models are for {sorted(tasks) or 'no task'}, expected one task")
    task = tasks.pop()
    measured = latencies(models, rounds)
    rows = []
    for name, model in models.items():
        info = {key: model.info[key] for key in ("kind", "precision", "parameters", "multiply_adds")}
        error = score(name, task, known, cards)
        rows.append(
            {"name": name, **info, "bytes": files[name].stat().st_size, "us": measured[name], "score": error}
        )
    found = {
        "kind": "family",
        "title": f"The family for {task} on {dataset}",
        "task": task,
        "dataset": dataset,
        "headline": HEADLINE[task],
        "machine": machine(),
        "models": sorted(rows, key=lambda row: row["bytes"]),
        "baseline": {"name": BASELINE[task], "score": score(BASELINE[task], task, known, cards)},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, found)
    return found


def scores_of(card: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Data set -> who was scored there, of a card."""
    return {score["dataset"]: score["models"] for score in card["scores"]}


def score(
    name: str, task: str, evaluation: Mapping[str, Any], cards: Mapping[str, Mapping[str, Any]]
) -> dict[str, float | None]:
    """The error with its interval, of the evaluation, else of a card."""
    for row in evaluation["scores"]:
        if row["name"] == name and row["engine"] in ("C++", "-"):
            return row["metrics"][HEADLINE[task]]
    card = cards.get(name) or (next(iter(cards.values()), None) if name in BASELINE.values() else None)
    if card is None:
        raise ConfigError(f"nothing says how {name} did on {evaluation['dataset']}; give --evaluation")
    numbers = scores_of(card)[evaluation["dataset"]][name][HEADLINE[task]]
    return dict(zip(("value", "low", "high"), numbers, strict=True))


def latencies(models: Mapping[str, ppgfast.Model], rounds: int) -> dict[str, dict[str, float]]:
    """Name -> minimum and median time of one window in microseconds, from array to array on one thread."""
    rng = np.random.default_rng(0)
    shapes = {name: model.info["input"] for name, model in models.items()}
    windows = {
        name: rng.random((1, *((4,) if shape["channels"] == 4 else ()), shape["window"]), dtype=np.float32)
        for name, shape in shapes.items()
    }
    times: dict[str, list[int]] = {name: [] for name in models}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):  # so that a busy neighbour meets all of them alike
            for name in rng.permutation(list(models)):
                predict, window = models[name].predict, windows[name]
                predict(window), predict(window)
                for _ in range(CALLS):
                    start = time.perf_counter_ns()
                    predict(window)
                    times[name].append(time.perf_counter_ns() - start)
    finally:
        gc.enable()
    return {
        name: {"min": round(min(taken) / 1e3, 1), "median": round(float(np.median(taken)) / 1e3, 1)}
        for name, taken in times.items()
    }


def machine() -> dict[str, str]:
    """What the times belong to; no host, no user."""
    about = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", about.read_text() if about.exists() else "", re.MULTILINE)
    cpu = names[0].strip() if names else platform.processor() or platform.machine()
    return {"cpu": cpu, "system": platform.system(), "kernels": str(ppgfast.cpu()["selected"])}


def named(files: Sequence[str]) -> dict[str, Path]:
    """`name=path` or `path`, whose stem is the name."""
    pairs = [text.rpartition("=") for text in files]
    return {name or Path(path).stem: Path(path) for name, _, path in pairs}


def main(
    dataset: Annotated[str, typer.Argument(help="Data set that the errors are of, for example cinc2015.")],
    files: Annotated[
        list[str] | None, typer.Argument(help="name=FILE.ppgf; default the bundled ones.")
    ] = None,
    evaluation: Annotated[Path | None, typer.Option(help="What `evaluate --out` wrote of them.")] = None,
    out: Annotated[Path | None, typer.Option(help="default docs/results/family-DATASET.json")] = None,
) -> None:
    """Set the errors of models against their bytes, multiply-adds and times."""
    target = out or Path(f"docs/results/family-{dataset}.json")
    family(dataset, target, named(files or ()), evaluation)
    print(target)


if __name__ == "__main__":
    typer.run(main)
