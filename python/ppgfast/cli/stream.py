"""`ppgfast stream`: samples on standard input, a line for each window on standard output."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import ppgfast
from ppgfast.bundled import file_of
from ppgfast.monitor import source
from ppgfast.monitor.lines import UNITS, Wanted
from ppgfast.monitor.live import Feed, Options
from ppgfast.stream import StreamResult

from .files import Acc, Column
from .models import MODEL, model_file
from .output import Json, plain_errors
from .run import STOPPED
from .saving import json_text

NAME = "hr-tcn5k-s8"
DEFAULT = Path(file_of(NAME))


class Input(str, Enum):
    """How samples are written."""

    text = "text"
    f32 = "f32"


class Side(str, Enum):
    """Of the PPG; finding it out takes a whole recording."""

    upright = "upright"
    inverted = "inverted"


ModelOption = Annotated[
    Path, typer.Option("--model", help=MODEL, parser=model_file, metavar="MODEL", show_default=NAME)
]
Rate = Annotated[
    float | None, typer.Option("--sampling-rate", help="Hz; needed where no time stamps tell it.")
]
Form = Annotated[
    Input, typer.Option("--format", help="Lines of text, or float32, little-endian, without anything else.")
]
TimeUnit = Annotated[
    str | None,
    typer.Option("--time-unit", help=f"Of time stamps: {', '.join(UNITS)}; default the header's, or s."),
]
Hop = Annotated[float | None, typer.Option(help="s between windows; default the model's.")]
BothWays = Annotated[
    bool, typer.Option("--both-ways", help="Filter each window backwards too, as in training.")
]
Polar = Annotated[Side, typer.Option("--polarity", help="Of the PPG; a stream cannot find it out.")]
NoTrack = Annotated[bool, typer.Option("--no-track", help="Each window for itself: no tracker.")]


def stream(
    model: ModelOption = DEFAULT,
    sampling_rate: Rate = None,
    form: Form = Input.text,
    time_unit: TimeUnit = None,
    column: Column = None,
    acc_columns: Acc = None,
    hop: Hop = None,
    both_ways: BothWays = False,
    no_track: NoTrack = False,
    polarity: Polar = Side.upright,
    json: Json = False,
) -> None:
    """Samples in, a line for each window out.

    Lines on standard input hold `value`, `time,value`, `value,ax,ay,az` or `time,value,ax,ay,az`, or what a
    header names; with `--format f32` and a model that takes the accelerometer, a sample is four numbers. A
    line that cannot be read is named on standard error and counts as a missing sample.

    A terminal gets a table, a pipe CSV, or a JSON object a line with --json. Ctrl-C ends with status 130."""
    with plain_errors(), stopped_quietly():
        network = ppgfast.load(model)
        with_acc = network.info["input"]["channels"] == 4
        wanted = wanted_of(time_unit, column, acc_columns)
        data = source.chunks(sys.stdin.buffer.read1)  # type: ignore[union-attr]
        samples = piped(data, form, wanted, sampling_rate, with_acc)
        if polarity is Side.inverted:
            samples = source.turned(samples)
        feed = Feed(network, samples, Options(hop, both_ways, not no_track))
        write = _writer(json, network.info["output"]["task"] == "af")
        for packet in samples.packets:
            for result in feed.push(packet):
                write(result)
            sys.stdout.flush()


def wanted_of(time_unit: str | None, column: str | None, acc_columns: str | None) -> Wanted:
    """What the options say of the lines."""
    if time_unit is not None and time_unit not in UNITS:
        raise typer.BadParameter(f"--time-unit is {time_unit!r}, expected one of {', '.join(UNITS)}")
    axes = tuple(name.strip() for name in acc_columns.split(",")) if acc_columns else None
    if axes is not None and len(axes) != 3:
        raise typer.BadParameter(f"--acc-columns is {acc_columns!r}, expected three names: x,y,z")
    return Wanted(time_unit, column, axes)


def piped(
    data: Iterator[bytes], form: Input, wanted: Wanted, sampling_rate: float | None, with_acc: bool
) -> source.Source:
    """Standard input."""
    if form is Input.f32:
        return source.raw(data, sampling_rate=sampling_rate, with_acc=with_acc, complain=say_note)
    return source.text(data, sampling_rate=sampling_rate, wanted=wanted, complain=say_note)


def say_note(text: str) -> None:
    typer.echo(text, err=True)


@contextmanager
def stopped_quietly() -> Iterator[None]:
    """Ctrl-C is status 130, a reader that has seen enough is no error, and warnings are sentences."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: say_note(f"warning: {message}")
        try:
            yield
        except KeyboardInterrupt:
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            # The interpreter flushes what is left at its end: into nothing.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


def _writer(json: bool, is_af: bool) -> Callable[[StreamResult], None]:
    """What prints a result: JSON, a table where people look, else CSV."""
    if json:
        return lambda result: print(json_text(result._asdict(), indent=None))
    if sys.stdout.isatty():
        console = Console(highlight=False, soft_wrap=True)
        answer = "     AF" if is_af else "    bpm      +-"
        console.print(f"[bold]{'from, s':>10}{'to, s':>10}{answer}  quality[/]")
        return lambda result: console.print(_seen(result, is_af))
    print(",".join(StreamResult._fields))
    return lambda result: print(",".join(_cell(value) for value in result))


def _cell(value: Any) -> str:
    return "" if value != value else str(value)


def _seen(result: StreamResult, is_af: bool) -> str:
    numbers = [result.af_probability] if is_af else [result.hr_bpm, result.hr_std]
    form = "7.3f" if is_af else "7.1f"
    cells = "".join(f"{value:{form}}" if value == value else f"{'-':>7}" for value in numbers)
    colour = "green" if result.valid else "yellow" if result.reason == "warming_up" else "red"
    times = f"{result.t_start:>10.1f}{result.t_end:>10.1f}"
    return f"{times}{cells}  [{colour}]{result.quality:>7.2f}  {result.reason}[/]"
