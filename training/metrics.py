"""Scores of predictions, their uncertainty over subjects, and two baselines that learn nothing.

Heart rates are in bpm, one per window. Arrhythmia scores are probabilities (any increasing score will do),
labels 0 or 1. Every score refuses empty, unequal or non-finite arrays: drop windows without a label first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import find_peaks
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from training.data.signal import bandpass

Floats = NDArray[np.float64]
Metric = Callable[..., float]

PULSE_BAND = (0.6, 3.5)  # Hz: 36 to 210 bpm
PULSE_ORDER = 4
BEAT_BAND = (0.5, 5.0)  # Hz: keeps the pulse's upstroke sharp enough to time it
SHORTEST_INTERVAL = 0.3  # s: 200 bpm
LEAST_PROMINENCE = 0.3  # of the window's standard deviation
SPECTRUM_STEP = 0.5  # bpm between two frequencies of the zero-padded spectrum


def _same(*arrays: ArrayLike) -> list[Floats]:
    """The arrays as float64 vectors of one length, finite and not empty."""
    vectors = [np.asarray(array, dtype=np.float64).ravel() for array in arrays]
    sizes = [len(vector) for vector in vectors]
    if len(set(sizes)) > 1 or sizes[0] == 0:
        raise ValueError(f"arrays have {sizes} values, expected the same number, at least one")
    for vector in vectors:
        bad = int((~np.isfinite(vector)).sum())
        if bad:
            raise ValueError(
                f"{bad} of {len(vector)} values are NaN or infinite: drop unlabelled windows first"
            )
    return vectors


def mae(prediction: ArrayLike, target: ArrayLike) -> float:
    """Mean absolute error, in the unit of its arguments."""
    prediction, target = _same(prediction, target)
    return float(np.abs(prediction - target).mean())


def mse(prediction: ArrayLike, target: ArrayLike) -> float:
    """Mean squared error, in the squared unit of its arguments."""
    prediction, target = _same(prediction, target)
    return float(np.square(prediction - target).mean())


def error_percentile(prediction: ArrayLike, target: ArrayLike, percent: float) -> float:
    """The absolute error that `percent` of the windows do not exceed."""
    prediction, target = _same(prediction, target)
    return float(np.percentile(np.abs(prediction - target), percent))


def share_within(prediction: ArrayLike, target: ArrayLike, limit: float = 5.0) -> float:
    """Share of windows, 0 to 1, whose absolute error is at most `limit`."""
    prediction, target = _same(prediction, target)
    return float((np.abs(prediction - target) <= limit).mean())


def coverage_error(prediction: ArrayLike, target: ArrayLike, uncertainty: ArrayLike) -> tuple[Floats, Floats]:
    """Error against the share of windows kept, the most certain first.

    Returns coverage (n,), 1/n to 1, and the mean absolute error (n,) of the windows kept at that coverage.
    Windows of equal uncertainty count as one group: each takes the group's mean error.
    """
    prediction, target, uncertainty = _same(prediction, target, uncertainty)
    _, group, size = np.unique(uncertainty, return_inverse=True, return_counts=True)
    error = np.bincount(group, np.abs(prediction - target)) / size  # per group, most certain first
    kept = np.arange(1, len(prediction) + 1)
    return kept / len(prediction), np.cumsum(np.repeat(error, size)) / kept


def certain_error(
    prediction: ArrayLike, target: ArrayLike, uncertainty: ArrayLike, share: float = 0.8
) -> float:
    """Mean absolute error of the `share` of windows that are most certain."""
    coverage, error = coverage_error(prediction, target, uncertainty)
    return float(error[max(0, round(share * len(coverage)) - 1)])


def heart_rate_scores(prediction: ArrayLike, target: ArrayLike) -> dict[str, float]:
    """The table row of a heart-rate model, in bpm: mae, mse, p50, p75, p90, p95 and within_5bpm (a share)."""
    return {
        "mae": mae(prediction, target),
        "mse": mse(prediction, target),
        **{f"p{q}": error_percentile(prediction, target, q) for q in (50, 75, 90, 95)},
        "within_5bpm": share_within(prediction, target),
    }


def _labelled(score: ArrayLike, label: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    score, label = _same(score, label)
    if not np.isin(label, (0.0, 1.0)).all():
        raise ValueError(f"labels hold {np.setdiff1d(label, (0.0, 1.0))[0]}, expected 0 and 1")
    return score, label == 1.0


def accuracy(score: ArrayLike, label: ArrayLike, threshold: float = 0.5) -> float:
    """Share of windows on the right side of the threshold; a score at the threshold counts as positive."""
    score, positive = _labelled(score, label)
    return float(((score >= threshold) == positive).mean())


def f1(score: ArrayLike, label: ArrayLike, threshold: float = 0.5) -> float:
    """F1 of the positive class; 0 where nothing is positive."""
    score, positive = _labelled(score, label)
    predicted = score >= threshold
    total = predicted.sum() + positive.sum()
    return float(2 * (predicted & positive).sum() / total) if total else 0.0


def auroc(score: ArrayLike, label: ArrayLike) -> float:
    """Area under the ROC curve; NaN where only one class is present."""
    score, positive = _labelled(score, label)
    return float(roc_auc_score(positive, score)) if 0 < positive.sum() < len(positive) else np.nan


def auprc(score: ArrayLike, label: ArrayLike) -> float:
    """Area under the precision-recall curve (average precision); NaN where nothing is positive."""
    score, positive = _labelled(score, label)
    return float(average_precision_score(positive, score)) if positive.any() else np.nan


def sensitivity_at(score: ArrayLike, label: ArrayLike, specificity: float = 0.9) -> float:
    """Highest sensitivity of any threshold with at least this specificity; NaN where a class is missing."""
    score, positive = _labelled(score, label)
    if not 0 < positive.sum() < len(positive):
        return np.nan
    false_positive, true_positive, _ = roc_curve(positive, score, drop_intermediate=False)
    return float(true_positive[false_positive <= 1.0 - specificity + 1e-12].max())


def choose_threshold(score: ArrayLike, label: ArrayLike) -> float:
    """The threshold of highest F1, for validation windows: half-way between two neighbouring scores."""
    score, positive = _labelled(score, label)
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(positive[order])
    last = np.append(ranked[1:] < ranked[:-1], True)  # the last window of each run of equal scores
    scores = 2 * hits / (np.arange(1, len(score) + 1) + max(hits[-1], 1))
    best = int(np.argmax(np.where(last, scores, -1.0)))
    below = ranked[best + 1] if best + 1 < len(score) else ranked[best]
    return float(below + (ranked[best] - below) / 2)


def fibrillation_scores(score: ArrayLike, label: ArrayLike, threshold: float) -> dict[str, float]:
    """The table row of an arrhythmia model; `threshold` was chosen on validation windows."""
    return {
        "accuracy": accuracy(score, label, threshold),
        "f1": f1(score, label, threshold),
        "auroc": auroc(score, label),
        "auprc": auprc(score, label),
        "sensitivity_at_90": sensitivity_at(score, label, 0.9),
    }


class Interval(NamedTuple):
    """A score and the bounds of its confidence interval."""

    value: float
    low: float
    high: float


def bootstrap(
    metric: Metric, *arrays: ArrayLike, subjects: ArrayLike, n: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """`metric(*arrays)` with the percentile interval over `n` draws of whole subjects with replacement.

    Windows of one subject are alike, so subjects are drawn, not windows. Draws in which the metric is
    undefined (NaN) are left out; the bounds are NaN where there is but one subject or no draw is left.
    """
    return _interval(lambda *drawn: metric(*drawn), arrays, subjects, n, level, seed)


def paired_bootstrap(
    metric: Metric,
    first: ArrayLike,
    second: ArrayLike,
    target: ArrayLike,
    *,
    subjects: ArrayLike,
    n: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`metric(first, target) - metric(second, target)`, both on the same draws of subjects.

    The two models differ at this level where the interval leaves 0 out.
    """
    return _interval(
        lambda a, b, truth: metric(a, truth) - metric(b, truth),
        (first, second, target),
        subjects,
        n,
        level,
        seed,
    )


