"""One file of a run: read, pushed through `Model.stream`, written. Worker processes load no more."""

from __future__ import annotations

import csv
import io
import signal
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import ppgfast
from ppgfast.stream import INTERVAL

from .output import say_warning
from .saving import json_text, write_atomically
from .words import as_options

RATES = (20.0, 500.0)  # Hz, of what a model's stream takes
SHOWN = 120  # characters of an error in the table


class Format(str, Enum):
    """Of the results."""

    csv = "csv"
    parquet = "parquet"
    json = "json"


class Polarity(str, Enum):
    """Of the PPG."""

    upright = "upright"
    inverted = "inverted"
    auto = "auto"


@dataclass(frozen=True)
class Job:
    """One file and where its rows go."""

    file: Path
    out: Path


@dataclass(frozen=True)
class Order:
    """What is the same for all files of a run."""

    model: Path
    model_sha256: str
    format: Format
    sampling_rate: float | None
    column: str | None
    acc_columns: str | None
    hop: float | None
    both_ways: bool
    plot: bool = False
    polarity: Polarity = Polarity.upright

    def facts(self) -> dict[str, Any]:
        """All that decides a result besides the file."""
        said = {**asdict(self), "model": self.model.name, "format": self.format.value}
        said["polarity"] = self.polarity.value
        return {**said, "ppgfast": ppgfast.__version__}


