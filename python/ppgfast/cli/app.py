"""All commands; each module below registers what its name says."""

from __future__ import annotations

from typing import Annotated

import typer

import ppgfast

from . import device, files, models
from .monitor import monitor
from .report import report
from .run import run
from .stream import stream

EPILOG = (
    "Exit status: 0 all went well, 1 something failed (a file, a check), 2 no such command or option, "
    "130 stopped by Ctrl-C."
)

app = typer.Typer(
    name="ppgfast",
    help="Heart rate and rhythm from photoplethysmograms, with small models that run anywhere.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("models")(models.models)
app.command("info")(models.info)
app.command("check")(models.check)
app.command("bench")(models.bench)
app.command("export-c")(device.export_c)
app.command("cpu")(models.cpu)
app.command("simulate")(files.simulate)
app.command("convert")(files.convert)
app.command("run")(run)
app.command("stream")(stream)
app.command("monitor")(monitor)
app.command("report")(report)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(ppgfast.__version__)
        raise typer.Exit
