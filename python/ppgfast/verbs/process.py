"""`ppg_clean` and `ppg_process`: one row for each sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from .beats import beats
from .hrv import variability
from .rate import (
    MIN_QUALITY,
    ModelLike,
    Options,
    fibrillation_table,
    heart_rate_table,
    no_af_model,
    opened,
)
from .signal import Array, Floats, Motion, Signal, Singles, filtered, number
from .table import Table

BAND = (0.5, 8.0)  # Hz
ORDER = 2


def ppg_clean(
    ppg: Any,
    *,
    sampling_rate: float | None = None,
    timestamps: Any = None,
    low: float = BAND[0],
    high: float = BAND[1],
    order: int = ORDER,
    channel: int | str | None = None,
    clip: tuple[float, float] | None = None,
    worn: tuple[float, float] | None = None,
    polarity: str = "upright",
) -> Singles:
    """The PPG without drift and noise: a Butterworth band-pass forwards and backwards, which moves nothing in
    time.

    Parameters
    ----------
    ppg, sampling_rate, timestamps, channel, clip, worn, polarity : as for `ppg_rate`.
    low, high : Hz, edges of the band, where the gain is a half.
    order : 1 to 8, of each pass.

    Returns
    -------
    float32 (n,) in units of `ppg`, upright; NaN where a sample is missing, clipped, flat or not worn.

    Raises
    ------
    TypeError, ValueError
        as `ppg_rate`, and for a band outside 0 to half the sampling rate.
    """
    options = Options(sampling_rate, timestamps, channel, clip, worn, polarity)
    signal, _ = opened(ppg, options)
    return clean(signal, low, high, order)


def clean(signal: Signal, low: float = BAND[0], high: float = BAND[1], order: int = ORDER) -> Singles:
    """What `ppg_clean` returns."""
    number("low", low, 0.01, 0.5 * signal.rate, "Hz")
    number("high", high, 0.01, 0.499 * signal.rate, "Hz")
    if not low < high:
        raise ValueError(f"the band is {low:g} to {high:g} Hz, expected low below high")
    if number("order", order, 1, 8, "poles") != int(order):
        raise ValueError(f"order is {order}, expected a whole number")
    values = filtered(signal, signal.rate, (low, high, int(order)))
    values = np.where(signal.bad == 0, values, np.float32(np.nan))
    return signal.at_samples(values)


def ppg_process(
    ppg: Any,
    *,
    sampling_rate: float | None = None,
    timestamps: Any = None,
    acc: Any = None,
    acc_rate: float | None = None,
    acc_start: float = 0.0,
    model: ModelLike = None,
    af_model: ModelLike = None,
    hop: float | None = None,
    track: bool = True,
    min_quality: float = MIN_QUALITY,
    hrv: bool = False,
    channel: int | str | None = None,
    clip: tuple[float, float] | None = None,
    worn: tuple[float, float] | None = None,
    polarity: str = "upright",
) -> tuple[Table, dict[str, Any]]:
    """Everything at once, in the form that users of NeuroKit2 know: ``signals, info = ppg_process(...)``.

    Parameters
    ----------
    ppg, sampling_rate, timestamps, acc, acc_rate, acc_start : as for `ppg_rate`.
    model, hop, track, min_quality, channel, clip, worn, polarity : as for `ppg_rate`.
    af_model : a model for atrial fibrillation, as for `ppg_af`; None leaves that column NaN.
    hrv : also the variability of heart rate; needs ``pip install 'ppgfast[hrv]'``.

    Returns
    -------
    signals : Table with a row for each sample of `ppg`: ``PPG_Raw`` (upright), ``PPG_Clean`` (`ppg_clean`),
        ``PPG_Rate`` (bpm, on straight lines between the middles of valid windows, else NaN), ``PPG_Quality``
        (0 to 1, of the windows around; NaN after the last), ``PPG_Peaks`` (1 at a beat).
    info : ``windows``, the Table of `ppg_rate`; ``peaks``, that of `ppg_peaks`; ``PPG_Peaks``, the samples of
        the beats; ``start`` (s) and ``timestamps`` (s of each sample, or None where they are even);
        ``sampling_rate``, ``findings``, ``model``, ``versions``, ``af`` (the Table of `ppg_af`, or why there
        is none), and with `hrv` ``hrv``: RMSSD and SDNN in ms, pNN50 in %, and from how many intervals.

    Raises
    ------
    TypeError, ValueError, ModuleNotFoundError
        as `ppg_rate`; the last if `hrv` wants a library that is not installed.
    """
    motion = Motion(acc, acc_rate, acc_start)
    signal, info = opened(ppg, Options(sampling_rate, timestamps, channel, clip, worn, polarity))
    windows, _ = heart_rate_table(signal, info, motion, model, hop, track, min_quality)
    found = beats(signal, info)
    columns: dict[str, Array] = {
        "PPG_Raw": signal.raw,
        "PPG_Clean": clean(signal),
        "PPG_Rate": _along(signal, windows, np.where(windows["valid"], windows["hr_bpm"], np.nan)),
        "PPG_Quality": _along(signal, windows, windows["quality"]),
        "PPG_Peaks": np.zeros(len(signal.raw), np.uint8),
    }
    columns["PPG_Peaks"][found["sample"]] = 1
    said = dict(windows.info)
    if af_model is None:
        said["af"] = no_af_model("af_model")
    else:
        said["af"] = fibrillation_table(signal, info, Motion(), af_model, hop, 0.0)
        windows = _with_fibrillation(windows, said["af"])
    said |= {"start": signal.start, "timestamps": signal.times}
    said |= {"windows": windows, "peaks": found, "PPG_Peaks": found["sample"]}
    if hrv:
        said["hrv"] = variability(found, windows)
    return Table(columns, said), said


def _along(signal: Signal, windows: Table, values: Floats) -> Singles:
    """A value of each window at every sample: on lines between the windows' middles, at the ends the nearest.

    NaN where one of the two windows beside a sample has none, and outside all windows."""
    n = len(signal.raw)
    if not len(windows):
        return np.full(n, np.nan, np.float32)
    middle = 0.5 * (windows["t_start"] + windows["t_end"])
    hop = float(middle[1] - middle[0]) if len(middle) > 1 else 1.0
    out = np.empty(n, np.float32)
    for first in range(0, n, 1 << 18):  # a bounded part of the memory that all places would take
        at = np.arange(first, min(first + (1 << 18), n))
        seconds = signal.start + at / signal.rate if signal.times is None else signal.times[at]
        place = np.clip((seconds - middle[0]) / hop, 0.0, len(middle) - 1.0)
        left = np.minimum(place.astype(np.int64), max(len(middle) - 2, 0))
        right = np.minimum(left + 1, len(middle) - 1)
        share = place - left
        with np.errstate(invalid="ignore"):
            line = values[left] * (1.0 - share) + values[right] * share
        line = np.where(share == 0.0, values[left], np.where(share == 1.0, values[right], line))
        outside = (seconds < windows["t_start"][0]) | (seconds > windows["t_end"][-1])
        out[at] = np.where(outside, np.nan, line)
    return out


def _with_fibrillation(windows: Table, af: Table) -> Table:
    """The windows of heart rate with the probability of the window of `af` whose middle is nearest."""
    columns = windows.to_dict()
    if len(af) and len(windows):
        own, other = (0.5 * (table["t_start"] + table["t_end"]) for table in (windows, af))
        after = np.clip(np.searchsorted(other, own), 1, max(len(other) - 1, 1)).clip(max=len(other) - 1)
        before = np.maximum(after - 1, 0)
        nearest = np.where(np.abs(other[before] - own) <= np.abs(other[after] - own), before, after)
        inside = np.abs(other[nearest] - own) <= 0.5 * (af["t_end"][0] - af["t_start"][0])
        columns["af_probability"] = np.where(inside, af["af_probability"][nearest], np.nan)
    return Table(columns, windows.info)
