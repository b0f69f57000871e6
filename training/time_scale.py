"""Windows played faster or slower: a heart rate changes by the same factor, a rhythm stays what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.data.windows import WindowSet
from training.inputs import CHUNK, chunks, signals


class TimeScale:
    """Plays windows at 1 / largest to `largest` times their speed."""

    def __init__(self, windows: WindowSet, largest: float) -> None:
        self.windows, self.largest = windows, largest
        self.hr = windows.manifest["task"] == "hr"
        # Speeding up needs samples after the window: from the last window of the record that touches it. With
        # labels by segment (af) the next window may be of another time, so windows are only slowed down.
        self.successor = successors(windows) if self.hr else np.arange(len(windows))

    def play(self, rows: NDArray, pace: NDArray, place: NDArray) -> tuple[NDArray, NDArray[np.float32]]:
        """The windows `rows` at speed `largest ** pace`: signals, (B, L) or (B, 4, L), and labels (B,).

        pace (B,): -1 to 1, 0 = as it is. place (B,): 0 to 1, where a slowed window lies in its recording.
        """
        windows, rate = self.windows, self.windows.sampling_rate
        length = windows.window
        following = self.successor[rows]
        seconds = windows.t_start[following] - windows.t_start[rows]
        shift = np.rint(seconds * rate).astype(int)  # samples that the successor adds, 0 .. L
        speed = np.exp(pace * np.log(self.largest))
        # A window without enough after it can only be slowed down; at any sampling rate it is the same ones.
        speed = np.where(speed * length > length + shift, 1 / speed, speed)

        room = length - 1 + shift - speed * (length - 1)  # samples left over, >= 0
        start = np.where(speed < 1, place * np.minimum(room, length), 0.0)
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
        return before + part * (after - before), label.astype(np.float32)


class Copies:
    """`number` copies of each window, each at a speed of its own that is always the same.

    What a frozen teacher says of a copy can therefore be computed once and kept. Copy 0 is the window as it
    is, copy k has its speed from the k-th of `number` equal parts of the range, the slowest first. The same
    windows at another sampling rate or behind another filter are played alike.
    """

    def __init__(self, windows: WindowSet, largest: float, number: int) -> None:
        self.scale, self.number = TimeScale(windows, largest), number
        rng = np.random.default_rng(0)
        part = np.arange(number)[:, None] + rng.random((number, len(windows)))
        as_it_is = np.zeros((1, len(windows)))
        self.pace = np.concatenate((as_it_is, 2 * part / number - 1))  # (1 + number, n)
        self.place = np.concatenate((as_it_is, rng.random((number, len(windows)))))

    def play(self, rows: NDArray, copy: NDArray | int) -> tuple[NDArray, NDArray[np.float32]]:
        """Signals, (B, L) or (B, 4, L), and labels (B,) of copy `copy`, one or one per row, of `rows`."""
        return self.scale.play(rows, self.pace[copy, rows], self.place[copy, rows])

    def windows(self, copy: int) -> WindowSet:
        """A copy of every window, as a set that a teacher can be asked about."""
        source = self.scale.windows
        label = np.empty_like(source.label)
        ppg = np.empty(source.ppg.shape, np.float32)
        acc = None if source.acc is None else np.empty(source.acc.shape, np.float32)
        for rows in chunks(np.arange(len(source)), CHUNK):
            played, label[rows] = self.play(rows, copy)
            ppg[rows] = played if acc is None else played[:, 0]
            if acc is not None:
                acc[rows] = played[:, 1:]
        return replace(source, ppg=ppg, acc=acc, label=label)


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
