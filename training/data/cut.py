"""From a recording to windows, exactly in time: resample, filter, cut, label."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .errors import DataError
from .recording import Recording
from .signal import bandpass, resample


@dataclass(frozen=True, kw_only=True)
class CutConfig:
    """Rates in Hz, `window` and `hop` in samples at `sampling_rate`; filter_order 0 = no filter."""

    task: str
    sampling_rate: float
    window: int
    hop: int
    filter_low: float
    filter_high: float
    filter_order: int
    polarity: int
    acc: bool
    drop_flat: bool


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The windows of one recording, shapes as in WindowSet.

    segment (k,): the segment of each window. missing, flat (S,): windows of each segment that were dropped
    for missing samples, and the others that are flat.
    """

    ppg: NDArray[np.float32]
    acc: NDArray[np.float32] | None
    label: NDArray[np.float32]
    t_start: NDArray[np.float64]
    activity: NDArray[np.int16] | None
    segment: NDArray[np.int64]
    missing: NDArray[np.int64]
    flat: NDArray[np.int64]


def cut(recording: Recording, config: CutConfig) -> Cut:
    """Windows of `recording` in order of time, segment by segment.

    The whole segment is resampled and filtered, then cut, so windows have no edge effects of their own. Gaps
    are bridged by straight lines for that, and every window that touches one is dropped and counted. A window
    is flat if its published samples are all equal. Raises DataError if a segment is shorter than a window.
    """
    rate = config.sampling_rate
    missing = np.isnan(recording.ppg)
    ppg = resample(config.polarity * _bridged(recording.ppg, missing), recording.sampling_rate, rate)
    if config.filter_order:
        ppg = bandpass(ppg, rate, config.filter_low, config.filter_high, config.filter_order)
    length = ppg.shape[-1]
    acc = None
    if config.acc and recording.acc is not None:
        lost = np.isnan(recording.acc)
        acc = resample(_bridged(recording.acc, lost), recording.acc_rate, rate)
        length = min(length, acc.shape[-1])

    n = (length - config.window) // config.hop + 1
    if n < 1:
        raise DataError(
            f"{recording.label} lasts {length / rate:.4g} s, a window {config.window / rate:g} s: set window "
            f'to at most that, or leave the record out with exclude = ["{recording.name}"]'
        )
    starts = np.arange(n) * config.hop / rate
    seconds = config.window / rate
    spoilt = _count_inside(missing, recording.sampling_rate, starts, seconds) > 0
    if acc is not None:
        spoilt |= _count_inside(lost.any(axis=1), recording.acc_rate, starts, seconds) > 0
    moves = np.diff(recording.ppg, axis=-1) != 0
    flat = _count_inside(moves, recording.sampling_rate, starts, seconds - 1 / recording.sampling_rate) == 0

    keep = ~spoilt & ~(flat & config.drop_flat)
    labels = recording.labels.get(config.task)
    label = np.full(keep.shape, np.nan) if labels is None else labels.of(starts, seconds)
    activity = None if recording.activity is None else recording.activity.of(starts, seconds)
    offsets = recording.segment_starts
    if offsets is None:
        offsets = np.arange(len(keep)) * recording.ppg.shape[-1] / recording.sampling_rate
    return Cut(
        ppg=_windows(ppg, n, config)[keep].astype(np.float32),
        acc=None if acc is None else _windows(acc, n, config)[keep].astype(np.float32),
        label=np.broadcast_to(label, keep.shape)[keep].astype(np.float32),
        t_start=(offsets[:, None] + starts)[keep],
        activity=None if activity is None else _codes(np.broadcast_to(activity, keep.shape)[keep]),
        segment=np.nonzero(keep)[0],
        missing=spoilt.sum(axis=1),
        flat=(flat & ~spoilt).sum(axis=1),
    )


def _bridged(x: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """`x (..., n)` with missing samples on the line between their neighbours, 0 where there are none."""
    if not missing.any():
        return x
    filled = np.where(missing, 0.0, x)
    at = np.arange(x.shape[-1])
    for index in zip(*np.nonzero(missing.any(axis=-1) & ~missing.all(axis=-1)), strict=True):
        gap = missing[index]
        filled[index][gap] = np.interp(at[gap], at[~gap], x[index][~gap])
    return filled


def _count_inside(marks: np.ndarray, rate: float, starts: np.ndarray, seconds: float) -> NDArray[np.int64]:
    """(S, W): number of true samples of `marks (S, n)` in each [start, start + seconds)."""
    sums = np.concatenate([np.zeros((len(marks), 1), int), np.cumsum(marks, axis=-1)], axis=-1)
    # Rounded before ceil: 0.3 s * 10 Hz is 3 samples, in binary a little more.
    first = np.ceil(np.round(starts * rate, 6)).astype(int)
    last = np.ceil(np.round((starts + seconds) * rate, 6)).astype(int)
    return sums[:, np.minimum(last, marks.shape[-1])] - sums[:, np.minimum(first, marks.shape[-1])]


def _windows(x: np.ndarray, n: int, config: CutConfig) -> np.ndarray:
    """`x (S, ..., length)` as a view (S, n, ..., window)."""
    views = sliding_window_view(x, config.window, axis=-1)[..., :: config.hop, :][..., :n, :]
    return np.moveaxis(views, -2, 1)


def _codes(values: np.ndarray) -> NDArray[np.int16]:
    return np.where(np.isnan(values), -1, values).astype(np.int16)
