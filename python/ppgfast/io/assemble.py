"""Channels of a file -> a Recording: which one is the PPG, when its samples were taken, what the arm did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppgfast.errors import RecordingError

from . import names, timing
from .recording import Array, Axes, Channel, Content

Floats = NDArray[np.floating[Any]]

STANDARD_GRAVITY = 9.80665  # m/s2
_UNITS_OF_G = {
    "g": 1.0,
    "mg": 1e-3,
    "m/s2": 1 / STANDARD_GRAVITY,
    "m/s^2": 1 / STANDARD_GRAVITY,
    "m/s²": 1 / STANDARD_GRAVITY,
    "1/64g": 1 / 64,
    "1/64 g": 1 / 64,
}
# What a resting arm reads: 1 g in some unit. The tolerance keeps the four apart and leaves room for movement.
_RESTING = {"g": 1.0, "m/s2": STANDARD_GRAVITY, "1/64 g": 64.0, "mg": 1000.0}
_TOLERANCE = 1.3
MISMATCH = 0.02  # between a stated rate and that of the times
HOLE = 2.5  # samples of the accelerometer between which nothing is interpolated


@dataclass(frozen=True)
class Wanted:
    """What the caller said of the file, to be believed over it."""

    sampling_rate: float | None = None
    column: str | int | None = None
    acc_columns: Sequence[str] | None = None


@dataclass(frozen=True)
class Timing:
    rate: float
    times: timing.Times | None  # (n,) s after the first where uneven
    start: float  # s on the file's axis
    date: float | None = None  # s since 1970


class Assembler:
    """Makes one Recording; every error names the file."""

    def __init__(self, file: str, content: Content, wanted: Wanted) -> None:
        self.file, self.content, self.wanted = file, content, wanted
        self.notes = list(content.notes)
        self.doubt: str | None = None  # about what the caller said
        self._time = names.time_channel(content.channels) if content.table else None
        self._table: dict[int, Timing] = {}

    def parts(self) -> dict[str, Any]:
        """The fields of Recording, with the metadata that is known here."""
        ppg = self._ppg()
        signal = self._numbers(ppg)
        if len(signal) < 2:
            raise self._error(
                f"column {ppg.name!r} holds {len(signal)} samples", "it was cut short, copy it again"
            )
        if not np.isfinite(signal).any():
            raise self._error(
                f"column {ppg.name!r} holds no number in {len(signal)} samples", "an empty recording?"
            )
        when = self._timing(ppg, self.wanted.sampling_rate)
        acc, acc_rate, acc_start, acc_units = self._motion(ppg, when)
        return {
            "signal": signal,
            "sampling_rate": when.rate,
            "timestamps": when.times,
            "acc": acc,
            "acc_rate": acc_rate,
            "acc_start": acc_start,
            "metadata": {
                "column": ppg.name,
                "columns": [channel.name for channel in self.content.channels],
                "units": ppg.units or names.unit_in(ppg.name),
                "acc_units": acc_units,
                "start": _iso(when.date) if when.date is not None else self.content.start,
                "notes": self.notes,
            },
        }

    def _error(self, found: str, fix: str) -> RecordingError:
        return RecordingError(f"{self.file}: {found}: {fix}")

    # Which channel

    def _ppg(self) -> Channel:
        channels = [c for c in self.content.channels if c is not self._time and not c.dated]
        if self.wanted.column is not None:
            return self._named(self.wanted.column)
        if self.content.ppg is not None:
            return self._named(self.content.ppg)
        best = names.best_ppg(channels)
        if not best:
            used = {name for triple in names.acc_triples(channels) for name in triple}
            counters = {c.name for c in channels if names.is_counter(c.name)}
            best = [c for c in channels if c.numeric and c.name not in used | counters]
            if not best:  # a single column named `0` or `sample` is still the signal
                best = [c for c in channels if c.numeric and c.name not in used]
            if len(best) == 1 and names.says_other(best[0].name):
                raise self._error(
                    f"its one column {best[0].name!r} says something else than PPG", _GIVE_COLUMN
                )
        if len(best) == 1:
            return best[0]
        raise self._error(f"no single column says PPG among {self._listed()}", _GIVE_COLUMN)

    def _listed(self) -> str:
        quoted = [repr(channel.name) for channel in self.content.channels]
        return (
            ", ".join(quoted[:40]) + (f" and {len(quoted) - 40} more" if len(quoted) > 40 else "") or "none"
        )

    def _named(self, name: str | int) -> Channel:
        channels = self.content.channels
        if isinstance(name, int) and not isinstance(name, bool):
            if -len(channels) <= name < len(channels):
                return channels[name]
        else:
            same: Callable[[str], str] = lambda text: text.strip().lower()  # noqa: E731
            exact = [c for c in channels if c.name == name]
            found = exact or [c for c in channels if same(c.name) == same(str(name))]
            if found:
                return found[0]
        raise self._error(f"no column {name!r}, its columns are {self._listed()}", "name one of them")

    def _numbers(self, channel: Channel) -> Floats:
        values = channel.load()
        if values.dtype.kind not in "biuf":
            row, cell = next(((i, v) for i, v in enumerate(values.tolist()) if not _is_number(v)), (0, ""))
            raise self._error(
                f"column {channel.name!r} holds {str(cell)[:40]!r} at sample {row}, expected numbers",
                "correct the file, or name another column",
            )
        return np.ascontiguousarray(values, dtype=np.float32 if values.dtype == np.float32 else np.float64)

    # When

    def _timing(self, channel: Channel, asked: float | None) -> Timing:
        if asked is not None:
            return self._at(channel, asked)
        found = self._stated_times(channel)
        rate = channel.rate or self.content.rate
        if rate is not None and not (np.isfinite(rate) and rate > 0):
            raise self._error(f"it states a sampling rate of {rate} Hz", "give sampling_rate= in Hz")
        if found is None and rate is None:
            raise self._error(
                f"nothing in it tells the sampling rate, its columns are {self._listed()}",
                "give sampling_rate= in Hz, as the sensor's maker states it, or call the time 'time [s]'",
            )
        if found is None or rate is None:
            return found or Timing(float(rate or 0), None, channel.start)
        if abs(found.rate / rate - 1) > MISMATCH:
            raise self._error(
                f"it states {rate:g} Hz, but its times run at {found.rate:.4g} Hz",
                "give sampling_rate= to decide",
            )
        return Timing(float(rate), found.times, found.start, found.date)

    def _at(self, channel: Channel, rate: float) -> Timing:
        """The rate that the caller gave, with the file's times where they agree with it, else a note."""
        try:
            found = self._stated_times(channel)
        except RecordingError as error:
            why = str(error).removeprefix(f"{self.file}: ").rpartition(": ")[0]
            self.notes.append(f"times not used: {why}")
            return Timing(rate, None, channel.start)
        if found is None:
            return Timing(rate, None, channel.start)
        if abs(found.rate / rate - 1) > MISMATCH:
            self.notes.append(
                f"times not used: they run at {found.rate:.4g} Hz, not at the given {rate:g} Hz"
            )
            self.doubt = (
                f"{self.file}: sampling_rate is {rate:g} Hz, which is believed, but its times run at "
                f"{found.rate:.4g} Hz: correct it, or leave it out"
            )
            return Timing(rate, None, channel.start, found.date)
        return Timing(rate, found.times, found.start, found.date)

    def _stated_times(self, channel: Channel) -> Timing | None:
        if channel.times is not None:
            return self._run(np.asarray(channel.times, dtype=np.float64), f"the time of {channel.name!r}")
        time = self._time
        if time is None or time.n != channel.n or time is channel:
            return None
        if channel.n not in self._table:
            values, where = time.load(), f"its time column {time.name!r}"
            if len(values) < 3:
                raise self._error(
                    f"{len(values)} samples are no recording", "it was cut short, or is another file"
                )
            try:
                seconds, date = timing.in_seconds(values, time.units or names.unit_in(time.name), where)
                rate, even = timing.rate_of(seconds, where)
            except RecordingError as error:
                raise RecordingError(f"{self.file}: {error}") from None
            self._table[channel.n] = Timing(rate, None if even else seconds, channel.start, date)
        return self._table[channel.n]

    def _run(self, times: timing.Times, where: str) -> Timing:
        if len(times) < 3 or not np.isfinite(times).all():
            raise self._error(
                f"{where} has {len(times)} entries, or some that are no numbers", "give sampling_rate="
            )
        try:
            rate, even = timing.rate_of(times - times[0], where)
        except RecordingError as error:
            raise RecordingError(f"{self.file}: {error}") from None
        return Timing(rate, None if even else times - times[0], float(times[0]))

    # The accelerometer

    def _motion(
        self, ppg: Channel, when: Timing
    ) -> tuple[NDArray[np.float64] | None, float | None, float, str]:
        nothing = None, None, 0.0, ""
        axes = self._axes()
        if axes is None:
            return nothing
        channels = [self._named(name) for name in axes]
        if len({channel.n for channel in channels}) != 1:
            return self._without("the accelerometer's axes differ in length", nothing)
        columns = [self._numbers(channel) for channel in channels]
        raw = np.stack([column.astype(np.float64) for column in columns], axis=1)
        unit = channels[0].units or names.unit_in(channels[0].name)
        scale, unit = _to_g(raw, unit)
        if scale is None:
            fix = "put g, mg or m/s2 behind its columns' names, as in 'acc x [g]'"
            return self._without(
                f"the accelerometer's unit is {unit or 'not stated'} and 1 g not found: {fix}", nothing
            )
        try:
            moment = self._motion_timing(channels[0], ppg, when)
        except RecordingError as error:
            return self._without(str(error).removeprefix(f"{self.file}: "), nothing)
        grid = raw * scale
        if moment.times is not None:
            grid = _on_grid(grid, moment.times, moment.rate)
        return grid, moment.rate, round(moment.start - when.start, 6), unit

    def _motion_timing(self, axis: Channel, ppg: Channel, when: Timing) -> Timing:
        """Its own times or rate, else the file's for it, else those of the PPG in the rows of one table."""
        if axis.times is not None:
            return self._run(np.asarray(axis.times, dtype=np.float64), "the accelerometer's time")
        rate = axis.rate or self.content.acc_rate
        if rate is None and self.content.table and axis.n == ppg.n:
            return when
        if rate is None or not (np.isfinite(rate) and rate > 0):
            raise RecordingError(f"its rate is {'not stated' if rate is None else rate}")
        return Timing(float(rate), None, axis.start)

    def _axes(self) -> Sequence[str] | None:
        asked = self.wanted.acc_columns
        if asked is not None:
            if isinstance(asked, str) or len(asked) != 3:
                raise self._error(f"acc_columns is {asked!r}", "give the names of the x, y and z axis")
            return asked
        if self.content.acc is not None:
            return self.content.acc
        triples: list[Axes] = names.acc_triples(self.content.channels)
        if len(triples) > 1:
            self.notes.append(f"{len(triples)} accelerometers found and none used: give acc_columns=")
        return triples[0] if len(triples) == 1 else None

    def _without(self, why: str, nothing: tuple[None, None, float, str]) -> tuple[None, None, float, str]:
        """No accelerometer: an error if one was asked for, else a note."""
        if self.wanted.acc_columns is not None:
            raise self._error(why, "or leave out acc_columns=")
        self.notes.append(f"accelerometer not used: {why}")
        return nothing


_GIVE_COLUMN = "give column= with the name of the PPG"


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat()


def _to_g(raw: Array, unit: str) -> tuple[float | None, str]:
    """What turns `raw (m, 3)` into g, and the unit: as stated, else the one in which a still arm reads 1."""
    if unit:
        return _UNITS_OF_G.get(unit.lower().strip()), unit
    size = float(np.median(np.sqrt(np.nansum(raw**2, axis=1))))
    for name, resting in _RESTING.items():
        if resting / _TOLERANCE <= size <= resting * _TOLERANCE:
            return _UNITS_OF_G[name], name
    return None, ""


def _on_grid(values: NDArray[np.float64], times: timing.Times, rate: float) -> NDArray[np.float64]:
    """`values (m, 3)` taken at uneven `times` (s), by straight lines at `rate` Hz; NaN inside holes."""
    grid = np.arange(int(times[-1] * rate) + 1) / rate
    out = np.stack([np.interp(grid, times, axis) for axis in values.T], axis=1)
    after = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    out[(times[after] - times[after - 1]) * rate > HOLE] = np.nan
    return out
