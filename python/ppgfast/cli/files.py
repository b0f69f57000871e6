"""Recordings in and out: `simulate` and `convert`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
import typer
from numpy.typing import NDArray

import ppgfast
from ppgfast.io import Recording

from .output import Json, plain_errors, say_json, usage
from .saving import write_atomically
from .work import Polarity, read

Floats = NDArray[Any]

Rate = Annotated[
    float | None, typer.Option("--sampling-rate", help="Hz; needed where the file does not tell.")
]
Column = Annotated[str | None, typer.Option(help="Name of the PPG, where names do not tell.")]
Acc = Annotated[str | None, typer.Option("--acc-columns", help="Names of the accelerometer's axes: x,y,z.")]

Polar = Annotated[Polarity, typer.Option("--polarity", help="Of the PPG; auto finds it out.")]


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording in any container that is read.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .csv, .npz or .parquet.")],
    sampling_rate: Rate = None,
    column: Column = None,
    acc_columns: Acc = None,
    json: Json = False,
) -> None:
    """Any recording as CSV, NPZ or Parquet.

    NPZ keeps the accelerometer at its own rate; CSV and Parquet have one row per sample of the PPG, with the
    accelerometer on straight lines between its samples."""
    writer = _writer(out)
    keep(file, out)
    with plain_errors():
        recording = read(file, sampling_rate, column, acc_columns)
        start = recording.metadata["start"]
        facts = {"units": recording.metadata["units"], **({"start": start} if start else {})}
        write_atomically(out, lambda opened: writer(opened, recording, facts))
    if json:
        say_json({"out": str(out), **_summary(recording)})
    else:
        typer.echo(f"{out}: {recording!r}")
        for note in recording.metadata["notes"]:
            typer.echo(f"note: {note}", err=True)


def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write: .csv, .npz or .parquet.")],
    duration: Annotated[float, typer.Option(help="s.")],
    sampling_rate: Annotated[float, typer.Option("--sampling-rate", help="Hz.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same samples everywhere.")],
    heart_rate: Annotated[float, typer.Option(help="bpm.")] = 70.0,
    rhythm: Annotated[str, typer.Option(help="sinus, af, pvc, pac or bigeminy.")] = "sinus",
    motion: Annotated[str, typer.Option(help="rest, gestures, walk or run.")] = "rest",
    json: Json = False,
) -> None:
    """Make a PPG whose truth is known.

    The accelerometer of the same arm goes with it, and into an NPZ the exact truth."""
    writer = _writer(out)
    with plain_errors():
        made = ppgfast.ppg_simulate(
            duration=duration,
            sampling_rate=sampling_rate,
            seed=seed,
            heart_rate=heart_rate,
            rhythm=rhythm,
            motion=motion,
        )
        metadata: dict[str, Any] = {
            "file": out.name,
            "column": "signal",
            "units": "",
            "start": None,
            "notes": [],
        }
        recording = Recording(
            made.signal, made.sampling_rate, None, made.acc.astype(np.float64), made.acc_rate, 0.0, metadata
        )
        truth: dict[str, Any] = {"seed": seed}
        if out.suffix.lower() == ".npz":
            names = ("clean", "beat_times", "rr_intervals", "beats", "artefact", "lost")
            truth |= {f"truth.{name}": getattr(made, name) for name in names}
        write_atomically(out, lambda opened: writer(opened, recording, truth))
    if json:
        say_json({"out": str(out), "beats": len(made.beat_times), **_summary(recording)})
    else:
        typer.echo(f"{out}: {recording.duration:g} s at {sampling_rate:g} Hz, {len(made.beat_times)} beats")


def _summary(recording: Recording) -> dict[str, Any]:
    return {
        "samples": len(recording.signal),
        "sampling_rate": recording.sampling_rate,
        "duration": recording.duration,
        "even": recording.timestamps is None,
        "acc_rate": recording.acc_rate,
        **recording.metadata,
    }


def keep(file: Path, out: Path) -> None:
    """A recording is never written over by what is made of it."""
    if file.exists() and out.exists() and out.samefile(file):
        raise usage(
            f"the recording {file.name} would be written over by what is made of it: name another file"
        )


def _writer(out: Path) -> Any:
    writers = {".csv": _csv, ".npz": _npz, ".parquet": _parquet}
    if out.suffix.lower() not in writers:
        raise usage(f"OUT is {out.name}, expected a name that ends in .csv, .npz or .parquet")
    if not out.parent.is_dir():
        raise usage(f"OUT is {out}, but there is no folder {out.parent}: make it first")
    return writers[out.suffix.lower()]


def _columns(recording: Recording) -> dict[str, Floats]:
    """One entry per sample: time, PPG, and the accelerometer where there is one."""
    n = len(recording.signal)
    even = np.arange(n) / recording.sampling_rate
    times = even if recording.timestamps is None else recording.timestamps
    units = recording.metadata["units"]
    columns: dict[str, Floats] = {"time [s]": times, f"ppg [{units}]" if units else "ppg": recording.signal}
    if recording.acc is not None and recording.acc_rate:
        at = recording.acc_start + np.arange(len(recording.acc)) / recording.acc_rate
        for name, axis in zip("xyz", recording.acc.T, strict=True):
            columns[f"acc {name} [g]"] = np.interp(times, at, axis, left=np.nan, right=np.nan)
    return columns


def _csv(file: BinaryIO, recording: Recording, facts: Mapping[str, Any]) -> None:
    """Every number in the shortest form that reads back as itself, times to the nanosecond."""
    import pandas as pd

    columns = _columns(recording)
    columns["time [s]"] = np.round(columns["time [s]"], 9)
    file.write(f"# sampling_rate: {recording.sampling_rate!r} Hz\n".encode())
    pd.DataFrame(columns).to_csv(file, index=False, lineterminator="\n")


def _npz(file: BinaryIO, recording: Recording, facts: Mapping[str, Any]) -> None:
    arrays: dict[str, Any] = {"signal": recording.signal, "sampling_rate": recording.sampling_rate, **facts}
    if recording.timestamps is not None:
        arrays["timestamps [s]"] = recording.timestamps
    if recording.acc is not None:
        arrays |= {"acc": recording.acc, "acc_rate": recording.acc_rate, "acc_units": "g"}
        arrays["acc_start"] = recording.acc_start
    np.savez_compressed(file, **arrays)


def _parquet(file: BinaryIO, recording: Recording, facts: Mapping[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stated = {"sampling_rate": recording.sampling_rate, **facts}
    table = pa.table(_columns(recording))
    pq.write_table(table.replace_schema_metadata({key: str(value) for key, value in stated.items()}), file)
