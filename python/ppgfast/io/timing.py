"""Times as files write them -> seconds, and the rate that they run at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ppgfast.errors import RecordingError

from .recording import Array

Times = NDArray[np.float64]

_SECONDS = {
    1.0: ("s", "sec", "secs", "second", "seconds"),
    1e-3: ("ms", "msec", "millis", "millisecond", "milliseconds"),
    1e-6: ("us", "µs", "μs", "usec", "microsecond", "microseconds"),
    1e-9: ("ns", "nsec", "nanosecond", "nanoseconds"),
}
UNITS = {name: scale for scale, names in _SECONDS.items() for name in names}
EPOCH = (3e8, 5e9)  # s since 1970 that are a date: 1979 to 2128
PERIODS = (5e-4, 0.12)  # s between samples of a PPG: 8.3 to 2000 Hz
EVEN = 0.25  # of a sample: times that stay this near to a grid are on it
GAP = 1.5  # samples


def in_seconds(values: Array, unit: str, where: str) -> tuple[Times, float | None]:
    """`(n,)` times -> s after the first, and the first as s since 1970 where it is a date.

    Numbers take the stated unit, else the one in which they are dates or, starting anywhere, in which their
    steps are those of a PPG. Text is ISO 8601 or hh:mm:ss.
    """
    if values.dtype.kind not in "iuf":
        return _text_in_seconds(values, where)
    scale = UNITS.get(unit.lower().strip("."))
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise RecordingError(f"{where} is empty at sample {row}: fill it, or give sampling_rate=")
    # Subtracted as whole numbers: nanoseconds since 1970 have more digits than a float64.
    whole = values.astype(np.int64) if values.dtype.kind == "u" else values
    relative = whole - whole[0]
    if scale is None:
        scale = _guess(float(values[0]), np.diff(relative), where)
    first = float(values[0]) * scale
    return relative.astype(np.float64) * scale, first if EPOCH[0] <= first <= EPOCH[1] else None


def _guess(first: float, steps: Array, where: str) -> float:
    for scale in _SECONDS:
        if EPOCH[0] <= first * scale <= EPOCH[1]:
            return scale
    moving = steps[steps > 0]
    step = float(np.median(moving)) if len(moving) else 0.0
    fits = [scale for scale in _SECONDS if PERIODS[0] <= step * scale <= PERIODS[1]]
    if len(fits) != 1 or (moving == 1).all():
        raise RecordingError(
            f"{where} advances by {step:g} and states no unit: name it in the header, as in 'time [ms]', "
            "or give sampling_rate="
        )
    return fits[0]


def _text_in_seconds(values: Array, where: str) -> tuple[Times, float | None]:
    import pandas as pd

    try:
        stamps = pd.DatetimeIndex(pd.to_datetime(pd.Series(values), format="ISO8601", utc=True))
        since = stamps.as_unit("ns").asi8
        dated = True
    except (ValueError, TypeError, OverflowError):
        try:
            since, dated = pd.TimedeltaIndex(pd.to_timedelta(pd.Series(values))).as_unit("ns").asi8, False
        except (ValueError, TypeError, OverflowError):
            raise RecordingError(
                f"{where} holds {str(values[0])[:40]!r}, expected s, ms, us, ns, ISO 8601 or hh:mm:ss: give "
                "sampling_rate="
            ) from None
    if (since == np.iinfo(np.int64).min).any():
        row = int(np.flatnonzero(since == np.iinfo(np.int64).min)[0])
        raise RecordingError(f"{where} is empty at sample {row}: fill it, or give sampling_rate=")
    return (since - since[0]) / 1e9, float(since[0]) / 1e9 if dated else None


def rate_of(times: Times, where: str) -> tuple[float, bool]:
    """Rate (Hz) of rising `times (n,)` s, and whether they lie on one even grid.

    Times coarser than the samples, several of which then share one, count as even if the samples per step
    agree.
    """
    steps = np.diff(times)
    if len(steps) < 2 or not times[-1] > times[0]:
        raise RecordingError(f"{where} does not advance: give sampling_rate=")
    if (steps < 0).any():
        row = int(np.flatnonzero(steps < 0)[0]) + 1
        raise RecordingError(f"{where} goes back at sample {row}: sort the file, or give sampling_rate=")
    if (steps == 0).any():
        return _coarse_rate(times, steps, where), True
    rate = _fitted(times)
    off = _off_grid(times, rate) * rate
    if off <= 0.5:  # jitter alone; with a sample lost, they would part further
        return _rounded(rate, 2 * off / len(steps)), off <= EVEN
    step = float(np.median(steps))
    inside = steps[steps <= GAP * step]
    spread = float(np.abs(inside - step).max()) / float(inside.sum())
    return _rounded(len(inside) / float(inside.sum()), spread * (1 + len(steps) - len(inside))), False


def _coarse_rate(times: Times, steps: Times, where: str) -> float:
    starts = np.flatnonzero(steps > 0) + 1
    if len(starts) < 3:
        raise RecordingError(f"{where} changes only {len(starts)} times: give sampling_rate=")
    resolution = float(np.median(steps[steps > 0]))
    inside = times[starts[0] : starts[-1]]
    span = float(times[starts[-1]] - times[starts[0]])
    rate = len(inside) / span
    if _off_grid(inside, rate) > 1.5 * resolution:
        raise RecordingError(
            f"{where} repeats itself, and not evenly: samples are lost and cannot be placed; give "
            "sampling_rate= if none are"
        )
    return _rounded(rate, resolution / span)


def _fitted(times: Times) -> float:
    """Rate (Hz) of the straight line through `times`."""
    index = np.arange(len(times)) - (len(times) - 1) / 2
    return float(index @ index) / float(index @ (times - times.mean()))


def _off_grid(times: Times, rate: float) -> float:
    """Largest distance (s) of `times` from the best-placed grid of that rate."""
    off = times - times[0] - np.arange(len(times)) / rate
    return float(off.max() - off.min()) / 2.0


def _rounded(rate: float, relative_error: float) -> float:
    """The roundest rate, down to 0.0001 Hz, that the times cannot tell from the computed one."""
    for digits in range(5):
        near = round(rate, digits)
        if near > 0 and abs(near - rate) <= rate * max(relative_error, 1e-9):
            return float(near)
    return float(rate)
