"""What a window looks like, in numbers that a quality is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .signal import Floats, Signal, Singles
from .windows import CHUNK, Windows, counted

SIGNAL = (
    "repeats",
    "concentrated",
    "skewness",
    "slope_skewness",
    "kurtosis",
    "steadiness",
    "amplitude",
    "still",
    "concentrated_around",
)
ANSWER = ("unsure", "off_period", "off_peak", "unsure_around")
SLOWEST, FASTEST = 30.0, 220.0  # bpm
BAND = (0.5, 8.0)  # Hz
BLOCKS = 8  # of a window, whose strengths are compared
AROUND = 8.0  # s from the start of a window to that of its neighbours
NOTHING = 1e-6


def features(signal: Signal, windows: Windows) -> tuple[Floats, Floats]:
    """((n, 9) in the order of SIGNAL, (n, 2) the heart rates of period and spectrum in bpm); NaN if not
    whole.

    repeats : largest autocorrelation at the period of a pulse. concentrated : share of the power at the
    spectrum's peak and its double. skewness, kurtosis (excess, as a logarithm) of the samples, slope_skewness
    of their differences: an upstroke is short and steep. steadiness : log of the weakest over the strongest
    eighth.
    amplitude : log of the deviation over its median in this recording. still : share of the samples as given
    that equal the one before, as clipped and flat ones do. concentrated_around : mean of the neighbours'.
    """
    n = len(windows.start)
    found, rates = np.full((n, len(SIGNAL)), np.nan), np.full((n, 2), np.nan)
    index = np.flatnonzero(windows.whole)
    size = np.full(n, np.nan)
    for i in range(0, len(index), CHUNK):
        part = index[i : i + CHUNK]
        x = windows.ppg_at(part)
        x = x - x.mean(axis=1, keepdims=True)
        size[part] = x.std(axis=1)
        x /= np.maximum(size[part, None], 1e-30).astype(np.float32)
        found[part, 0], rates[part, 0] = repetition(x, windows.rate)
        found[part, 1], rates[part, 1] = spectrum(x, windows.rate)
        found[part, 2:6] = shape(x)
    usual = np.nanmedian(size) if len(index) else 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        found[:, 6] = np.clip(np.log(np.maximum(size, 1e-30) / max(usual, 1e-30)), -4.0, 4.0)
    same = np.append(False, np.diff(signal.values) == 0)
    samples = max(1.0, windows.seconds * signal.rate)
    still = counted(same, signal.rate, windows.start - signal.start, windows.seconds) / samples
    found[index, 7] = still[index]
    found[:, 8] = around(found[:, 1], windows)
    return found, rates


def answer_features(answers: Floats, rates: Floats, windows: Windows) -> Floats:
    """(n, 4) in the order of ANSWER: doubt of the model, how far it is from period and spectrum, and the mean
    doubt about the neighbours (logarithms)."""
    off = np.abs(answers[:, :1] - rates)
    with np.errstate(divide="ignore", invalid="ignore"):
        unsure = np.log(np.maximum(answers[:, 1], 0.3))
        return np.column_stack([unsure, np.log1p(np.minimum(off, 60.0)), around(unsure, windows)])


def around(values: Floats, windows: Windows) -> Floats:
    """(n,): mean of the windows that start within AROUND s before or after each, itself left out; its own
    value where there is none. NaN are no neighbours and stay NaN."""
    told = np.isfinite(values)
    reach = int(AROUND * windows.rate / windows.hop + 1e-9)
    at = np.arange(len(values))
    first, last = np.maximum(at - reach, 0), np.minimum(at + reach + 1, len(values))
    total = np.append(0.0, np.cumsum(np.where(told, values, 0.0)))
    number = np.append(0, np.cumsum(told))
    others = number[last] - number[first] - told
    mean = (total[last] - total[first] - np.where(told, values, 0.0)) / np.maximum(others, 1)
    return np.where(told & (others > 0), mean, values)


def repetition(
    x: Singles, rate: float, slowest: float = SLOWEST, fastest: float = FASTEST
) -> tuple[Floats, Floats]:
    """Of windows (k, L) of unit variance: height of the autocorrelation, and its period in bpm."""
    k, length = x.shape
    size = 1 << int(np.ceil(np.log2(2 * length)))
    power = np.abs(np.fft.rfft(x, size, axis=1)) ** 2
    agreement = np.fft.irfft(power, size, axis=1)[:, : length // 2 + 2].astype(np.float64)
    # The energy of the part before and of the part after the lag, of which the mean scales each lag.
    energy = np.cumsum(x * x, axis=1, dtype=np.float64)
    lags = np.arange(1, agreement.shape[1])
    before = energy[:, length - 1 - lags]
    after = energy[:, -1:] - energy[:, lags - 1]
    agreement = agreement[:, 1:] / np.maximum(0.5 * (before + after), NOTHING)
    shortest = max(1, int(60.0 / fastest * rate))
    longest = min(int(60.0 / slowest * rate), length // 2)
    height, period = np.zeros(k), np.full(k, np.nan)
    if longest > shortest:
        middle = agreement[:, shortest - 1 : longest]
        top = (middle[:, 1:-1] > middle[:, :-2]) & (middle[:, 1:-1] >= middle[:, 2:])
        tops = np.where(top, middle[:, 1:-1], -1.0)
        best = tops.max(axis=1, initial=-1.0)
        # The first lag nearly as high as the best: twice the period repeats as well as the period.
        if tops.shape[1]:
            first = (tops >= 0.9 * best[:, None]).argmax(axis=1)
            period = np.where(best > 0, 60.0 * rate / (first + shortest + 1), np.nan)
        height = np.clip(best, 0.0, 1.0)
    return height, np.nan_to_num(period, nan=slowest)


def spectrum(x: Singles, rate: float) -> tuple[Floats, Floats]:
    """Share of the power within 0.2 Hz of the spectrum's peak and of its double, and the peak in bpm."""
    length = x.shape[1]
    size = 1 << int(np.ceil(np.log2(4 * length)))
    power = np.abs(np.fft.rfft(x * np.hanning(length).astype(np.float32), size, axis=1)) ** 2
    hz = np.fft.rfftfreq(size, 1.0 / rate)
    inside = np.flatnonzero((hz >= SLOWEST / 60.0) & (hz <= FASTEST / 60.0))
    at = inside[power[:, inside].argmax(axis=1)]
    total = np.append(np.zeros((len(x), 1)), np.cumsum(power, axis=1), axis=1)
    reach = max(1, int(0.2 / hz[1]))

    def around(place: NDArray[np.int64]) -> Floats:
        low, high = np.clip(place - reach, 0, len(hz)), np.clip(place + reach + 1, 0, len(hz))
        rows = np.arange(len(x))
        return np.asarray(total[rows, high] - total[rows, low])

    low, high = np.searchsorted(hz, BAND)
    band = np.maximum(total[:, min(high, len(hz))] - total[:, low], NOTHING)
    return np.clip((around(at) + around(2 * at)) / band, 0.0, 1.0), 60.0 * hz[at]


def shape(x: Singles) -> Floats:
    """(k, 4): skewness, skewness of the slope, kurtosis and steadiness of windows (k, L) of unit variance."""
    slope = np.diff(x, axis=1)
    scale = np.maximum(np.sqrt((slope * slope).mean(axis=1)), NOTHING)
    length = x.shape[1] // BLOCKS * BLOCKS
    blocks = x[:, :length].reshape(len(x), BLOCKS, -1) if length else x[:, None]
    strength = np.maximum(blocks.std(axis=2), 1e-3)
    square = x * x  # powers by multiplication: ** takes ten times as long
    return np.column_stack(
        [
            np.clip((square * x).mean(axis=1), -4.0, 4.0),
            np.clip((slope * slope * slope).mean(axis=1) / (scale * scale * scale), -4.0, 4.0),
            np.log(np.clip((square * square).mean(axis=1), 1.0, 50.0)),
            np.log(strength.min(axis=1) / strength.max(axis=1)),
        ]
    ).astype(np.float64)