def _interval(
    metric: Metric, arrays: tuple[ArrayLike, ...], subjects: ArrayLike, n: int, level: float, seed: int
) -> Interval:
    *vectors, owner = _same(*arrays, subjects)
    value = metric(*vectors)
    windows = [np.flatnonzero(owner == subject) for subject in np.unique(owner)]
    if len(windows) < 2:
        return Interval(value, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    draws = np.empty(n)
    for i in range(n):
        chosen = np.concatenate([windows[j] for j in rng.integers(len(windows), size=len(windows))])
        draws[i] = metric(*(vector[chosen] for vector in vectors))
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return Interval(value, np.nan, np.nan)
    low, high = np.percentile(draws, (50 * (1 - level), 50 * (1 + level)))
    return Interval(value, float(low), float(high))


def spectral_peak(windows: ArrayLike, sampling_rate: float) -> Floats:
    """Heart rate of each window (n, L) as the highest peak of its spectrum between 36 and 210 bpm: (n,) bpm.

    Butterworth band-pass, Hann window, zero-padded FFT. A flat window has no peak and gets the lowest rate.
    """
    windows = np.atleast_2d(np.asarray(windows))
    length = windows.shape[1]
    n_fft = max(length, 1 << int(np.ceil(np.log2(60.0 * sampling_rate / SPECTRUM_STEP))))
    frequency = np.fft.rfftfreq(n_fft, 1.0 / sampling_rate)  # Hz
    inside = (frequency >= PULSE_BAND[0]) & (frequency <= PULSE_BAND[1])
    rates = [np.empty(0)]
    for start in range(0, len(windows), 1024):  # a bounded part of the memory that all spectra would take
        chunk = windows[start : start + 1024].astype(np.float64)
        filtered = bandpass(chunk, sampling_rate, *PULSE_BAND, PULSE_ORDER)
        spectrum = np.abs(np.fft.rfft(filtered * np.hanning(length), n_fft, axis=1))[:, inside]
        rates.append(60.0 * frequency[inside][spectrum.argmax(1)])
    return np.concatenate(rates)


def pulse_intervals(windows: ArrayLike, sampling_rate: float) -> list[Floats]:
    """Times in s between the pulse peaks of each window (n, L), the peaks refined by a parabola."""
    filtered = bandpass(np.atleast_2d(np.asarray(windows)), sampling_rate, *BEAT_BAND, 2)
    return [_intervals(window, sampling_rate) for window in filtered]


def _intervals(y: Floats, sampling_rate: float) -> Floats:
    peaks, _ = find_peaks(
        y, distance=max(1, round(SHORTEST_INTERVAL * sampling_rate)), prominence=LEAST_PROMINENCE * y.std()
    )
    before, top, after = y[peaks - 1], y[peaks], y[peaks + 1]
    bend = before - 2.0 * top + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1.0), 0.0)
    return np.asarray(np.diff(peaks + shift) / sampling_rate)


def pulse_variability(windows: ArrayLike, sampling_rate: float) -> Floats:
    """Irregularity of the pulse in each window (n, L): (n,), the baseline score for atrial fibrillation.

    Root mean square of successive differences of the pulse intervals over their mean; 0 where fewer than
    three intervals are found.
    """
    scores = []
    for intervals in pulse_intervals(windows, sampling_rate):
        regular = len(intervals) < 3
        scores.append(0.0 if regular else np.sqrt(np.square(np.diff(intervals)).mean()) / intervals.mean())
    return np.array(scores, dtype=np.float64)
