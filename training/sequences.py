"""Windows of a record that follow each other, as one signal: what a model for streams learns from.

A window among others is answered with what the model kept of those before it, the first one without: both
are what a stream meets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from training.config import ConfigError
from training.data.windows import WindowSet
from training.inputs import signals
from training.models import Model, Outputs, StreamGPT


@dataclass(frozen=True)
class Sequences:
    """Signals of `length` windows, one hop after the other; of length 1, the windows themselves."""

    windows: WindowSet
    length: int = 1

    @property
    def hop(self) -> int:
        """Samples."""
        return int(self.windows.manifest["hop"])

    def runs(self, rows: NDArray) -> list[NDArray]:
        """`rows`, ascending, cut wherever a window does not follow the one before by a hop."""
        windows = self.windows
        seconds = np.diff(windows.t_start[rows]) - self.hop / windows.sampling_rate
        follows = (np.diff(rows) == 1) & (np.diff(windows.record[rows]) == 0) & (np.abs(seconds) < 1e-3)
        return np.split(rows, np.flatnonzero(~follows) + 1)

    def starts(self, rows: NDArray) -> NDArray:
        """The first windows of sequences that lie in `rows` and hold all of them, but for what follows on
        too few; the last of an unbroken run may overlap the one before.

        Raises ConfigError if no run of windows is long enough.
        """
        if self.length == 1:
            return rows
        found = []
        for run in self.runs(rows):
            last = len(run) - self.length
            if last >= 0:
                found += [run[: last + 1 : self.length], run[last : last + 1][: last % self.length]]
        if not found or self.hop > self.windows.window:
            raise ConfigError(
                f"sequence = {self.length}: no {self.length} windows of {self.windows.manifest['dataset']} "
                "follow each other without a gap; lower it"
            )
        return np.concatenate(found)

    def members(self, starts: NDArray) -> NDArray:
        """All windows of the sequences, those of one side by side: (B * length,)."""
        return (starts[:, None] + np.arange(self.length)).ravel()

    def signals(self, starts: NDArray) -> NDArray[np.float32]:
        """The sequences as signals: (B, L + (length - 1) * hop), or with the accelerometer (B, 4, ...)."""
        first = signals(self.windows, starts)
        following = [signals(self.windows, starts + k)[..., -self.hop :] for k in range(1, self.length)]
        return np.concatenate((first, *following), axis=-1)

    def cut(self, x: Tensor) -> Tensor:
        """Sequences (B, length of a signal) -> their windows (B * length, L); windows stay as they are."""
        return x if self.length == 1 else x.unfold(1, self.windows.window, self.hop).flatten(0, 1)

    def answers(self, module: Model, x: Tensor, tap: str = "last") -> Outputs:
        """What the module says of each window of the sequences: (B * length, ...)."""
        if self.length == 1:
            return module(x, tap=tap)
        assert isinstance(module, StreamGPT)
        hop, over = divmod(self.hop, module.config.patch)
        if over:
            raise ConfigError(
                f"the windows are {self.hop} samples apart, no multiple of model.patch = "
                f"{module.config.patch}; change it, or set sequence=1"
            )
        return module.sequence(x, hop, tap)