@dataclass
class Done:
    """What became of one file; `findings` are those of `ppg_check`; `inverted`: it was turned over."""

    file: str
    out: str = ""
    windows: int = 0
    valid: int = 0
    median_hr_bpm: float | None = None
    median_af_probability: float | None = None
    seconds: float = 0.0
    error: str = ""
    skipped: bool = False
    sha256: str = ""
    inverted: bool = False
    findings: list[dict[str, Any]] = field(default_factory=list)
    recording: dict[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """For the table on the screen."""
        answer = self.median_hr_bpm if self.median_hr_bpm is not None else self.median_af_probability
        error = self.error if len(self.error) <= SHOWN else f"{self.error[: SHOWN - 3]}..."
        found = error or ("done before" if self.skipped else self.out)
        return {
            "file": self.file,
            "windows": self.windows,
            "valid": self.valid,
            "median": answer,
            "result": found,
        }


def read(
    path: Path,
    sampling_rate: float | None,
    column: str | None,
    acc_columns: str | None,
    doubt: Callable[[str], None] = say_warning,
) -> ppgfast.Recording:
    """A file, with what the command line says of it; `doubt` hears where the file says something else."""
    axes = [name.strip() for name in acc_columns.split(",")] if acc_columns else None
    with warnings.catch_warnings():
        warnings.simplefilter("always", ppgfast.SignalWarning)
        warnings.showwarning = lambda message, *_, **__: doubt(str(message))
        return ppgfast.read(path, sampling_rate=sampling_rate, column=column, acc_columns=axes)


class _Worker:
    """What a worker process keeps between files."""

    order: Order
    model: ppgfast.Model


def open_model(order: Order) -> None:
    signal.signal(signal.SIGINT, _stop)
    _Worker.order, _Worker.model = order, ppgfast.load(order.model)


def _stop(*_: object) -> None:
    """Ctrl-C reaches workers too: they clean up behind them and end without a word."""
    raise SystemExit(1)


def one(job: Job) -> Done:
    """Reads, computes and writes one file; whatever goes wrong is its result."""
    start = time.perf_counter()
    findings: list[ppgfast.Finding] = []
    try:
        done = _windows(job, _Worker.order, _Worker.model, findings)
    except Exception as error:  # one bad file never stops the rest
        reason = str(error) if isinstance(error, ValueError | OSError | ImportError) else repr(error)
        done = Done(str(job.file), error=as_options(reason or repr(error)))
    done.findings = [{**finding._asdict(), "message": as_options(finding.message)} for finding in findings]
    done.seconds = round(time.perf_counter() - start, 3)
    return done


def _windows(job: Job, order: Order, model: ppgfast.Model, findings: list[ppgfast.Finding]) -> Done:
    name = job.file.name

    def doubt(text: str) -> None:
        message = text.removeprefix(f"{name}: ")
        findings.append(ppgfast.Finding("sampling_rate", message, 0.0, 0.0, True))

    recording = read(job.file, order.sampling_rate, order.column, order.acc_columns, doubt)
    check_rate(recording)
    turned, noticed = examined(recording, order.polarity, model.info["input"]["channels"] == 4)
    findings += noticed
    if turned:
        recording = replace(recording, signal=-recording.signal)
    rows = results(model, recording, order.hop, order.both_ways)
    if not rows:
        window = model.info["input"]["window"] / model.info["input"]["sampling_rate"]
        raise ValueError(f"{name}: its {recording.duration:.4g} s are no window of {window:g} s")
    job.out.parent.mkdir(parents=True, exist_ok=True)
    about = {"recording": recording.metadata, "order": order.facts(), "model_note": model.info["note"]}
    if order.plot:
        _draw(picture_of(job.out), recording, rows)
    write_atomically(job.out, lambda file: _write(file, order.format, rows, about))
    valid = [row for row in rows if row["valid"]]
    return Done(
        str(job.file),
        out=str(job.out),
        windows=len(rows),
        valid=len(valid),
        median_hr_bpm=_median(valid, "hr_bpm"),
        median_af_probability=_median(valid, "af_probability"),
        sha256=recording.metadata["sha256"],
        inverted=turned,
        recording=recording.metadata,
    )


def check_rate(recording: ppgfast.Recording) -> None:
    """ValueError unless a model's stream takes the recording's rate."""
    name, rate = recording.metadata["file"], recording.sampling_rate
    if not RATES[0] <= rate <= RATES[1]:
        raise ValueError(
            f"{name}: its sampling rate is {rate:g} Hz, and a model's stream takes {RATES[0]:g} to "
            f"{RATES[1]:g} Hz: resample it, or use ppgfast.ppg_rate, which takes 20 to 4000"
        )


def examined(
    recording: ppgfast.Recording, polarity: Polarity, with_acc: bool
) -> tuple[bool, list[ppgfast.Finding]]:
    """Whether the signal is to be turned over, and what `ppg_check` says of it then."""
    motion = {"acc": aligned(recording), "acc_rate": recording.acc_rate} if with_acc else {}
    found = ppgfast.ppg_check(recording.signal, **times_of(recording), **motion, polarity=polarity.value)
    if polarity is not Polarity.auto:
        return polarity is Polarity.inverted, found
    kept = [finding for finding in found if finding.kind != "inverted"]
    return len(kept) < len(found), kept


def results(
    model: ppgfast.Model,
    recording: ppgfast.Recording,
    hop: float | None = None,
    both_ways: bool = False,
) -> list[dict[str, Any]]:
    """What `Model.stream` says of a recording: one row per window, times in s after the first sample."""
    takes_acc = model.info["input"]["channels"] == 4
    acc = aligned(recording) if takes_acc else None
    stamps = recording.timestamps
    stream = model.stream(
        sampling_rate=recording.sampling_rate,
        acc_rate=recording.acc_rate if takes_acc else None,
        hop=hop,
        timestamps=stamps is not None,
        both_ways=both_ways,
    )
    found = stream.push(recording.signal.astype(np.float32), acc=acc, timestamps=stamps)
    return [row._asdict() for row in found]


def times_of(recording: ppgfast.Recording) -> dict[str, Any]:
    """What the verbs are told of its times."""
    if recording.timestamps is not None:
        return {"timestamps": recording.timestamps}
    return {"sampling_rate": recording.sampling_rate}


def picture_of(out: Path) -> Path:
    """Where the picture of a file with results lies."""
    return out.with_suffix(".png")


def _draw(path: Path, recording: ppgfast.Recording, rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows of a result over the beats of its recording, by `ppg_plot`."""
    known = times_of(recording)
    windows = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for name, sign in (("hr_lo", -1.0), ("hr_hi", 1.0)):
        windows[name] = windows["hr_bpm"] + sign * INTERVAL * windows["hr_std"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ppgfast.SignalWarning)  # the findings tell it
        clean = ppgfast.ppg_clean(recording.signal, **known)
        peaks = ppgfast.ppg_peaks(recording.signal, **known)
    beats = np.zeros(len(clean), np.uint8)
    beats[peaks["sample"]] = 1
    signals = ppgfast.Table({"PPG_Clean": clean, "PPG_Peaks": beats})
    info = {"start": 0.0, "timestamps": None, "windows": ppgfast.Table(windows), **known}
    figure = ppgfast.ppg_plot(signals, info)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=120))


def aligned(recording: ppgfast.Recording) -> Any:
    """The accelerometer from the PPG's first sample on, or what to do about its absence."""
    acc = recording.acc_from_start()
    if acc is None:
        why = "; ".join(recording.metadata["notes"]) or "give acc_columns, or a model for PPG alone"
        name = recording.metadata["file"]
        raise ValueError(f"{name}: the model takes the accelerometer, and none was found: {why}")
    return acc


def _median(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows if row[name] == row[name]]
    return float(np.median(values)) if values else None


def _write(file: BinaryIO, form: Format, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    if form is Format.json:
        file.write((json_text({**about, "windows": rows}) + "\n").encode())
        return
    if form is Format.csv:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        table = csv.writer(text, lineterminator="\n")
        table.writerow(rows[0])
        table.writerows(["" if value != value else value for value in row.values()] for row in rows)
        text.detach()
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = pa.Table.from_pylist([dict(row) for row in rows])
    pq.write_table(made.replace_schema_metadata({"ppgfast": json_text(about, indent=None)}), file)
