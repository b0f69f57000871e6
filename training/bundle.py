"""A trained run becomes a bundled model: one file and its card.

    python -m training.bundle hr-tcn5k-s8 runs/hr-tcn5k data/cinc data/bidmc

The scores of the card are those of the C++ core on the very file, on the subjects of each data folder that
the model did not learn from. `python -m training.check_cards` computes them again from the files alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

import ppgfast
from ppgfast.bundled import FOLDER
from training import checkpoint
from training.config import EvaluateConfig, ExportConfig
from training.evaluate import Score, evaluate
from training.export_model import export
from training.progress import write_json
from training.runs import find_checkpoint
from training.sources import joined, people, stated, use_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
DRAWS = 1000  # of subjects, for the intervals in a card
START, END = "<!-- models:start -->", "<!-- models:end -->"
NOT_FOR = (
    "Not a medical device: not for diagnosis, treatment or monitoring of patients. Not tested on other "
    "sensors, skin types or ages than those of the data below."
)
PEAK = "spectral peak"
HEADINGS = {
    "hr": ("MAE, bpm", "median", "MAE, tracked", f"MAE, {PEAK}"),
    "af": ("AUROC", "sensitivity*", "specificity*", "AUROC, pulse variability"),
}
NOTES = {
    "af": "\\* at the threshold that gave a specificity of 95 % on validation people of the training data."
}
SHOWN = {"hr": ("mae", "median", "within_5bpm"), "af": ("auroc", "sensitivity_at_95", "specificity_at_95")}


def bundle(name: str, run: Path, folders: Sequence[Path], target: Path = FOLDER) -> Path:
    """Export `run` as `target/name.ppgf` and write its card; returns the card's path."""
    target.mkdir(parents=True, exist_ok=True)
    file = target / f"{name}.ppgf"
    precision = "s8" if name.endswith("-s8") else "f32"
    export(ExportConfig(model=run, out=file, precision=precision, selftest=4))
    _, meta = checkpoint.load(find_checkpoint(run))
    data, subjects = joined(stated(meta)), meta["subjects"]
    card = {
        "name": name,
        "task": meta["contract"]["task"],
        "data": data,
        "use": use_of(data["licence"]),
        "not_for": NOT_FOR,
        "subjects": {part: len(names) for part, names in subjects.items()},
        "seed": meta["seed"],
    }
    learned = people(meta)
    path = target / f"{name}.json"
    write_json(path, card | measured(file, card, folders, run, learned))
    return path


def measured(
    file: Path, card: Mapping[str, Any], folders: Sequence[Path], run: Path, learned: set[str]
) -> dict[str, Any]:
    """What follows from the file itself: its size, its contract, its scores."""
    about = ppgfast.load(file).info
    scores = [scored(file, card, folder, run, learned) for folder in folders]
    return {
        "bytes": file.stat().st_size,
        "sha256": sha256(file.read_bytes()).hexdigest(),
        **{
            key: about[key] for key in ("kind", "precision", "parameters", "multiply_adds", "input", "output")
        },
        "scores": scores,
    }


def scored(file: Path, card: Mapping[str, Any], folder: Path, run: Path, learned: set[str]) -> dict[str, Any]:
    """The errors of core and baseline on the subjects of a folder that the model did not learn from."""
    models, track = {card["name"]: file}, card["task"] == "hr"
    result = evaluate(EvaluateConfig(models=models, run=run, data=(folder,), track=track, bootstrap=DRAWS))
    assert not set(result.subjects) & learned
    limits = {score.name: list(score.limits) for score in result.scores if score.limits is not None}
    return {
        "dataset": result.windows.manifest["dataset"],
        "windows": len(result.rows),
        "subjects": len(result.subjects),
        "tested": result.subjects,
        **({"limits": limits} if limits else {}),
        "models": {score.name: numbers(score, card["task"]) for score in result.scores},
    }


def numbers(score: Score, task: str) -> dict[str, Any]:
    """Value and 95 % interval over subjects of the metrics that a card shows; None where there is none."""
    found = {key: score.metrics[key] for key in SHOWN[task] if key in score.metrics}
    return {
        key: [round(value, 4) if math.isfinite(value) else None for value in interval]
        for key, interval in found.items()
    }


def write_page() -> None:
    """Put the tables into docs/models.md."""
    before, rest = PAGE.read_text().split(START)
    PAGE.write_text(f"{before}{START}\n{page()}\n{END}{rest.split(END)[1]}")


def page() -> str:
    """The tables of docs/models.md, one per task, from all cards."""
    cards = ppgfast.models()
    tables = []
    for task, headings in HEADINGS.items():
        header = ["model", "use", "KB", "thousand multiply-adds", "tested on", "windows, people", *headings]
        lines = [header, ["---"] * 2 + ["---:"] * 2 + ["---"] * 2 + ["---:"] * len(headings)]
        for name, card in cards.items():
            about = [card["use"].partition(":")[0], f"{card['bytes'] / 1e3:.0f}"]
            about.append(f"{card['multiply_adds'] / 1e3:,.0f}")
            for score in card["scores"] if card["task"] == task else ():
                where = [score["dataset"], f"{score['windows']:,}, {score['subjects']}"]
                for own, way in ((name, ""), (f"{name}, streamed", ", streamed")):
                    if own in score["models"]:
                        cells = shown(task, own, score["models"])
                        lines.append([f"`{name}`{way}", *about, *where, *cells])
        if len(lines) > 2:
            note = f"\n\n{NOTES[task]}" if task in NOTES else ""
            tables.append("\n".join(f"| {' | '.join(line)} |" for line in lines) + note)
    return "\n\n".join(tables)


def shown(task: str, model: str, found: Mapping[str, Any]) -> list[str]:
    """The cells under HEADINGS."""
    own = found[model]
    if task == "af":
        columns = [own.get(key) for key in SHOWN["af"]]
        return [_interval(numbers, 3) for numbers in (*columns, found["pulse variability"]["auroc"])]
    tracked = found.get(f"{model}, tracked", {}).get("mae")
    return [_interval(numbers) for numbers in (own["mae"], own["median"], tracked, found[PEAK]["mae"])]


def _interval(numbers: Sequence[float | None] | None, digits: int = 2) -> str:
    if numbers is None or None in numbers:
        return ""
    value, low, high = numbers
    return f"{value:.{digits}f} ({low:.{digits - 1}f} to {high:.{digits - 1}f})"


def main(
    name: Annotated[str, typer.Argument(help="<task>-<student>[-acc][-s8]")],
    run: Annotated[Path, typer.Argument(help="Run folder of finetune, distill or quantize.")],
    data: Annotated[list[Path], typer.Argument(help="Prepared folders to score the model on.")],
) -> None:
    """Bundle a trained model with its card."""
    print(bundle(name, run, data))
    write_page()


if __name__ == "__main__":
    typer.run(main)
