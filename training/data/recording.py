"""The common form of every data set: recordings with labels in time, and what the set says of itself."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import DataError


class Labels(Protocol):
    """A value for any stretch of a recording."""

    def of(self, starts: np.ndarray, seconds: float) -> NDArray[np.float64]:
        """(W,) or (S, W): value of each window [start, start + seconds) s, NaN = unlabelled; starts (W,)."""


@dataclass(frozen=True)
class PerWindow:
    """values[i] describes [i * hop, i * hop + seconds): published window by window."""

    values: np.ndarray
    seconds: float
    hop: float

    def of(self, starts: np.ndarray, seconds: float) -> NDArray[np.float64]:
        index = np.rint(starts / self.hop).astype(int)
        if seconds != self.seconds or not np.allclose(index * self.hop, starts, atol=1e-9):
            raise DataError(
                f"labels describe {self.seconds:g} s windows every {self.hop:g} s: set window = "
                f"{self.seconds:g} and hop to a multiple of {self.hop:g}"
            )
        known = index < len(self.values)
        return np.where(known, self.values[np.minimum(index, len(self.values) - 1)], np.nan)


@dataclass(frozen=True)
class Sampled:
    """values[i] was read at i / rate seconds; a window gets the mean, NaN if one of its values is missing.

    With `codes`, values are kinds, not amounts: a window gets the most frequent one.
    """

    values: np.ndarray
    rate: float
    codes: bool = False

    def of(self, starts: np.ndarray, seconds: float) -> NDArray[np.float64]:
        # Rounded, because 0.1 s * 30 Hz is not 3 in binary and ceil would skip a value.
        first = np.ceil(np.round(starts * self.rate, 6)).astype(int)
        last = np.ceil(np.round((starts + seconds) * self.rate, 6)).astype(int)
        inside = [self.values[a:b] for a, b in zip(first, last, strict=True)]
        return np.array([self._summary(part) for part in inside], dtype=np.float64)

    def _summary(self, part: np.ndarray) -> float:
        if part.size == 0 or not np.isfinite(part).all():
            return np.nan
        if not self.codes:
            return float(part.mean())
        kinds, counts = np.unique(part, return_counts=True)
        return float(kinds[counts.argmax()])


@dataclass(frozen=True)
class Beats:
    """Beat times in s, ascending: a window's heart rate is 60 / the mean interval between its beats, in bpm.

    NaN with fewer than two beats, or where no beat is annotated for more than `longest_gap` s.
    """

    times: np.ndarray
    longest_gap: float = 3.0

    def of(self, starts: np.ndarray, seconds: float) -> NDArray[np.float64]:
        rates = np.full(len(starts), np.nan)
        first, last = np.searchsorted(self.times, starts), np.searchsorted(self.times, starts + seconds)
        for k, (a, b) in enumerate(zip(first, last, strict=True)):
            beats = self.times[a:b]
            gaps = np.diff(np.concatenate([[starts[k]], beats, [starts[k] + seconds]]))
            if len(beats) >= 2 and gaps.max() <= self.longest_gap:
                rates[k] = 60 * (len(beats) - 1) / (beats[-1] - beats[0])
        return rates


@dataclass(frozen=True)
class Spans:
    """values[i] holds from starts[i] s to starts[i + 1]; a window that sees two values, or none, is NaN."""

    starts: np.ndarray
    values: np.ndarray

    def of(self, starts: np.ndarray, seconds: float) -> NDArray[np.float64]:
        first = np.searchsorted(self.starts, starts, side="right") - 1
        last = np.searchsorted(self.starts, starts + seconds, side="left")
        out = np.full(len(starts), np.nan)
        for k, (a, b) in enumerate(zip(first, last, strict=True)):
            if a >= 0 and (self.values[a:b] == self.values[a]).all():
                out[k] = self.values[a]
        return out


@dataclass(frozen=True)
class PerSegment:
    """values[s] holds for the whole of segment s (S,), or for the one segment of a continuous record."""

    values: np.ndarray

    def of(self, starts: np.ndarray, seconds: float) -> NDArray[np.float64]:
        return np.repeat(np.asarray(self.values, dtype=np.float64)[:, None], len(starts), axis=1)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording: S segments of n samples, S = 1 for a continuous record.

    ppg (S, n) at `sampling_rate` Hz, arbitrary units, NaN = missing sample; acc (S, 3, m) at `acc_rate` Hz,
    from the same instant on, or None; subject: one name, or one per segment; labels by task (`hr` in bpm,
    `af` 0 or 1); activity: codes of the data set's `activities`; segment_starts (S,): s since the record's
    start, by default end to end; source: the file that errors name. Segments are filtered and cut one by one,
    never joined. Recordings of one name are parts of one record.
    """

    name: str
    subject: str | Sequence[str]
    source: Path | None
    ppg: np.ndarray
    sampling_rate: float
    labels: dict[str, Labels] = field(default_factory=dict)
    acc: np.ndarray | None = None
    acc_rate: float = 0.0
    activity: Labels | None = None
    segment_starts: np.ndarray | None = None

    @property
    def label(self) -> str:
        """How errors name it."""
        return f"{self.source}: record {self.name}" if self.source else f"record {self.name}"


