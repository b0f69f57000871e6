"""What is measured on recorded and simulated signals alike."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks, welch

from training.data.signal import bandpass
from training.metrics import pulse_intervals, spectral_peak

from .recordings import RATE, RHYTHM_RATE, Floats, Windows

REGULAR = 0.06  # largest variation of RR of a window that counts as regular
SOLVED = 2.0  # bpm; a window whose spectral peak errs by less is good enough to look at its pulse
CLASSES = ((40, 65), (65, 85), (85, 110), (110, 160))  # bpm
CYCLE = 100  # points of a mean pulse


def errors(records: Sequence[Windows]) -> list[Floats]:
    """Error (bpm) of the spectral peak in each window, record by record."""
    return [np.abs(spectral_peak(record.ppg, RATE) - record.hr) for record in records]


def at_accelerometer(records: Sequence[Windows], found: Sequence[Floats]) -> float:
    """Share of the windows that err by more than 5 bpm whose peak is one of the accelerometer (5 bpm)."""
    hits = []
    for record, error in zip(records, found, strict=True):
        if record.acc is None or not (error > 5).any():
            continue
        wrong = record.take(error > 5)
        assert wrong.acc is not None
        peaks = np.stack([spectral_peak(wrong.acc[:, axis], record.acc_rate) for axis in range(3)])
        hits.append(np.abs(spectral_peak(wrong.ppg, RATE) - peaks).min(axis=0) < 5)
    return float(np.concatenate(hits).mean())


def acceleration(records: Sequence[Windows]) -> float:
    """Median over records of the RMS of dynamic acceleration in moving windows (g)."""
    found = []
    for record in records:
        assert record.acc is not None
        rms = np.sqrt(record.acc.var(axis=2).sum(axis=1))
        found.append(np.median(rms[rms > 0.3]))
    return float(np.median(found))


def good(record: Windows, error: Floats) -> Windows:
    """The windows of a record with a regular rhythm and a solved heart rate."""
    regular = ~(record.variation > REGULAR)
    return record.take((error < SOLVED) & regular)


def mean_spectrum(records: Sequence[Windows]) -> tuple[Floats, Floats]:
    """Frequencies (Hz) and mean power density (dB) of windows of unit variance, each record counting once."""
    total = []
    for record in records:
        unit = (record.ppg - record.ppg.mean(axis=1, keepdims=True)) / record.ppg.std(axis=1, keepdims=True)
        f, power = welch(unit, RATE, nperseg=500, axis=1)
        total.append(power.mean(axis=0))
    return f, 10 * np.log10(np.mean(total, axis=0))


def fall(f: Floats, level: Floats) -> float:
    """Slope of a spectrum from 3 to 12 Hz, dB per octave."""
    band = (f >= 3) & (f <= 12)
    return float(np.polyfit(np.log2(f[band]), level[band], 1)[0])


def harmonics(record: Windows) -> Floats:
    """Medians (4,) of harmonics 2, 3, 4 and of what lies below the pulse, over harmonic 1 (amplitudes)."""
    x = record.ppg - record.ppg.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(x * np.hanning(x.shape[1]), 1 << 15)) ** 2
    f = np.fft.rfftfreq(1 << 15, 1 / RATE)
    rate = record.hr[:, None] / 60
    first, *others = (np.sqrt((power * (np.abs(f - k * rate) < 0.2)).sum(axis=1)) for k in (1, 2, 3, 4))
    below = np.sqrt((power * ((f > 0.05) & (f < rate - 0.25))).sum(axis=1))
    return np.median(np.stack([*others, below]) / first, axis=1)


def mean_pulse(record: Windows) -> Floats | None:
    """Median cycle from 0.12 s before the steepest rise, scaled to [0, 1]; None with fewer than 20 cycles."""
    cycles = []
    for x, rate in zip(record.ppg, record.hr, strict=True):
        slope = np.gradient(bandpass(x[None], RATE, 0.4, 8.0, 2)[0])
        rises, _ = find_peaks(slope, height=0.4 * np.percentile(slope, 98), distance=round(0.3 * RATE))
        starts = rises - round(0.12 * RATE)
        for a, b in pairwise(starts):
            if a >= 0 and abs(60 * RATE / (b - a) - rate) < 6:
                cycles.append(np.interp(np.linspace(a, b, CYCLE), np.arange(len(x)), x))
    if len(cycles) < 20:
        return None
    shape = np.median(cycles, axis=0)
    return np.asarray((shape - shape.min()) / np.ptp(shape))


def pulses(records: Sequence[Windows]) -> dict[tuple[int, int], Floats]:
    """Mean pulses (n, CYCLE) of the records of each class of heart rate."""
    found: dict[tuple[int, int], list[Floats]] = {bounds: [] for bounds in CLASSES}
    for record in records:
        if len(record.hr) < 8:
            continue
        rate, shape = np.median(record.hr), mean_pulse(record.take(np.arange(len(record.hr)) % 4 == 0))
        for bounds, shapes in found.items():
            if shape is not None and bounds[0] <= rate < bounds[1]:
                shapes.append(shape)
    return {bounds: np.array(shapes) for bounds, shapes in found.items()}


def width(shape: Floats) -> float:
    """Share of the cycle in which a pulse is above half its height."""
    return float((shape > 0.5).mean())


def variability(rr: Floats) -> Floats:
    """Mean (ms), SDNN (ms), RMSSD (ms), pNN50 (%), LF/HF and sample entropy of RR intervals: (6,)."""
    steps = np.diff(rr)
    t = np.cumsum(rr)
    even = np.interp(np.arange(t[0], t[-1], 0.25), t, rr)
    f, power = welch(even - even.mean(), 4.0, nperseg=min(len(even), 480))
    low, high = power[(f >= 0.04) & (f < 0.15)].sum(), power[(f >= 0.15) & (f < 0.4)].sum()
    return np.array(
        [
            1000 * rr.mean(),
            1000 * rr.std(),
            1000 * np.sqrt(np.mean(steps**2)),
            100 * np.mean(np.abs(steps) > 0.05),
            low / high,
            sample_entropy(rr[:400]),
        ]
    )


def sample_entropy(x: Floats, m: int = 2, tolerance: float = 0.2) -> float:
    """Sample entropy (Richman and Moorman 2000) with a tolerance in standard deviations."""

    def matches(length: int) -> int:
        runs = np.lib.stride_tricks.sliding_window_view(x, length)[: len(x) - m]
        distance = np.abs(runs[:, None] - runs[None]).max(axis=2)
        return int((distance < tolerance * x.std()).sum()) - len(runs)

    return float(-np.log(max(matches(m + 1), 1) / max(matches(m), 1)))


def interval_statistics(segments: Floats) -> Floats:
    """Rate (bpm), variation, RMSSD over mean of the pulse intervals of segments with five of them: (n, 3)."""
    found = []
    for intervals in pulse_intervals(segments, RHYTHM_RATE):
        if len(intervals) >= 5:
            mean = intervals.mean()
            found.append(
                [60 / mean, intervals.std() / mean, np.sqrt(np.mean(np.diff(intervals) ** 2)) / mean]
            )
    return np.array(found)


def relative_intervals(segments: Floats) -> Floats:
    """All pulse intervals over the mean of their segment."""
    parts = [x / x.mean() for x in pulse_intervals(segments, RHYTHM_RATE) if len(x) >= 5]
    return np.concatenate(parts)


def height_against_interval(segments: Floats) -> float:
    """Median over segments of the correlation of a pulse's height with the interval before it."""
    found = []
    for x in bandpass(segments, RHYTHM_RATE, 0.3, 8.0, 2):
        tops, _ = find_peaks(x, distance=30, prominence=0.3 * x.std())
        if len(tops) < 7:
            continue
        heights = np.array([x[b] - x[a:b].min() for a, b in pairwise(tops)])
        intervals = np.diff(tops).astype(np.float64)
        if intervals.std() > 0 and heights.std() > 0:
            found.append(np.corrcoef(heights, intervals)[0, 1])
    return float(np.median(found))


def spread(values: NDArray[np.floating], unit: str = "") -> str:
    """Median and the range of the middle 80 %."""
    low, middle, high = np.percentile(values, [10, 50, 90])
    digits = 0 if middle >= 20 else 1 if middle >= 3 else 2
    return f"{middle:.{digits}f}{unit} ({low:.{digits}f}-{high:.{digits}f})"
