"""Changes of a training window that keep its label, or change it by a known factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from training.config import Augment
from training.data.windows import WindowSet
from training.sequences import Sequences
from training.time_scale import TimeScale


class Augmenter:
    """Draws each change anew for each window, from the generator that the engine seeds per step."""

    def __init__(self, config: Augment, windows: WindowSet, sequences: Sequences | None = None) -> None:
        self.config = config
        self.windows = windows
        self.sequences = sequences or Sequences(windows)
        self.scale = TimeScale(windows, config.time_scale)

    def __call__(
        self, rows: NDArray, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signals, (B, L) or (B, 4, L), and labels (B,) of the windows `rows`, or of the sequences of windows
        that begin there, with all labels of a sequence side by side."""
        if self.config.time_scale > 1:
            pace, place = rng.uniform(-1, 1, len(rows)), rng.random(len(rows))
            played, label = self.scale.play(rows, pace, place)
            return self.change(played, rng), label
        members = self.sequences.members(rows)
        return self.change(self.sequences.signals(rows), rng), self.windows.label[members]

    def change(self, all_signals: NDArray, rng: np.random.Generator) -> NDArray[np.float32]:
        """Signals (B, L) or (B, 4, L) with every change but that of speed."""
        config = self.config
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
        return x.astype(np.float32)

    def _moved(self, acc: NDArray, rng: np.random.Generator) -> NDArray:
        """The accelerometer (B, 3, L) turned to any side, with noise."""
        if self.config.turn:
            turns = Rotation.random(len(acc), random_state=rng).as_matrix()  # (B, 3, 3)
            acc = turns.astype(np.float32) @ acc
        if self.config.acc_noise:
            size = rng.uniform(0, self.config.acc_noise, (len(acc), 1, 1))
            acc = acc + size * rng.standard_normal(acc.shape)
        return acc
