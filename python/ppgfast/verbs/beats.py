"""`ppg_peaks`: beats in time.

Two moving averages, one as long as an upstroke and one as long as a beat, mark blocks of interest (Elgendi et
al. 2013, doi:10.1371/journal.pone.0076585), here of the square of the rising slope instead of the signal's:
the slope of a dicrotic wave is far below that of a systole (Zong et al. 2003, doi:10.1109/CIC.2003.1291140).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .rate import Options, opened
from .signal import Array, Bools, Floats, Signal, Singles, filtered, number
from .table import Table

BAND = (0.5, 8.0, 2)  # Hz, Hz, order
HIGHEST_RATE = 125.0  # Hz at which beats are looked for; their times are finer, by a parabola
UPSTROKE, BEAT = 0.11, 0.67  # s, lengths of the two averages
SHARE = 0.05  # of the usual long one, by which the short one must be above it
SHORTEST = 0.27  # s between beats: 222 bpm
DICROTIC, FAINT = 0.42, 0.15  # s and share: so soon behind a peak, so much lower a climb is its dicrotic wave
LOCAL = (
    9  # intervals, of which a shorter one than `min_interval` of the median counts as two halves of a beat
)
LONGEST = 2.5  # s between beats: 24 bpm; more is a pause without a number


def ppg_peaks(
    ppg: Any,
    *,
    sampling_rate: float | None = None,
    timestamps: Any = None,
    min_interval: float = 0.5,
    channel: int | str | None = None,
    clip: tuple[float, float] | None = None,
    worn: tuple[float, float] | None = None,
    polarity: str = "upright",
) -> Table:
    """Systolic peaks.

    Parameters
    ----------
    ppg, sampling_rate, timestamps, channel, clip, worn, polarity : as for `ppg_rate`.
    min_interval : 0 to 1, share of the local median interval below which the weaker of two peaks is no beat.

    Returns
    -------
    Table of ``t`` (s, finer than a sample), ``sample`` (index into `ppg` of the nearest), ``interval`` (s
    since the beat before; NaN for the first, behind missing samples and above 2.5 s) and ``height`` (of the
    upstroke, in units of `ppg`). No beat is placed where samples are missing.

    Raises
    ------
    TypeError, ValueError
        as `ppg_rate`.
    """
    number("min_interval", min_interval, 0.0, 1.0, "(a share)")
    options = Options(sampling_rate, timestamps, channel, clip, worn, polarity)
    signal, info = opened(ppg, options)
    return beats(signal, info, min_interval)


def beats(signal: Signal, info: dict[str, Any], min_interval: float = 0.5) -> Table:
    """The table of `ppg_peaks`."""
    rate = min(signal.rate, HIGHEST_RATE)
    x = filtered(signal, rate, BAND)
    at, climb = _peaks(x, rate)
    kept = signal.bad[np.clip(np.rint(at / rate * signal.rate).astype(np.int64), 0, len(signal.bad) - 1)] == 0
    at, climb = at[kept], climb[kept]
    echo = np.append(False, (np.diff(at) < DICROTIC * rate) & (climb[1:] < FAINT * climb[:-1]))[: len(at)]
    at, climb = at[~echo], climb[~echo]
    for _ in range(3):
        weak = _halves(at / rate, climb, min_interval)
        if not weak.any():
            break
        at, climb = at[~weak], climb[~weak]
    seconds = at / rate
    interval = np.append(np.nan, np.diff(seconds))[: len(at)]
    missing = np.append(0, np.cumsum(signal.bad != 0))
    index = np.clip(np.rint(seconds * signal.rate).astype(np.int64), 0, len(signal.bad))
    across = np.append(False, np.diff(missing[index]) > 0)[: len(at)]
    interval[across | ~(interval <= LONGEST)] = np.nan
    t = seconds + signal.start
    found: dict[str, Array] = {"t": t, "sample": signal.sample_of(t), "interval": interval, "height": climb}
    return Table(found, info)


def _averaged(x: Singles, n: int) -> Singles:
    """Moving average over n (odd) samples, with zeros beyond the ends."""
    total = np.cumsum(np.pad(x, (n // 2 + 1, n // 2)), dtype=np.float64)
    return ((total[n:] - total[:-n]) / n).astype(np.float32)


def _peaks(x: Singles, rate: float) -> tuple[Floats, Floats]:
    """Places (in samples, with a fraction) of the peaks that follow steep slopes, and how high each climb
    is."""
    none = np.empty(0)
    if len(x) < 3:
        return none, none
    slope = np.square(np.maximum(np.diff(x, prepend=x[0]), 0.0))
    long = _averaged(slope, 2 * int(0.5 * BEAT * rate) + 1)
    long += SHARE * np.median(long)
    inside = _averaged(slope, 2 * int(0.5 * UPSTROKE * rate) + 1) > long
    edges = np.flatnonzero(np.diff(inside.astype(np.int8), prepend=0, append=0))
    first, last = edges[::2], edges[1::2]
    wide = last - first >= max(1, int(0.5 * UPSTROKE * rate))
    first, last = first[wide], last[wide]
    if not len(first):
        return none, none
    # The peak is the highest sample from the block's first until a fifth of a second behind it.
    end = np.minimum(last + int(0.2 * rate) + 1, np.append(first[1:], len(x)))
    peak = _argmax(x, first, np.maximum(np.minimum(end, len(x)), first + 1))
    foot = _argmax(-x, np.maximum(first - int(0.1 * rate), 0), peak + 1)
    before, top, after = (x[np.clip(peak + k, 0, len(x) - 1)].astype(np.float64) for k in (-1, 0, 1))
    bend = before - 2.0 * top + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1.0), 0.0)
    return np.clip(peak + np.clip(shift, -0.5, 0.5), 0, len(x) - 1), (x[peak] - x[foot]).astype(np.float64)


def _argmax(x: Array, first: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index of the highest sample of each [first, end), none of which is empty."""
    widest = int((end - first).max())
    at = first[:, None] + np.arange(widest)
    values = np.where(at < end[:, None], x[np.minimum(at, len(x) - 1)], -np.inf)
    return np.asarray(first + values.argmax(axis=1))


def _halves(seconds: Floats, climb: Floats, min_interval: float) -> Bools:
    """(m,): True for the weaker of two peaks that are too near to each other."""
    weak = np.zeros(len(seconds), bool)
    steps = np.diff(seconds)
    if len(steps) < 3:
        return weak
    n = min(LOCAL, 2 * ((len(steps) - 1) // 2) + 1)
    usual = np.median(sliding_window_view(np.pad(steps, n // 2, mode="reflect"), n), axis=1)
    near = steps < np.maximum(SHORTEST, min_interval * usual)
    earlier = climb[:-1] < climb[1:]
    weak[:-1] |= near & earlier
    weak[1:] |= near & ~earlier
    return weak
