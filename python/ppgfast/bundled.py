"""The models that come with the package, and what is known of them."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "file_of", "models", "nearest"]

FOLDER = Path(__file__).parent / "models"


def models(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """The bundled models, or those of a folder that is made like theirs: name -> card.

    A card says what the model takes, which data it learned from under which licence (`data`), whether that
    leaves it open or for research only (`use`), whom it was tested on with which errors (by the core, on the
    very file), and what it must not be used for.
    """
    cards = sorted(folder.glob("*.json"))
    return {card.stem: json.loads(card.read_text(encoding="utf-8")) for card in cards}


def file_of(name: str) -> str:
    """The path of the bundled model of that name; a path that exists, and any other, stays as it is."""
    file = FOLDER / f"{name}.ppgf"
    is_name = Path(name).name == name and not Path(name).exists()
    return str(file) if is_name and file.exists() else name


def nearest(name: str) -> str:
    """What to say of a file that is not there and may have been meant as a bundled model; empty of a path."""
    if Path(name).name != name:
        return ""
    names = sorted(file.stem for file in FOLDER.glob("*.ppgf"))
    near = difflib.get_close_matches(name.removesuffix(".ppgf"), names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"; or give a bundled model: {guess}ppgfast.models() and `ppgfast models` list them"
