"""A model as C, for a microcontroller."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import ppgfast.export_c

from .models import ModelPath
from .output import Json, plain_errors, say_json, say_pairs


def export_c(
    model: ModelPath,
    out: Annotated[Path, typer.Option(help="Folder for the two files.")] = Path(),
    name: Annotated[str, typer.Option(help="Of array and files; default from the model's file name.")] = "",
    selftest: Annotated[int, typer.Option(min=0, help="Test windows to keep with the model.")] = 2,
    json: Json = False,
) -> None:
    """Write a model as C for a microcontroller: an array that is used in flash, and a header.

    The header states window, memory and multiply-adds; docs/hardware.md what such devices took."""
    with plain_errors():
        out.mkdir(parents=True, exist_ok=True)
        source, header = ppgfast.export_c.export_c(model, out, name=name, selftest=selftest)
    written = {"source": str(source), "header": str(header), "bytes": source.stat().st_size}
    if json:
        say_json(written)
    else:
        say_pairs(written)
