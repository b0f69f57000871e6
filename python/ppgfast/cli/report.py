"""`ppgfast report`: a recording on one page."""

from __future__ import annotations

import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import ppgfast

from .files import Acc, Column, Polar, Rate, keep
from .models import MODEL, model_file
from .output import Json, plain_errors, say_json, say_warning, usage
from .saving import write_atomically
from .work import Polarity, aligned, read, times_of

Model = Annotated[
    Path | None,
    typer.Option(
        help=f"{MODEL} Default hr-tcn5k-s8, with an accelerometer hr-tcn5k-acc-s8.",
        parser=model_file,
        metavar="MODEL",
    ),
]
Fibrillation = Annotated[
    Path | None,
    typer.Option("--af-model", help="The same, for atrial fibrillation.", parser=model_file, metavar="MODEL"),
]


def report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording in any container.")],
    out: Annotated[Path | None, typer.Option(help="Page to write; default FILE.html, here.")] = None,
    model: Model = None,
    af_model: Fibrillation = None,
    hop: Annotated[float | None, typer.Option(help="s between windows; default the model's.")] = None,
    min_quality: Annotated[float, typer.Option(help="Windows of less are not valid, 0 to 1.")] = 0.5,
    polarity: Polar = Polarity.upright,
    sampling_rate: Rate = None,
    column: Column = None,
    acc_columns: Acc = None,
    json: Json = False,
) -> None:
    """A recording on one HTML page: heart rate, quality, events, the best and the worst windows.

    The page needs no other file and no network. With NeuroKit2 installed it has the variability of heart
    rate, with --af-model stretches of likely fibrillation."""
    page = out or Path(f"{file.name}.html")
    if not page.parent.is_dir():
        raise usage(f"--out is {page}, but there is no folder {page.parent}: make it first")
    keep(file, page)
    began = time.perf_counter()
    with plain_errors(), Console(stderr=True).status(f"{file.name}: reading, computing, drawing"):
        recording = read(file, sampling_rate, column, acc_columns)
        wanted: dict[str, Any] = {"hop": hop, "min_quality": min_quality, "polarity": polarity.value}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ppgfast.SignalWarning)  # the page says it
            signals, info = ppgfast.ppg_process(
                recording.signal,
                **times_of(recording),
                **_motion(recording, model),
                model=model,
                af_model=af_model,
                hrv=find_spec("neurokit2") is not None,
                **wanted,
            )
        text = ppgfast.ppg_report(
            signals, info, title=file.name, metadata={**recording.metadata, "options": wanted}
        )
        data = text.encode("utf-8", "replace")
        write_atomically(page, lambda opened: opened.write(data))
    for finding in info["findings"]:
        if finding.warns:
            say_warning(f"{file.name}: {finding.message}")
    windows = info["windows"]
    said = {
        "out": str(page),
        "bytes": len(data),
        "windows": len(windows),
        "valid": int(windows["valid"].sum()),
        "findings": [finding.message for finding in info["findings"]],
        "seconds": round(time.perf_counter() - began, 3),
    }
    if json:
        say_json(said)
    else:
        typer.echo(f"{page}: {said['valid']:,} of {said['windows']:,} windows are valid")


def _motion(recording: ppgfast.Recording, model: Path | None) -> dict[str, Any]:
    """The accelerometer where there is one, unless the model that was chosen does without."""
    takes = model is None and recording.acc is not None
    if model is not None:
        takes = ppgfast.load(model).info["input"]["channels"] == 4
    return {"acc": aligned(recording), "acc_rate": recording.acc_rate} if takes else {}
