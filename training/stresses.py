"""What a device and its wearer do to a signal: the stresses of `robustness`, each at rising levels.

They act on whole stretches of a recording, put together from its overlapping windows, as they would reach a
stream; the band-pass of the windows follows, and the windows are cut where they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ppgfast.simulate.motion import movement
from ppgfast.simulate.parameters import Motion, Respiration, Rhythm
from ppgfast.simulate.rhythm import course
from training.data.signal import bandpass, resample
from training.data.windows import WindowSet

CADENCE = (95.0, 130.0)  # steps a minute, of walks


@dataclass(frozen=True)
class Stretch:
    """A recording without a gap: ppg (n,), in arbitrary units, acc (3, n) in g or None, at `rate` Hz."""

    ppg: NDArray
    acc: NDArray | None
    rate: float
    pulse: float  # root mean square of its windows, the median

    def with_ppg(self, ppg: NDArray) -> Stretch:
        return replace(self, ppg=ppg)


@dataclass(frozen=True)
class Stress:
    """One way in which a signal gets worse, from mild to hard."""

    what: str  # and in which unit levels are
    levels: tuple[float, ...]
    apply: Callable[[Stretch, float, np.random.Generator], Stretch]


def noise(x: Stretch, level: float, rng: np.random.Generator) -> Stretch:
    return x.with_ppg(x.ppg + level * x.pulse * rng.standard_normal(len(x.ppg)))


def motion(x: Stretch, level: float, rng: np.random.Generator) -> Stretch:
    """A simulated walk that couples into the PPG, and is what an accelerometer sees."""
    seed, seconds = int(rng.integers(1 << 31)), len(x.ppg) / x.rate
    walk = Motion(activity="walk", walk_cadence=float(rng.uniform(*CADENCE)))
    heart = course(seconds, 70.0, Rhythm(), Respiration(), seed)  # a heart that the walk does not follow
    moved = movement(seconds, walk, heart, seed)
    times = np.arange(len(x.ppg)) / x.rate
    artefact = np.interp(times, moved.times, moved.artefact)
    artefact *= level * x.pulse / artefact.std()
    acc = x.acc
    if acc is not None:
        acc = acc + np.stack([np.interp(times, moved.times, axis) for axis in moved.acceleration.T])
    return replace(x, ppg=x.ppg + artefact, acc=acc)


def rate(x: Stretch, level: float, rng: np.random.Generator) -> Stretch:
    there = resample(resample(x.ppg, x.rate, level), level, x.rate)
    return x.with_ppg(np.pad(there, (0, max(0, len(x.ppg) - len(there))), mode="edge")[: len(x.ppg)])


def bits(x: Stretch, level: float, rng: np.random.Generator) -> Stretch:
    lowest, step = x.ppg.min(), max(float(np.ptp(x.ppg)), 1e-30) / (2**level - 1)
    return x.with_ppg(lowest + np.rint((x.ppg - lowest) / step) * step)


def polarity(x: Stretch, level: float, rng: np.random.Generator) -> Stretch:
    return x.with_ppg(level * x.ppg)


def missing(x: Stretch, level: float, rng: np.random.Generator) -> Stretch:
    return x.with_ppg(bridged(x.ppg, rng.random(len(x.ppg)) < level / 100))


def bursts(x: Stretch, level: float, rng: np.random.Generator) -> Stretch:
    every, gap = round(10 * x.rate), round(level * x.rate)
    lost = np.zeros(len(x.ppg), bool)
    for start in range(0, len(lost), every):
        first = start + int(rng.integers(every - gap))
        lost[first : first + gap] = True
    return x.with_ppg(bridged(x.ppg, lost))


def bridged(ppg: NDArray, lost: NDArray) -> NDArray:
    """`ppg` with lost samples on the line between their neighbours."""
    at = np.arange(len(ppg))
    return np.interp(at, at[~lost], ppg[~lost]) if (~lost).any() else np.zeros_like(ppg)


STRESSES = {
    "noise": Stress("white noise, its RMS as a share of the pulse's", (0.1, 0.3, 1.0, 3.0), noise),
    "motion": Stress("artefact of walking, its RMS as a share of the pulse's", (0.25, 0.5, 1, 2, 4), motion),
    "rate": Stress("sampling rate of the device in Hz", (128, 100, 64, 50, 32, 25), rate),
    "bits": Stress("bits of a converter that spans the recording", (16, 12, 10, 8, 6), bits),
    "polarity": Stress("-1: upside down", (-1,), polarity),
    "missing": Stress("samples lost one by one, in %", (5, 20, 50, 80), missing),
    "bursts": Stress("seconds lost at a stretch in each 10 s", (0.5, 1, 2, 4), bursts),
}


def stressed(
    windows: WindowSet, rows: NDArray, stress: Stress | None, level: float = 0.0, seed: int = 0
) -> WindowSet:
    """The windows `rows` with that stress on their recordings, or, for comparison, None.

    A stress draws the same random numbers at each of its levels.
    """
    kept = windows.subset(rows)
    ppg = np.array(kept.ppg)
    acc = None if kept.acc is None else np.array(kept.acc)
    place = np.full(len(windows), -1)
    place[rows] = np.arange(len(rows))
    band, length = windows.manifest["filter"], windows.window
    for number, (members, starts) in enumerate(stretches(windows, rows)):
        if (place[members] < 0).all():
            continue
        x = joined(windows, members, starts)
        if stress is not None:
            x = stress.apply(x, level, np.random.default_rng((seed, number)))
        if band["order"]:
            x = x.with_ppg(bandpass(x.ppg, x.rate, band["low"], band["high"], band["order"]))
        for member, start in zip(members, starts, strict=True):
            if place[member] >= 0:
                ppg[place[member]] = x.ppg[start : start + length]
                if acc is not None and x.acc is not None:
                    acc[place[member]] = x.acc[:, start : start + length]
    return replace(kept, ppg=ppg, acc=acc)


def with_signal(windows: WindowSet, rows: NDArray) -> NDArray[np.int64]:
    """The windows among `rows` in which a 16-bit converter that spans the recording would see anything."""
    kept = []
    for members, _ in stretches(windows, rows):
        ppg = windows.ppg[members]
        kept.append(members[np.ptp(ppg, axis=1) > np.ptp(ppg) / 2**16])
    return np.intersect1d(rows, np.concatenate(kept))


def stretches(windows: WindowSet, rows: NDArray) -> Iterator[tuple[NDArray, NDArray]]:
    """Windows that overlap one another, in order, and the sample at which each starts in their stretch.

    Of the records that `rows` are of. Windows end to end may be of different times: each is a stretch.
    """
    for record in np.unique(windows.record[rows]):
        mine = np.flatnonzero(windows.record == record)
        mine = mine[np.argsort(windows.t_start[mine], kind="stable")]
        start = np.rint(windows.t_start[mine] * windows.sampling_rate).astype(int)
        for part in np.split(np.arange(len(mine)), np.flatnonzero(np.diff(start) >= windows.window) + 1):
            yield mine[part], start[part] - start[part[0]]


def joined(windows: WindowSet, members: NDArray, starts: NDArray) -> Stretch:
    """The stretch that these windows were cut from."""
    length = windows.window
    ppg = np.empty(starts[-1] + length)
    acc = None if windows.acc is None else np.empty((3, len(ppg)))
    for member, start in zip(members, starts, strict=True):
        ppg[start : start + length] = windows.ppg[member]
        if acc is not None and windows.acc is not None:
            acc[:, start : start + length] = windows.acc[member]
    pulse = float(np.median(windows.ppg[members].std(-1)))
    return Stretch(ppg, acc, windows.sampling_rate, pulse)
