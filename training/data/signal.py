"""Resampling, band-pass and scaling, the same for every data set; time runs along the last axis."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, firwin, resample_poly, sosfiltfilt

from .errors import DataError

SCALINGS = ("none", "minmax", "zscore")

# Largest numerator and denominator of a resampling ratio: 40 / 62.4725 Hz is 16000 / 24989.
MAX_FACTOR = 100_000


def ratio(rate_in: float, rate_out: float) -> Fraction:
    """`rate_out / rate_in` (Hz) as an exact fraction, so that no sample drifts however long the record.

    Raises DataError for rates that are not positive, or whose ratio is no fraction of integers up to 100,000
    within 1e-9 (86 microseconds a day).
    """
    for rate in (rate_in, rate_out):
        if not (np.isfinite(rate) and rate > 0):
            raise DataError(
                f"sampling rate {rate!r} is no positive number of Hz: state the rate of the signal"
            )
    exact = Fraction(rate_out) / Fraction(rate_in)
    near = exact.limit_denominator(MAX_FACTOR)
    if near.numerator > MAX_FACTOR or abs(near - exact) > exact * Fraction(1, 10**9):
        raise DataError(
            f"{rate_in} Hz to {rate_out} Hz is no ratio of integers up to {MAX_FACTOR}: "
            "round the rates to 0.001 Hz"
        )
    return near


def resample(x: np.ndarray, rate_in: float, rate_out: float) -> NDArray[np.float64]:
    """`x (..., n)` at `rate_in` Hz as samples at `rate_out` Hz, anti-aliased, in float64.

    Output sample k lies k / rate_out seconds after input sample 0: time is never stretched, and
    floor(n * rate_out / rate_in) samples are returned, so 25 s stay 25 s. Polyphase Kaiser low-pass, flat to
    0.85 of the lower Nyquist rate and 80 dB down from 1.15 on; ends are continued by point reflection. NaN
    spreads: fill gaps first.
    """
    change = ratio(rate_in, rate_out)
    x = np.asarray(x, dtype=np.float64)
    if change == 1 or x.shape[-1] == 0:
        return x.copy()
    n_out = x.shape[-1] * change.numerator // change.denominator
    if x.shape[-1] == 1:  # nothing to reflect; scipy divides by zero here
        return np.repeat(x, n_out, axis=-1)
    widest = max(change.numerator, change.denominator)
    lowpass = firwin(2 * 16 * widest + 1, 1 / widest, window=("kaiser", 8.0))
    # The filter's phases differ by 1e-5 in gain at 0 Hz, a ripple if a raw ADC signal kept its offset.
    offset = x.mean(axis=-1, keepdims=True)
    factors = change.numerator, change.denominator
    y = resample_poly(x - offset, *factors, axis=-1, padtype="antireflect", window=lowpass)
    return y[..., :n_out] + offset


def bandpass(x: np.ndarray, rate: float, low: float, high: float, order: int) -> NDArray[np.float64]:
    """`x (..., n)` through a Butterworth band-pass of `order`, `low` to `high` Hz, forwards and backwards.

    Zero phase, so nothing moves in time; the two passes square the magnitude response (-6 dB at the edges).
    The ends are continued by their mirror image over three periods of `low`. Raises DataError for a band
    outside 0 < low < high < rate / 2, an order below 1 or fewer than two samples.
    """
    if not 0 < low < high < rate / 2:
        raise DataError(
            f"band {low}-{high} Hz is not inside 0-{rate / 2} Hz: change filter_low or filter_high"
        )
    if order < 1:
        raise DataError(f"filter order {order} is below 1: give 1 or more, or 0 in the config for no filter")
    x = np.asarray(x, dtype=np.float64)
    if x.shape[-1] < 2:
        raise DataError(f"{x.shape[-1]} samples cannot be filtered: at least 2 are needed")
    sections = butter(order, (low, high), "bandpass", fs=rate, output="sos")
    # A mirror image keeps the level, point reflection shifts it: on 10 s cut from recorded PPG, the first and
    # last second then differ from the filtered whole by 0.14 standard deviations instead of 0.37.
    padding = min(x.shape[-1] - 1, round(3 * rate / low))
    return np.asarray(sosfiltfilt(sections, x, axis=-1, padtype="even", padlen=padding))


def scale(windows: np.ndarray, how: str) -> NDArray[np.float32]:
    """`windows (..., L)`, each scaled by itself, as float32; a flat window becomes all 0.

    how: `none`; `minmax`, (x - min) / (max - min); `zscore`, (x - mean) / population standard deviation.
    `none` leaves flat windows as they are. Raises DataError for any other name.
    """
    if how not in SCALINGS:
        raise DataError(f"unknown scaling {how!r}: choose one of {', '.join(SCALINGS)}")
    x = np.asarray(windows, dtype=np.float32)
    if how == "none":
        return x
    low, high = x.min(-1, keepdims=True), x.max(-1, keepdims=True)
    # Flat means min == max for both scalings: the mean of equal numbers can miss them by one rounding.
    flat = low == high
    if how == "minmax":
        offset, span = low, high - low
    else:
        # float64, because squares of small float32 numbers vanish.
        offset, span = (f(x, axis=-1, keepdims=True, dtype=np.float64) for f in (np.mean, np.std))
    return np.where(flat, 0, (x - offset) / np.where(flat, np.float32(1), span)).astype(np.float32)
