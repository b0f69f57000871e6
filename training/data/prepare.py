"""`prepare`: a published data set, or a simulation, becomes a folder of windows with a manifest."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator
from rich.console import Console

from ..config import Section
from ..progress import bar
from .cut import CutConfig, cut
from .errors import DataError
from .recording import DataSet, Record, Recording, check
from .registry import data_set
from .windows import ARRAYS, ArrayWriter, count, load, read_manifest, replacing, write_manifest

LABEL_UNITS = {"hr": "bpm", "af": "probability", "none": "none"}


class PrepareConfig(Section):
    """How a data set is cut into windows; what is not set follows from the data set."""

    task: Literal["hr", "af", "none"] | None = Field(
        default=None, description="labels to keep: hr, af or none; default the data set's first task"
    )
    sampling_rate: float = Field(default=40.0, gt=0, description="rate of the windows in Hz")
    window: float | None = Field(
        default=None, gt=0, description="length of a window in s; default the data set's"
    )
    hop: float | None = Field(
        default=None, gt=0, description="from window to window in s; default the data set's"
    )
    filter_low: float = Field(default=0.5, gt=0, description="lower edge of the band-pass in Hz")
    filter_high: float = Field(default=8.0, gt=0, description="upper edge of the band-pass in Hz")
    filter_order: int = Field(
        default=2, ge=0, description="order of the Butterworth band-pass; 0 = no filter"
    )
    channel: str | None = Field(default=None, description="PPG channel; default the data set's first")
    polarity: Literal[1, -1] = Field(default=1, description="-1 turns the PPG upside down")
    acc: bool = Field(default=True, description="keep the accelerometer where there is one")
    drop_flat: bool = Field(default=False, description="drop windows whose samples are all equal")
    exclude: tuple[str, ...] | None = Field(
        default=None,
        description="names of records to leave out; default those the data set lists as unusable",
    )

    @model_validator(mode="after")
    def _whole_samples(self) -> "PrepareConfig":
        for name, seconds in (("window", self.window), ("hop", self.hop)):
            samples = (seconds or 0) * self.sampling_rate
            if abs(samples - round(samples)) > 1e-6:
                raise ValueError(
                    f"{name} = {seconds} s is {samples:g} samples at {self.sampling_rate:g} Hz; make it whole"
                )
        return self


@dataclass(frozen=True)
class Prepared:
    """A prepared folder; `up_to_date` if it was there already."""

    folder: Path
    manifest: dict[str, Any]
    up_to_date: bool

    def __str__(self) -> str:
        counts, dropped = self.manifest["counts"], self.manifest["dropped"]
        lost = "".join(f", {number} {why} dropped" for why, number in dropped.items() if number)
        return (
            f"{self.folder}: {'up to date, ' if self.up_to_date else ''}{counts['windows']} windows "
            f"({counts['labelled']} labelled{lost}) of {len(self.manifest['subjects'])} subjects"
        )


def prepare(
    dataset: str,
    source: Any,
    out: Path | str,
    config: PrepareConfig | None = None,
    console: Console | None = None,
) -> Prepared:
    """Read `dataset` from `source`, cut it into windows and write them to the folder `out`.

    dataset: a name of the registry. source: the folder with the published files, or for `simulated` a
    SimulateConfig. console: where progress goes, stderr by default. Nothing is done if `out` was made from
    the same bytes with the same config and program; else it is replaced as a whole, or, if anything fails,
    not at all. Raises DataError, one sentence that names the file or value and the fix.

    The manifest holds: format_version, dataset, title, task, sampling_rate (Hz), window and hop (samples),
    filter {low, high (Hz), order}, polarity, units, licence, citation, note, source {sha256, files, bytes},
    config, program (hash), subjects, records, activities {code: name}, excluded {record: reason}, counts (in
    all and per subject: windows, labelled, for af also positive), dropped (windows, by reason),
    dropped_per_subject and flat_kept (windows).
    """
    data = data_set(dataset)
    config = _resolve(data, config or PrepareConfig())
    out = Path(out)
    records = data.records(source, config.channel)
    chosen = _without(records, config.exclude or (), data)
    files = list(dict.fromkeys(path for record in chosen.values() for path in record.files))
    origin = {
        "dataset": data.name,
        "source": _digest(source, files, console),
        "config": config.model_dump(mode="json"),
        "program": _program(),
    }
    manifest = _finished(out)
    if manifest and all(manifest.get(key) == value for key, value in origin.items()):
        return Prepared(out, manifest, up_to_date=True)
    with replacing(out) as folder:
        writer = _Writer(folder, data, config)
        with bar(console, f"prepare {data.name}", len(chosen)) as progress:
            for name, record in chosen.items():
                for recording in record.read():
                    writer.add(recording)
                    progress.advance(0, note=f"{writer.windows} windows")
                progress.advance(note=f"{name}, {writer.windows} windows")
        described = {key: getattr(data, key) for key in ("title", "licence", "citation", "note")}
        excluded = {name: data.exclude.get(name, "by the config") for name in records if name not in chosen}
        write_manifest(folder, {**origin, **described, "excluded": excluded, **writer.finish()})
    return Prepared(out, read_manifest(out), up_to_date=False)


def _without(records: dict[str, Record], exclude: Sequence[str], data: DataSet) -> dict[str, Record]:
    """The records less the excluded ones; DataError if one is not there, or none is left."""
    if unknown := set(exclude) - set(records) - set(data.exclude):
        raise DataError(f"{data.name} has no record {', '.join(sorted(unknown))}: take it out of exclude")
    chosen = {name: record for name, record in records.items() if name not in exclude}
    if not chosen:
        raise DataError(f"every record of {data.name} is excluded: shorten exclude")
    return chosen


def _resolve(data: DataSet, config: PrepareConfig) -> PrepareConfig:
    """The config with the data set's own choices filled in; DataError if it cannot be had from this set."""
    task = config.task or data.tasks[0]
    if task not in (*data.tasks, "none"):
        raise DataError(f"{data.name} has no {task} labels: set task to {' or '.join((*data.tasks, 'none'))}")
    if config.channel and not data.any_channel and config.channel not in data.channels:
        known = " or ".join(data.channels) or "no channel, it has only one"
        raise DataError(f"{data.name} has no PPG channel {config.channel!r}: set {known}")
    window, hop = data.window or ((30.0, 30.0) if task == "af" else (8.0, 2.0))
    own = {
        "task": task,
        "window": config.window or window,
        # A window of one's own choice is not repeated at the data set's hop by accident.
        "hop": config.hop or (hop if config.window in (None, window) else config.window),
        "channel": config.channel or next(iter(data.channels), None),
        "exclude": tuple(data.exclude) if config.exclude is None else config.exclude,
    }
    try:
        return PrepareConfig.model_validate({**config.model_dump(), **own})
    except ValidationError as error:
        raise DataError(f"{data.name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _digest(source: Any, files: Sequence[Path], console: Console | None) -> dict[str, Any]:
    """SHA-256 over name, size and bytes of the files in order, and over the settings of a simulation."""
    total, size = sha256(), 0
    if isinstance(source, Section):
        total.update(json.dumps(source.model_dump(mode="json"), sort_keys=True).encode())
    with bar(console, "check sources", len(files)) as progress:
        for path in files:
            length = path.stat().st_size
            total.update(f"\n{path.name} {length}\n".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    total.update(block)
            size += length
            progress.advance(note=path.name)
    return {"sha256": total.hexdigest(), "files": len(files), "bytes": size}


def _program() -> str:
    """SHA-256 of this package, so that nothing made by another version passes for up to date."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"\n".join(path.read_bytes() for path in files)).hexdigest()


def _finished(out: Path) -> dict[str, Any] | None:
    """The manifest of `out` if it is a prepared data set that can be opened."""
    try:
        return load(out).manifest
    except DataError:
        return None


class _Writer:
    """Appends windows to the arrays of a folder, so that no data set has to fit into memory."""

    def __init__(self, folder: Path, data: DataSet, config: PrepareConfig) -> None:
        self._folder, self._data, self._config = folder, data, config
        self._cut = CutConfig(
            task=str(config.task),
            window=round((config.window or 0) * config.sampling_rate),
            hop=round((config.hop or 0) * config.sampling_rate),
            sampling_rate=config.sampling_rate,
            filter_low=config.filter_low,
            filter_high=config.filter_high,
            filter_order=config.filter_order,
            polarity=config.polarity,
            acc=config.acc,
            drop_flat=config.drop_flat,
        )
        self._arrays: dict[str, ArrayWriter] = {}
        self._subjects: dict[str, int] = {}
        self._records: dict[str, int] = {}
        self._missing: Counter[str] = Counter()
        self._flat: Counter[str] = Counter()

    @property
    def windows(self) -> int:
        """How many were written so far."""
        return self._arrays["label"].rows if self._arrays else 0

    def add(self, recording: Recording) -> None:
        check(recording, self._data.gaps)
        part = cut(recording, self._cut)
        segments = len(recording.ppg)
        names = [recording.subject] * segments if isinstance(recording.subject, str) else recording.subject
        for name, missing, flat in zip(names, part.missing, part.flat, strict=True):
            self._missing[name] += int(missing)
            self._flat[name] += int(flat)
        subjects = np.array(
            [self._subjects.setdefault(name, len(self._subjects)) for name in names], np.int32
        )
        record = self._records.setdefault(recording.name, len(self._records))
        values: dict[str, Any] = {
            **vars(part),
            "subject": subjects[part.segment],
            "record": np.full(len(part.label), record, np.int32),
        }
        arrays: dict[str, np.ndarray] = {name: values[name] for name in ARRAYS if values[name] is not None}
        if self._arrays and arrays.keys() != self._arrays.keys():
            odd = ", ".join(arrays.keys() ^ self._arrays.keys())
            raise DataError(
                f"{recording.label} and the records before it do not both have {odd}: set acc = false, or "
                "leave the odd ones out with exclude"
            )
        for name, array in arrays.items():
            if name not in self._arrays:
                self._arrays[name] = ArrayWriter(self._folder / f"{name}.npy", array.dtype, array.shape[1:])
            self._arrays[name].append(array)

    def finish(self) -> dict[str, Any]:
        """Complete the arrays; their part of the manifest. DataError if no window is left."""
        if not self.windows:
            raise DataError(
                f"no window of {self._data.name} is left, {self._missing.total()} lack samples: shorten "
                "window"
            )
        for array in self._arrays.values():
            array.finish()
        label, subject = (np.load(self._folder / f"{name}.npy") for name in ("label", "subject"))
        dropped = [self._missing] + [self._flat] * self._config.drop_flat
        data, config = self._data, self._config
        return {
            "task": config.task,
            "sampling_rate": config.sampling_rate,
            "window": self._cut.window,
            "hop": self._cut.hop,
            "filter": {
                "low": config.filter_low,
                "high": config.filter_high,
                "order": config.filter_order,
            },
            "polarity": config.polarity,
            "units": {
                "ppg": "arbitrary",
                # Sets without accelerometer windows can be joined, whatever unit theirs had.
                "acc": data.acc_units if "acc" in self._arrays else "",
                "label": LABEL_UNITS[str(config.task)],
            },
            "subjects": list(self._subjects),
            "records": list(self._records),
            "activities": {str(code): name for code, name in data.activities.items()},
            "counts": count(label, subject, list(self._subjects)),
            "dropped": {
                "missing": self._missing.total(),
                "flat": self._flat.total() * config.drop_flat,
            },
            "dropped_per_subject": {k: v for k, v in sum(dropped, Counter()).items() if v},
            "flat_kept": self._flat.total() * (not config.drop_flat),
        }
