"""What people pass -> samples on an even grid, with what is missing; misuse is an error that says what to
do."""

from __future__ import annotations

import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppgfast import _core
from ppgfast.motion import from_start

Array = NDArray[Any]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]

RATES = (20.0, 4000.0)  # Hz, of a PPG
ACC_RATES = (10.0, 4000.0)  # Hz
JITTER = 0.1  # s: a step of time longer than a sample by more is a gap, as in streams
SMOOTHED = 10.0  # s over which the jitter of time stamps is averaged
LARGEST = 1e9  # no sensor counts further
FLAT = 0.5  # s: no pulse stands still for so long
REASONS = ("gap", "out_of_range", "clipped", "off_wrist", "flat")  # the code of a sample is the place, from 1
POLARITIES = ("upright", "inverted", "auto")


@dataclass(frozen=True, eq=False)
class Signal:
    """One PPG on an even grid.

    raw : (n,) float64, as given, upside down if it was stated to be. times : (n,) s of each, or None where
    they lie on the grid. rate : Hz of the grid. start : s of its first point. values : (m,) float32, finite,
    less `offset`; gaps are straight lines. bad : (m,) uint8, 0 or one more than the place in REASONS.
    stated_rate : Hz as given, or None.
    """

    raw: Floats
    times: Floats | None
    rate: float
    start: float
    values: Singles
    bad: NDArray[np.uint8]
    offset: float
    stated_rate: float | None

    @property
    def duration(self) -> float:
        """s."""
        return len(self.values) / self.rate

    def at_samples(self, column: Array) -> Array:
        """A column (m,) of the grid at the given samples: (n,)."""
        if self.times is None:
            return column
        place = (self.times - self.start) * self.rate
        return np.interp(place, np.arange(len(column)), column).astype(column.dtype)

    def sample_of(self, seconds: Array) -> NDArray[np.int64]:
        """Index of the given sample next to each time."""
        if self.times is None:
            index = np.rint((seconds - self.start) * self.rate).astype(np.int64)
            return np.clip(index, 0, max(len(self.raw) - 1, 0))
        after = np.clip(np.searchsorted(self.times, seconds), 1, len(self.times) - 1)
        nearer = seconds - self.times[after - 1] < self.times[after] - seconds
        return np.asarray(after - nearer, dtype=np.int64)


def signal_of(
    ppg: Any,
    *,
    sampling_rate: Any,
    timestamps: Any,
    channel: int | str | None = None,
    clip: Any = None,
    worn: Any = None,
    polarity: str = "upright",
) -> Signal:
    """Check what was passed and put it on an even grid.

    Raises TypeError or ValueError that says what was found, what was expected and how to mend it.
    """
    if polarity not in POLARITIES:
        raise ValueError(f"polarity is {polarity!r}, expected one of {', '.join(POLARITIES)}")
    raw = _column(ppg, channel)
    stated = None if sampling_rate is None else number("sampling_rate", sampling_rate, *RATES, "Hz")
    if timestamps is None:
        if stated is None:
            raise TypeError(
                "neither sampling_rate nor timestamps is given: pass sampling_rate=64 for samples at 64 Hz, "
                "or timestamps= with the time of each in s; there is no default"
            )
        times, rate, start = None, stated, 0.0
        bad = _bad(raw, rate, clip, worn)
        grid = raw
    else:
        stamps = _stamps(timestamps, len(raw))
        times, rate, breaks = _smoothed(stamps)
        if not RATES[0] <= rate <= RATES[1]:
            raise ValueError(
                f"timestamps advance by {1 / rate:.4g} s, {rate:.4g} Hz, expected {RATES[0]:g} to "
                f"{RATES[1]:g} Hz: give them in seconds; a series of heart rates is no PPG"
            )
        start = float(times[0]) if len(times) else 0.0
        grid, bad = _on_grid(raw, _bad(raw, rate, clip, worn), times, breaks, rate)
        if breaks.size == 0 and len(grid) == len(raw) and _is_even(times, rate):
            times, grid = None, raw
    if polarity == "inverted":
        raw, grid = -raw, -grid
    values, offset = _bridged(grid, bad)
    return Signal(raw, times, rate, start, values, bad, offset, stated)


