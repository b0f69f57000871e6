"""`ppgfast monitor`: a page that shows samples as they come, and what a model says of them."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import ppgfast
from ppgfast.monitor import source
from ppgfast.monitor.live import Live, Options
from ppgfast.monitor.source import Packet, Source

from .files import Acc, Column
from .models import model_file
from .output import Json, plain_errors, say_warning
from .saving import json_text
from .stream import (
    DEFAULT,
    BothWays,
    Form,
    Hop,
    Input,
    ModelOption,
    NoTrack,
    Polar,
    Rate,
    Side,
    TimeUnit,
    piped,
    stopped_quietly,
    wanted_of,
)
from .work import check_rate, read, times_of

PORT = 8750


def monitor(
    samples: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-|lsl", help="A recording, standard input, or a Lab Streaming Layer stream."
        ),
    ],
    model: ModelOption = DEFAULT,
    af_model: Annotated[
        Path | None,
        typer.Option(help="A model for fibrillation beside it.", parser=model_file, metavar="MODEL"),
    ] = None,
    sampling_rate: Rate = None,
    form: Form = Input.text,
    time_unit: TimeUnit = None,
    column: Column = None,
    acc_columns: Acc = None,
    speed: Annotated[
        float, typer.Option(min=0.0, help="Of a FILE: 1 is real time, 0 as fast as it goes.")
    ] = 1.0,
    name: Annotated[
        str | None, typer.Option(help="Of the LSL stream; default the first of type PPG.")
    ] = None,
    channel: Annotated[int, typer.Option(min=0, help="Of the LSL stream's PPG, from 0.")] = 0,
    acc_channel: Annotated[
        int | None, typer.Option("--acc-channel", help="First of the LSL stream's three in g.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="s to look for the LSL stream.")] = 10.0,
    hop: Hop = None,
    both_ways: BothWays = False,
    no_track: NoTrack = False,
    polarity: Polar = Side.upright,
    host: Annotated[
        str, typer.Option(help="Address to serve at; others than this computer need the token it prints.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = PORT,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    json: Json = False,
) -> None:
    """A live page of samples and heart rate.

    It has waveform, beats, quality, fibrillation and motion. A FILE is played; `-` takes what
    `ppgfast stream` takes; `lsl` the Lab Streaming Layer. Only browsers on this computer reach the page,
    unless --host says otherwise. It stays until Ctrl-C, which ends with status 130."""
    wanted = wanted_of(time_unit, column, acc_columns)
    with plain_errors(), stopped_quietly():
        try:
            from ppgfast.monitor.serve import serve
        except ModuleNotFoundError as error:
            missing = (error.name or "").split(".")[0]
            raise ModuleNotFoundError(
                f"this needs {missing}: pip install 'ppgfast[monitor]', in a checkout '.[monitor]'"
            ) from None
        network = ppgfast.load(model)
        fibrillation = None if af_model is None else ppgfast.load(af_model)
        with_acc = network.info["input"]["channels"] == 4

        def opened() -> Source:
            if samples == "-":
                data = source.chunks(partial(os.read, sys.stdin.fileno()))
                return piped(data, form, wanted, sampling_rate, with_acc)
            if samples == "lsl":
                return source.lsl(
                    name=name, channel=channel, acc=acc_channel, sampling_rate=sampling_rate, timeout=timeout
                )
            recording = read(Path(samples), sampling_rate, column, acc_columns)
            check_rate(recording)
            for finding in ppgfast.ppg_check(
                recording.signal, **times_of(recording), polarity=polarity.value
            ):
                if finding.warns:
                    say_warning(f"{recording.metadata['file']}: {finding.message}")
            return source.played(recording, speed)

        def begin() -> tuple[Live, Iterator[Packet]]:
            found = opened() if polarity is Side.upright else source.turned(opened())
            live = Live(found, network, fibrillation, Options(hop, both_ways, not no_track))
            live.about["model"] = model.stem
            return live, found.packets

        def ready(address: str) -> None:
            typer.echo(
                json_text({"address": address}, indent=None) if json else f"{address}  (Ctrl-C ends it)"
            )
            if browser:
                webbrowser.open(address)

        # What is wrong with a file is said before an address; the others may be long in coming.
        begun = None if samples in ("-", "lsl") else begin()
        asyncio.run(serve(lambda: begun or begin(), host=host, port=port, ready=ready))
