"""Changes of a training window that keep its label, or change it by a known factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from training.config import Augment
from training.data.windows import WindowSet
from training.inputs import signals


class Augmenter:
    """Draws each change anew for each window, from the generator that the engine seeds per step."""

    def __init__(self, config: Augment, windows: WindowSet) -> None:
        self.config = config
        self.windows = windows
        self.hr = windows.manifest["task"] == "hr"
        # Speeding up needs samples after the window: from the last window of the record that touches it. With
        # labels by segment (af) the next window may be of another time, so windows are only slowed down.
        follow = config.time_scale > 1 and self.hr
        self.successor = successors(windows) if follow else np.arange(len(windows))

    def __call__(
        self, rows: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signals, (B, L) or (B, 4, L), and labels (B,) of the windows `rows`."""
        config = self.config
        label = self.windows.label[rows]
        if config.time_scale > 1:
            all_signals, label = self._time_scale(rows, rng)
        else:
            all_signals = signals(self.windows, rows)
        moves = all_signals.ndim == 3
        x = np.array(all_signals[:, 0] if moves else all_signals)  # (B, L), the PPG
        batch, length = x.shape
        if config.gain:
            slope = rng.uniform(-config.gain, config.gain, (batch, 1))
            middle = x.mean(1, keepdims=True)
            x = middle + (x - middle) * (1 + slope * np.linspace(-1, 1, length))
        if config.noise:
            size = rng.uniform(0, config.noise, (batch, 1)) * np.ptp(x, axis=1, keepdims=True)
            x = x + size * rng.standard_normal((batch, length))
        if config.polarity:
            x = np.where(rng.random((batch, 1)) < config.polarity, -x, x)
        if moves:
            x = np.concatenate((x[:, None], self._moved(all_signals[:, 1:], rng)), axis=1)  # (B, 4, L)
        return x.astype(np.float32), label.astype(np.float32)

    def _moved(self, acc: NDArray, rng: np.random.Generator) -> NDArray:
        """The accelerometer (B, 3, L) turned to any side, with noise."""
        if self.config.turn:
            turns = Rotation.random(len(acc), random_state=rng).as_matrix()  # (B, 3, 3)
            acc = turns.astype(np.float32) @ acc
        if self.config.acc_noise:
            size = rng.uniform(0, self.config.acc_noise, (len(acc), 1, 1))
            acc = acc + size * rng.standard_normal(acc.shape)
        return acc

    def _time_scale(self, rows: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
        """Play each window `speed` times as fast: a heart rate (bpm) grows by the same factor."""
        windows, rate = self.windows, self.windows.sampling_rate
        length = windows.window
        following = self.successor[rows]
        seconds = windows.t_start[following] - windows.t_start[rows]
        shift = np.rint(seconds * rate).astype(int)  # samples that the successor adds, 0 .. L
        speed = np.exp(rng.uniform(-1, 1, len(rows)) * np.log(self.config.time_scale))
        # A window without enough after it can only be slowed down.
        speed = np.where(speed * (length - 1) > length - 1 + shift, 1 / speed, speed)

        room = length - 1 + shift - speed * (length - 1)  # samples left over, >= 0
        start = np.where(speed < 1, rng.random(len(rows)) * np.minimum(room, length), 0.0)
        position = start[:, None] + speed[:, None] * np.arange(length)  # (B, L)
        whole = np.minimum(np.floor(position).astype(int), length - 2 + shift[:, None])
        part = position - whole
        # Samples 0 .. L-1 come from the window itself, the rest from the end of its successor.
        both = np.concatenate((signals(windows, rows), signals(windows, following)), axis=-1)
        index = np.stack((whole, whole + 1))
        index = np.where(index < length, index, index + length - shift[:, None])
        if both.ndim == 3:  # all channels are played alike
            index, part = index[:, :, None], part[:, None]
        before, after = (
            np.take_along_axis(both, np.broadcast_to(i, (*both.shape[:-1], length)), -1) for i in index
        )

        centre = (start + speed * length / 2 - length / 2) / rate  # s after the window's own centre
        slope = (windows.label[following] - windows.label[rows]) / np.where(seconds > 0, seconds, 1)
        drift = np.clip(centre, 0, seconds) * np.nan_to_num(slope)
        label = (windows.label[rows] + drift) * speed if self.hr else windows.label[rows]
        return before + part * (after - before), label


def successors(windows: WindowSet) -> NDArray[np.int64]:
    """For each window the last one of its record that starts no later than it ends, else itself."""
    length = windows.window / windows.sampling_rate
    order = np.lexsort((windows.t_start, windows.record))
    found = np.arange(len(windows))
    for group in np.split(order, np.flatnonzero(np.diff(windows.record[order])) + 1):
        start = windows.t_start[group]
        last = np.searchsorted(start, start + length + 1e-6, side="right") - 1
        found[group] = group[last]
    return found