def number(name: str, value: Any, low: float, high: float, unit: str) -> float:
    """A plain number in [low, high]; `unit` may be empty."""
    those = f" {unit}" if unit else ""
    if isinstance(value, bool) or not isinstance(value, (Real, np.number)):
        wanted = f"of {unit}" if unit else f"from {low:g} to {high:g}"
        raise TypeError(f"{name} is {value!r}, expected a number {wanted}")
    found = float(value)
    if not low <= found <= high:
        raise ValueError(f"{name} is {found:g}{those}, expected {low:g} to {high:g}{those}")
    return found


def limits(name: str, value: Any) -> tuple[float, float]:
    """(low, high), in units of the samples."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{name} is {value!r}, expected (low, high) in units of the samples")
    low, high = (number(name, bound, -np.inf, np.inf, "the samples' units") for bound in value)
    if not low < high:
        raise ValueError(f"{name} is ({low:g}, {high:g}), expected low below high")
    return low, high


@dataclass(frozen=True, eq=False)
class Motion:
    """The accelerometer as it was passed; see `ppg_rate`."""

    acc: Any = None
    acc_rate: Any = None
    acc_start: Any = 0.0

    def __post_init__(self) -> None:
        start = number("acc_start", self.acc_start, -1e9, 1e9, "s")
        if start and not self.given:
            raise TypeError(f"acc_start is {start:g} s, and no acc is given: pass acc= and acc_rate= too")

    @property
    def given(self) -> bool:
        return self.acc is not None or self.acc_rate is not None


def acceleration_of(acc: Any, acc_rate: Any, acc_start: Any, signal: Signal) -> tuple[Floats, float]:
    """(k, 3) float64 in g from the first sample of the signal on, NaN before it began, and its rate in Hz."""
    if acc is None or acc_rate is None:
        raise TypeError("acc and acc_rate belong together: pass acc=(k, 3) in g and acc_rate= in Hz")
    values = _numeric("acc", acc)
    if values.ndim != 2 or values.shape[1] != 3:
        raise ValueError(f"acc has shape {values.shape}, expected (k, 3): x, y and z in g; transpose it")
    rate = number("acc_rate", acc_rate, *ACC_RATES, "Hz")
    start = min(number("acc_start", acc_start, -1e9, 1e9, "s"), signal.duration)
    return from_start(values.astype(np.float64), rate, start), rate


def _numeric(name: str, given: Any) -> Array:
    values = _unmasked(given)
    if values.dtype.kind not in "iuf":
        raise TypeError(_no_numbers(name, given, values))
    return values


def _unmasked(given: Any) -> Array:
    """As an array; what is masked in numbers is NaN."""
    if isinstance(given, np.ma.MaskedArray) and given.dtype.kind in "iuf":
        return np.where(np.ma.getmaskarray(given), np.nan, np.ma.getdata(given).astype(np.float64))
    return np.asarray(given)


def _no_numbers(name: str, given: Any, values: Array) -> str:
    """What was passed instead of numbers, and what to do."""
    if isinstance(given, (str, os.PathLike)):
        return f"{name} is {os.fspath(given)!r}, expected its samples; read it first: ppgfast.read(path)"
    if hasattr(given, "signal") and hasattr(given, "sampling_rate"):
        if name == "acc":
            return (
                f"acc is a {type(given).__name__}, expected its samples: pass recording.acc (and "
                "acc_rate=recording.acc_rate, acc_start=recording.acc_start)"
            )
        time = "sampling_rate"
        if getattr(given, "timestamps", None) is not None:
            time = "timestamps"
        return (
            f"{name} is a {type(given).__name__}, expected its samples: pass recording.signal (and "
            f"{time}=recording.{time})"
        )
    if values.dtype.kind == "O" and any(sample is None for sample in values.flat):
        return f"{name} holds None, expected numbers: missing samples are NaN"
    return f"{name} holds {values.dtype.name}, expected numbers: pass an array of integers or floats"


def _column(ppg: Any, channel: int | str | None) -> Floats:
    """The PPG (n,) float64 out of (n,), (n, channels) or a data frame; what was passed is never changed."""
    if isinstance(channel, str):
        if not hasattr(ppg, "columns"):
            raise TypeError(f"channel is {channel!r}, and ppg has no names: pass the number of the column")
        if channel not in ppg.columns:
            raise ValueError(f"ppg has no column {channel!r}: there are {', '.join(map(str, ppg.columns))}")
        return _column(ppg[channel], None)
    values = _numeric("ppg", ppg)
    if values.ndim == 1 and channel is None:
        return values.astype(np.float64)
    if values.ndim != 2:
        wanted = "(n,), or (n, channels) with channel=" if channel is None else "(n, channels), for channel="
        raise ValueError(f"ppg has shape {values.shape}, expected {wanted}")
    if channel is None and values.shape[1] == 1:
        channel = 0
    if channel is None:
        raise ValueError(
            f"ppg has shape {values.shape}: say which column is the PPG with channel=0 and so on"
        )
    if isinstance(channel, bool) or not isinstance(channel, Integral):
        raise TypeError(f"channel is {channel!r}, expected the number or the name of a column")
    if not 0 <= channel < values.shape[1]:
        raise ValueError(f"channel is {channel}, expected 0 to {values.shape[1] - 1}: ppg is {values.shape}")
    return values[:, int(channel)].astype(np.float64)


def _stamps(timestamps: Any, n: int) -> Floats:
    stamps = _unmasked(timestamps)
    if stamps.dtype.kind == "M":
        whole = stamps.astype("datetime64[ns]").astype(np.int64)
        stamps = (whole - whole[:1]) * 1e-9
    if stamps.dtype.kind not in "iuf":
        raise TypeError(
            f"timestamps hold {stamps.dtype.name}, expected seconds or datetime64: convert time zones to UTC "
            "and text with numpy.asarray(..., dtype='datetime64[ns]')"
        )
    if stamps.shape != (n,):
        raise ValueError(f"timestamps has shape {stamps.shape}, expected ({n},): one for each of ppg")
    if n < 2:
        raise ValueError(f"{n} time stamps tell no rate: pass sampling_rate=")
    stamps = stamps.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(stamps) | np.append(False, ~(np.diff(stamps) > 0)))
    if wrong.size:
        i = int(wrong[0])
        raise ValueError(
            f"timestamps[{i}] is {stamps[i]:.9g}, after {stamps[max(i - 1, 0)]:.9g}: expected seconds that "
            "rise; sort the samples, and spread stamps that a packet shares"
        )
    return stamps


def _smoothed(stamps: Floats) -> tuple[Floats, float, NDArray[np.int64]]:
    """Times without their jitter, the rate (Hz), and the samples that a gap follows."""
    steps = np.diff(stamps)
    breaks = np.flatnonzero(steps > float(np.median(steps)) + JITTER)
    kept = np.delete(steps, breaks)
    rate = float(1.0 / kept.mean()) if kept.size else float(1.0 / np.median(steps))
    smooth = stamps.copy()
    half = max(1, round(0.5 * SMOOTHED * rate)) if rate < 1e6 else 1
    for first, last in zip(np.append(0, breaks + 1), np.append(breaks + 1, len(stamps)), strict=True):
        n = last - first
        if n < 3:
            continue
        at = np.arange(n) - 0.5 * (n - 1)
        part = stamps[first:last] - stamps[first:last].mean()
        line = at * float((at * part).sum() / (at * at).sum())
        reach = min(half, n - 1)
        rest = np.pad(part - line, reach, mode="reflect")
        total = np.append(0.0, rest.cumsum())
        mean = (total[2 * reach + 1 :] - total[: -2 * reach - 1]) / (2 * reach + 1)
        smooth[first:last] = stamps[first:last].mean() + line + mean
    return smooth, rate, breaks


def _is_even(times: Floats, rate: float) -> bool:
    grid = times[0] + np.arange(len(times)) / rate
    return bool(np.abs(times - grid).max() < 0.05 / rate)


def _on_grid(
    raw: Floats, bad: NDArray[np.uint8], times: Floats, breaks: NDArray[np.int64], rate: float
) -> tuple[Floats, NDArray[np.uint8]]:
    """Samples at the points times[0] + k / rate, on straight lines between those given; gaps are missing."""
    span = float(times[-1] - times[0])
    if span * rate > 50 * len(times) + 1e6:
        raise ValueError(
            f"timestamps span {span:.4g} s for {len(times)} samples at {rate:.4g} Hz: cut the recording at "
            "its long gaps, or give the stamps in seconds"
        )
    points = times[0] + np.arange(int(span * rate + 0.5) + 1) / rate
    usable = bad == 0
    if not usable.any():
        return np.zeros(len(points)), np.full(len(points), 1, np.uint8)
    grid = np.interp(points, times[usable], raw[usable])
    after = np.clip(np.searchsorted(times, points), 1, len(times) - 1)
    left, right = bad[after - 1], bad[after]
    marks = np.where(
        points <= times[after - 1], left, np.where(points >= times[after], right, np.maximum(left, right))
    )
    for i in breaks:
        inside = slice(*np.searchsorted(points, (times[i] + 0.5 / rate, times[i + 1] - 0.5 / rate)))
        marks[inside] = np.maximum(marks[inside], 1)
    return grid, marks.astype(np.uint8)


def _bad(raw: Floats, rate: float, clip: Any, worn: Any) -> NDArray[np.uint8]:
    """For each sample 0, or why it cannot be a pulse: one more than the place in REASONS."""
    bad = np.zeros(len(raw), np.uint8)
    longest = max(2, int(FLAT * rate))
    if len(raw) > longest:
        bad[_runs(raw, longest)] = 5
    for code, name, value in ((4, "worn", worn), (3, "clip", clip)):
        if value is not None:
            low, high = limits(name, value)
            outside = (raw < low) | (raw > high) if name == "worn" else (raw <= low) | (raw >= high)
            bad[outside] = code
    with np.errstate(all="ignore"):
        bad[np.abs(raw) > LARGEST] = 2
    bad[~np.isfinite(raw)] = 1
    return bad


def _runs(x: Array, longest: int) -> Bools:
    """(n,): True in runs of more than `longest` equal samples, from the one after `longest` on."""
    with np.errstate(all="ignore"):
        moves = np.append(True, np.diff(x) != 0)
    at = np.arange(len(x))
    began = np.maximum.accumulate(np.where(moves, at, 0))
    return np.asarray(at - began >= longest)


def _bridged(grid: Floats, bad: NDArray[np.uint8]) -> tuple[Singles, float]:
    """float32 less the mean of the usable samples, the others on straight lines between them."""
    usable = bad == 0
    if not usable.any():
        return np.zeros(len(grid), np.float32), 0.0
    if usable.all():
        offset = float(grid.mean())
        return (grid - offset).astype(np.float32), offset
    offset = float(grid[usable].mean())
    values = grid - offset
    at = np.flatnonzero(~usable)
    values[at] = np.interp(at, np.flatnonzero(usable), values[usable])
    return values.astype(np.float32), offset


def filtered(
    signal: Signal, rate: float, band: tuple[float, float, int] | None, polarity: int = 1
) -> Singles:
    """The signal at `rate` Hz through the band (low, high in Hz, order), forwards and backwards, as in
    training."""
    x = signal.values if polarity > 0 else -signal.values
    if rate != signal.rate:
        x = _core.resample(x, signal.rate, rate)
    return x if band is None else _core.band_pass(x, rate, *band)
