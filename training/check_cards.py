"""The scores in the cards of the bundled models, computed again: `python -m training.check_cards data/...`.

By the C++ core on the very files, on the people whom each card names as tested; whatever differs is named and
the exit status is 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import ppgfast
from ppgfast.bundled import FOLDER
from training import bundle
from training.data.windows import WindowSet, read_manifest
from training.evaluate import Limits, baseline, core_entries, score, tracked
from training.inputs import open_windows, subject_names


def differences(
    name: str, card: Mapping[str, Any], folders: Sequence[Path], file: Path
) -> Iterator[tuple[str, str]]:
    """Where the card is tested and what differs there, "" = nothing, data set by data set."""
    if sha256(file.read_bytes()).hexdigest() != card["sha256"]:
        yield "file", "is not the one that the card describes"
    known = {read_manifest(folder)["dataset"]: folder for folder in folders}
    for stated in card["scores"]:
        if stated["dataset"] not in known:
            yield stated["dataset"], "not checked: give its prepared folder"
            continue
        windows = open_windows([known[stated["dataset"]]], card["input"]["channels"])
        found = scores(name, card["task"], file, windows, stated)
        off = [
            f"{model} {key}: {numbers} in the card, {found[model].get(key)} found"
            for model, values in stated["models"].items()
            for key, numbers in values.items()
            if found[model].get(key) != numbers
        ]
        yield stated["dataset"], "; ".join(off)


def scores(
    name: str, task: str, file: Path, windows: WindowSet, stated: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The numbers of a card on the labelled windows of the people that it names, by model."""
    tested = np.isin(subject_names(windows), stated["tested"])
    rows = np.flatnonzero(tested[windows.subject] & np.isfinite(windows.label))
    own = core_entries(name, file)
    followed = [tracked(entry) for entry in own if entry.distribution is not None]
    entries = [baseline(task), *own, *followed]
    limits = {model: Limits(*pair) for model, pair in stated.get("limits", {}).items()}
    found = (score(entry, windows, rows, limits.get(entry.name), bundle.DRAWS) for entry in entries)
    return {each.name: bundle.numbers(each, task) for each in found}


def main(
    data: Annotated[list[Path], typer.Argument(help="Prepared folders of the data that cards name.")],
    models: Annotated[Path, typer.Option(help="Folder of models and cards.")] = FOLDER,
) -> None:
    """Compute the cards' scores again and say what differs."""
    failed = False
    for name, card in ppgfast.models(models).items():
        for where, what in differences(name, card, data, models / f"{name}.ppgf"):
            failed |= bool(what)
            print(f"{name}, {where}: {what or 'as in the card'}", flush=True)
    raise typer.Exit(int(failed))


if __name__ == "__main__":
    typer.run(main)
