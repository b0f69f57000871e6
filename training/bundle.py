"""A trained run becomes a bundled model: one file and its card.

    python -m training.bundle hr-tcn5k-s8 runs/hr-tcn5k data/cinc data/bidmc

The scores of the card are those of the C++ core on the very file, on the subjects of each data folder that
the model did not learn from.
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

OPEN = ("ODC-BY 1.0", "CC BY 4.0", "Apache-2.0")  # what the licence of data begins with that is given on
PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
START, END = "<!-- models:start -->", "<!-- models:end -->"
NOT_FOR = (
    "Not a medical device: not for diagnosis, treatment or monitoring of patients. Not tested on other "
    "sensors, skin types or ages than those of the data below."
)
SHOWN = {"hr": ("mae", "median", "within_5bpm"), "af": ("auroc", "sensitivity_at_95", "specificity_at_95")}


def bundle(name: str, run: Path, folders: Sequence[Path], target: Path = FOLDER) -> Path:
    """Export `run` as `target/name.ppgf` and write its card; returns the card's path."""
    target.mkdir(parents=True, exist_ok=True)
    file = target / f"{name}.ppgf"
    precision = "s8" if name.endswith("-s8") else "f32"
    export(ExportConfig(model=run, out=file, precision=precision, selftest=4))
    _, meta = checkpoint.load(find_checkpoint(run))
    data, subjects = meta["data"], meta["subjects"]
    is_open = all(part.strip().startswith(OPEN) for part in data["licence"].split(";"))
    card = {
        "name": name,
        "task": meta["contract"]["task"],
        "data": {key: data[key] for key in ("dataset", "licence", "citation")},
        "use": "open" if is_open else "research only: see the licences of the data",
        "not_for": NOT_FOR,
        "subjects": {part: len(names) for part, names in subjects.items()},
        "seed": meta["seed"],
    }
    learned = {*subjects["train"], *subjects["validation"]}
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
    config = EvaluateConfig(models={card["name"]: file}, run=run, data=(folder,), track=card["task"] == "hr")
    result = evaluate(config)
    assert not set(result.subjects) & learned
    return {
        "dataset": result.windows.manifest["dataset"],
        "windows": len(result.rows),
        "subjects": len(result.subjects),
        "models": {score.name: numbers(score, card["task"]) for score in result.scores},
    }


def numbers(score: Score, task: str) -> dict[str, Any]:
    """Value and 95 % interval over subjects of the metrics that a card shows; None where there is none."""
    found = {key: score.metrics[key] for key in SHOWN[task] if key in score.metrics}
    return {
        key: [round(value, 4) if math.isfinite(value) else None for value in interval]
        for key, interval in found.items()
    }


def page() -> str:
    """The table of docs/models.md, from all cards."""
    header = ["model", "KB", "thousand multiply-adds", "tested on", "windows, people", "MAE, bpm", "median"]
    header += ["MAE, tracked", "MAE, spectral peak"]
    lines = [header, ["---"] * 2 + ["---:"] + ["---"] * 2 + ["---:"] * 4]
    for name, card in ppgfast.models().items():
        for score in card["scores"]:
            found = score["models"]
            own, tracked, peak = found[name], found.get(f"{name}, tracked", {}), found["spectral peak"]
            size = [f"{card['bytes'] / 1e3:.0f}", f"{card['multiply_adds'] / 1e3:,.0f}"]
            where = [score["dataset"], f"{score['windows']:,}, {score['subjects']}"]
            errors = [own["mae"], own["median"], tracked.get("mae"), peak["mae"]]
            lines.append([f"`{name}`", *size, *where, *map(_interval, errors)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _interval(numbers: Sequence[float] | None) -> str:
    return "" if numbers is None else "{:.2f} ({:.1f} to {:.1f})".format(*numbers)


def main(
    name: Annotated[str, typer.Argument(help="<task>-<student>[-acc][-s8]")],
    run: Annotated[Path, typer.Argument(help="Run folder of finetune, distill or quantize.")],
    data: Annotated[list[Path], typer.Argument(help="Prepared folders to score the model on.")],
) -> None:
    """Bundle a trained model with its card."""
    print(bundle(name, run, data))
    before, rest = PAGE.read_text().split(START)
    PAGE.write_text(f"{before}{START}\n{page()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    typer.run(main)
