"""Windows of a signal as a model wants them, and its answers for those that are whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import ppgfast
from ppgfast import _core
from ppgfast.bundled import file_of
from ppgfast.model import Model, load

from .signal import REASONS, Array, Bools, Floats, Signal, Singles, acceleration_of, filtered, number

DEFAULT = "hr-tcn5k-s8"  # of the bundled models the best without an accelerometer,
DEFAULT_ACC = "hr-tcn5k-acc-s8"  # and with one
CHUNK = 2048  # windows at a time: 2.6 MB of 8 s at 40 Hz
INTERVAL = 0.9  # share of the distribution between hr_lo and hr_hi


@dataclass(frozen=True, eq=False)
class Windows:
    """n windows every `hop` samples at the model's rate.

    ppg (m,) : prepared signal. acc (3, m) or None. reason (n,) : "ok" or why a window is not whole. start
    (n,) : s.
    """

    ppg: Singles
    acc: Singles | None
    rate: float
    window: int
    hop: int
    start: Floats
    reason: NDArray[np.str_]

    @property
    def whole(self) -> Bools:
        """(n,)."""
        return np.asarray(self.reason == "ok")

    @property
    def seconds(self) -> float:
        """Length of a window."""
        return self.window / self.rate

    def ppg_at(self, index: Array) -> Singles:
        """(k, L)."""
        return np.ascontiguousarray(sliding_window_view(self.ppg, self.window)[index * self.hop])

    def at(self, index: Array) -> Singles:
        """(k, L), or (k, 4, L) with the accelerometer."""
        if self.acc is None:
            return self.ppg_at(index)
        axes = sliding_window_view(self.acc, self.window, axis=-1)[:, index * self.hop]
        return np.ascontiguousarray(np.concatenate([self.ppg_at(index)[:, None], axes.transpose(1, 0, 2)], 1))


def model_of(model: Any, *, task: str, with_acc: bool) -> tuple[Model, dict[str, Any]]:
    """The model and what `info` says of it: a bundled name, a path, a `Model`, or None for the default.

    Raises TypeError or ValueError for something else and for a model of another task.
    """
    if model is None:
        model = DEFAULT_ACC if with_acc else DEFAULT
    said: dict[str, Any] = {"name": None, "sha256": None}
    if isinstance(model, Model):
        opened = model
    elif isinstance(model, (str, os.PathLike)):
        file = Path(file_of(os.fspath(model)))
        opened = load(file)
        said = {"name": file.stem, "sha256": sha256(file.read_bytes()).hexdigest()}
    else:
        raise TypeError(
            f"model is a {type(model).__name__}, expected a name of ppgfast.models(), a path to a .ppgf file "
            "or a Model"
        )
    about = opened.info
    if about["output"]["task"] != task:
        raise ValueError(
            f"the model answers {about['output']['task']!r}, expected a model for {task!r}: give another one"
        )
    takes_acc = about["input"]["channels"] == 4
    if takes_acc and not with_acc:
        raise TypeError(
            f"the model takes the accelerometer: pass acc= and acc_rate=, or a model for PPG alone such as "
            f"{DEFAULT!r}"
        )
    if with_acc and not takes_acc:
        raise ValueError(
            f"the model takes PPG alone: leave acc out, or give a model that takes it such as {DEFAULT_ACC!r}"
        )
    return opened, {**said, "kind": about["kind"], "precision": about["precision"], "isa": about["isa"]}


def versions() -> dict[str, Any]:
    """What made a result."""
    return {"ppgfast": ppgfast.__version__, "numpy": np.__version__}


def cut(
    signal: Signal,
    about: dict[str, Any],
    *,
    hop: Any = None,
    acc: Any = None,
    acc_rate: Any = None,
    acc_start: Any = 0.0,
) -> Windows:
    """Resample, filter and cut a signal by the contract `about` = ``info["input"]`` of a model.

    Windows that touch a missing sample have its reason; the order of reasons is that of REASONS. The rows are
    those of the PPG: before the accelerometer began and where it has ended, they are a "gap".
    """
    rate, window = float(about["sampling_rate"]), int(about["window"])
    ppg = filtered(signal, rate, about["filter"], about["polarity"])
    motion, lost, lost_rate = None, None, 1.0
    covered = float(len(ppg))  # samples of the model from the first on that the accelerometer covers
    if about["channels"] == 4:
        motion, lost, lost_rate = _motion(*acceleration_of(acc, acc_rate, acc_start, signal), rate)
        covered = motion.shape[1] + rate / lost_rate  # a sample that rounding took is held
        short = max(0, len(ppg) - motion.shape[1])
        motion = np.pad(motion, ((0, 0), (0, short)), mode="edge" if motion.size else "constant")
    step = int(about["hop"]) or window
    if hop is not None:
        step = max(1, round(number("hop", hop, 1.0 / rate, 86400.0, "s") * rate))
    n = max(0, (len(ppg) - window) // step + 1)
    start = np.arange(n) * step / rate
    reason = np.full(n, "ok", dtype="<U14")
    for code in range(len(REASONS), 0, -1):
        marks = signal.bad == code
        if marks.any():
            reason[touches(marks, signal.rate, start, window / rate)] = REASONS[code - 1]
    if lost is not None and lost.any():
        reason[touches(lost, lost_rate, start, window / rate)] = "gap"
    if motion is not None:
        reason[np.arange(n) * step + window >= covered] = "gap"
    return Windows(ppg, motion, rate, window, step, start + signal.start, reason)


def _motion(values: Floats, own: float, rate: float) -> tuple[Singles, Bools, float]:
    """(3, m) at `rate` Hz of (k, 3) at its `own`, and which of the k are missing."""
    lost = ~np.isfinite(values).all(axis=1)
    axes = []
    for axis in values.T:
        kept = axis[~lost]
        at = np.arange(len(axis))
        whole = np.interp(at, at[~lost], kept) if len(kept) else np.zeros(len(axis))
        axes.append(_core.resample(np.clip(whole, -1e9, 1e9).astype(np.float32), own, rate))
    return np.stack(axes), np.asarray(lost), own


def touches(marks: Array, rate: float, start: Floats, seconds: float) -> Bools:
    """(W,): whether a marked sample lies in [start, start + seconds), times in s after the first sample."""
    return counted(marks, rate, start, seconds) > 0


def counted(marks: Array, rate: float, start: Floats, seconds: float) -> NDArray[np.int64]:
    """(W,): marked samples in [start, start + seconds)."""
    total = np.append(0, np.cumsum(marks, dtype=np.int64))
    # Rounded before ceil: 0.3 s * 10 Hz is 3 samples, in binary a little more.
    first = np.ceil(np.round(start * rate, 6)).astype(np.int64)
    last = np.ceil(np.round((start + seconds) * rate, 6)).astype(np.int64)
    return np.asarray(total[np.minimum(last, len(marks))] - total[np.minimum(first, len(marks))])


def heart_rate(model: Model, windows: Windows, track: bool) -> Floats:
    """(n, 4): heart rate, its deviation and the ends of its interval, bpm; NaN where there is none."""
    answers = np.full((len(windows.start), 4), np.nan)
    index = np.flatnonzero(windows.whole)
    output = model.info["output"]
    spread = output["activation"] == "distribution"
    if not spread:
        for part in _chunks(index):
            answers[part, 0] = model.predict(windows.at(part))[:, 0]
        return answers
    chance = np.full((len(windows.start), model.info["shape"]["n_outputs"]), np.nan, np.float32)
    for part in _chunks(index):
        batch = windows.at(part)
        chance[part] = model.distribution(batch)
        if not track:
            answers[part, :2] = model.predict(batch)
    if track and len(chance):
        hop = min(windows.hop / windows.rate, 3600.0)
        answers[:, :2] = model.track(chance, hop=hop)
        chance = _core.beliefs(model, chance, hop)
    for column, level in ((2, 0.5 - 0.5 * INTERVAL), (3, 0.5 + 0.5 * INTERVAL)):
        answers[:, column] = _quantile(chance, level, output["mean"], output["std"])
    answers[~windows.whole] = np.nan
    return answers


def fibrillation(model: Model, windows: Windows) -> Floats:
    """(n,): probability of atrial fibrillation, NaN where a window is not whole."""
    chance = np.full(len(windows.start), np.nan)
    for part in _chunks(np.flatnonzero(windows.whole)):
        chance[part] = model.predict(windows.at(part))[:, -1]
    return chance


def _chunks(index: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [index[i : i + CHUNK] for i in range(0, len(index), CHUNK)]


def _quantile(chance: Singles, level: float, mean: float, std: float) -> Floats:
    """Of distributions (n, K) over bins that are `std` wide; linear inside a bin."""
    upper = np.cumsum(chance, axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        upper /= upper[:, -1:]
        k = (upper < level).sum(axis=1, keepdims=True).clip(max=chance.shape[1] - 1)
        top = np.take_along_axis(upper, k, 1)[:, 0]
        below = np.where(k[:, 0] > 0, np.take_along_axis(upper, np.maximum(k - 1, 0), 1)[:, 0], 0.0)
        inside = np.clip((level - below) / (top - below), 0.0, 1.0)
    return np.asarray(mean + std * (k[:, 0] - 0.5 + inside))