@dataclass(frozen=True)
class Record:
    """A record that can be read: the files that it is read from, in order, and how."""

    files: tuple[Path, ...]
    read: Callable[[], Iterator[Recording]]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """What a data set is called, what it holds, and how it is read.

    sampling_rate: Hz of the published PPG, 0 where each record states its own. layout: what its folder holds.
    records(source, channel) finds the records by name, DataError for a folder without data; nothing is read
    yet. channels: PPG channels to choose from, the default first; none if there is one only, or, with
    any_channel, if records name them. gaps: missing samples (NaN) are part of the published data. exclude:
    records left out by default, and why. window: length and hop in s where the config states none, else 8
    and 2 for hr, 30 and 30 for af.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    sampling_rate: float
    layout: str
    licence: str
    citation: str
    records: Callable[[Any, str | None], dict[str, Record]]
    channels: tuple[str, ...] = ()
    any_channel: bool = False
    activities: dict[int, str] = field(default_factory=dict)
    gaps: bool = False
    exclude: dict[str, str] = field(default_factory=dict)
    window: tuple[float, float] | None = None
    acc_units: str = ""
    note: str = ""

    def read(self, source: Any, channel: str | None = None) -> Iterator[Recording]:
        """Every recording, in order, those of `exclude` too."""
        for record in self.records(source, channel).values():
            yield from record.read()


def check(recording: Recording, gaps: bool) -> None:
    """DataError if a recording is cut short, has impossible values or a channel that never moves."""
    channels = {"PPG": recording.ppg}
    if recording.acc is not None:
        channels |= {f"accelerometer {axis}": recording.acc[:, k] for k, axis in enumerate("xyz")}
        rate, seconds = recording.acc_rate, recording.ppg.shape[-1] / recording.sampling_rate
        if abs(recording.acc.shape[-1] / rate - seconds) > 1:
            raise DataError(
                f"{recording.label} has {seconds:.1f} s of PPG and {recording.acc.shape[-1] / rate:.1f} s of "
                "accelerometer: the file is cut short or its rates are not the published ones, copy it again"
            )
    for name, x in channels.items():
        if x.size == 0:
            raise DataError(f"{recording.label} has no {name} samples: the file is cut short, copy it again")
        missing = np.isnan(x)
        bad = np.count_nonzero(np.isinf(x) if gaps else ~np.isfinite(x))
        if bad:
            raise DataError(
                f"{recording.label} has {bad} {name} samples that are not finite, "
                "the published data has none: the file is damaged, copy it again"
            )
        if missing.all() or np.nanmin(x) == np.nanmax(x):
            raise DataError(
                f"{recording.label}: {name} is flat (one value throughout): restore the file, or leave the "
                f'record out with exclude = ["{recording.name}"]'
            )
