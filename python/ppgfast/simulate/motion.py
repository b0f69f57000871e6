"""What the arm does: acceleration in g, and what it adds to the PPG."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .checks import segments
from .parameters import ACTIVITIES, Motion
from .rhythm import Course
from .streams import Array, Stream, filtered, slope

RATE = 64.0  # Hz of the motion grid; wrist acceleration and its artefacts lie below 20 Hz
SLOW = 8.0  # Hz of the grid on which its slow changes are drawn
LEAD = 4.0  # s before 0
RMS = {"rest": 0.002, "gestures": 0.15, "walk": 0.3, "run": 1.1}  # g, dynamic acceleration at intensity 1
SWAY = {"rest": 0.004, "gestures": 0.5, "walk": 0.15, "run": 0.1}  # rad, slow turning of the wrist
# Height of harmonics 1, 2, ... of the stride, that is two steps: odd ones are arm swing, even ones steps.
GAIT = np.array([0.55, 1.0, 0.16, 0.36, 0.09, 0.22, 0.05, 0.13, 0.03, 0.08])
IRREGULAR = 0.2  # share of gait acceleration (RMS) that is not periodic
BURST, PAUSE = 2.5, 2.0  # s, mean length of a gesture and of the stillness between two
RAMP = 1.0  # s, time in which one activity passes into the next
SLIP, SETTLING = 0.15, 1.2  # s, time constants with which the sensor slips and finds its place again


@dataclass(frozen=True)
class Movement:
    """On the motion grid."""

    times: Array  # (m,) s
    acceleration: Array  # (m, 3) g, gravity included
    artefact: Array  # (m,) units of Pulse.amplitude


def movement(duration: float, motion: Motion, course: Course, seed: int) -> Movement:
    """Acceleration and artefact from -LEAD to the end.

    Each activity is made for the samples that have it, its parts one behind the other.
    """
    stream = Stream(seed, "motion")
    times = np.arange(int(np.ceil((duration + LEAD) * RATE)) + 2) / RATE - LEAD
    share = {name: _share(times, motion, name) for name in ACTIVITIES}
    gravity = _gravity(times, share, stream)
    dynamic = np.zeros((len(times), 3))
    for name in ACTIVITIES:
        on = np.flatnonzero(share[name])
        if len(on) > 0:
            gait = name in ("walk", "run")
            wave = (
                _gait(times[on], name, motion, course, stream) if gait else _gesture(times[on], name, stream)
            )
            dynamic[on] += (motion.intensity * RMS[name] * share[name][on])[:, None] * wave
    sway = gravity - np.mean(gravity, axis=0)
    artefact = _artefact(times, dynamic, sway, 1.0 - share["rest"], motion, Stream(seed, "artefact"))
    return Movement(times, gravity + dynamic, artefact)


def activity_at(times: Array, motion: Motion) -> NDArray[np.int8]:
    """Index into ACTIVITIES at each time (s)."""
    parts = list(segments(motion.activity, float("inf")))
    names = np.array([ACTIVITIES.index(name) for _, _, name in parts], dtype=np.int8)
    return names[np.searchsorted([start for start, _, _ in parts], times, side="right") - 1]


def _share(times: Array, motion: Motion, name: str) -> Array:
    """How much of an activity there is at each time, 0 to 1, with soft edges."""
    total = np.zeros(len(times))
    for start, end, kind in segments(motion.activity, float("inf")):
        if kind == name:
            first, last = np.searchsorted(times, (start - RAMP, end + RAMP))
            part = times[first:last]
            into = np.clip((part - start) / RAMP + 0.5, 0.0, 1.0)
            total[first:last] += into * np.clip((end - part) / RAMP + 0.5, 0.0, 1.0)
    return np.minimum(total, 1.0)


def _gravity(times: Array, share: dict[str, Array], stream: Stream) -> Array:
    """Gravity (g) as the wrist sees it: a resting direction and slow turns about it, (m, 3)."""
    rest = _unit(stream.normal(3))
    amount = np.sum([SWAY[name] * part for name, part in share.items()], axis=0)
    turns = np.stack([_slow(stream, times, slope(0.02, 0.4, 1.5)) for _ in range(3)], axis=1)
    return _unit(rest + amount[:, None] * turns)


def _gesture(times: Array, name: str, stream: Stream) -> Array:
    """Irregular movement of unit RMS in bursts (gestures) or without end (the tremor of rest), (m, 3)."""
    shape = _fast(stream, len(times), slope(0.5, 12.0, 1.5))
    if name == "rest":
        return shape
    spans = stream.exponential(2 * int(1.5 * (times[-1] - times[0]) / (BURST + PAUSE)) + 40)
    spans *= np.tile([BURST, PAUSE], len(spans) // 2)
    edges = times[0] + np.cumsum(spans)
    strength = np.exp(0.7 * stream.normal(len(edges) + 1))
    strength[1::2] = 0.03
    gate = _smooth(strength[np.searchsorted(edges, times)], 0.3)
    return shape * gate[:, None]


def _gait(times: Array, name: str, motion: Motion, course: Course, stream: Stream) -> Array:
    """Periodic acceleration of unit RMS: harmonics of the stride with fixed phases, (m, 3)."""
    n = len(times)
    cadence = motion.walk_cadence if name == "walk" else motion.run_cadence
    heart = np.interp(times, course.times, 60.0 / course.mean_rr)
    nearer = np.where(np.abs(heart - cadence) < np.abs(heart / 2.0 - cadence), heart, heart / 2.0)
    pulled = cadence + motion.cadence_lock * (nearer - cadence)
    steps = pulled / 60.0 * np.exp(motion.cadence_cv * _slow(stream, times, slope(0.01, 0.5, 1.0)))
    stride = np.pi * np.cumsum(steps) / RATE  # rad of the stride's fundamental
    # Each axis hears swing and steps in its own proportion.
    height = GAIT * np.exp(0.5 * stream.normal(3 * len(GAIT)).reshape(3, -1))
    height[:, 0::2] *= np.exp(0.5 * stream.normal(3))[:, None]
    height /= np.sqrt(np.sum(height**2) / 2.0)
    harmonics = height * np.exp(2j * np.pi * stream.uniform(3 * len(GAIT)).reshape(3, -1))
    wave, turn = np.zeros((n, 3)), np.exp(1j * stride)
    power = turn
    for k in range(len(GAIT)):
        wave += (power[:, None] * harmonics[:, k]).real
        power = power * turn
    vigour = np.exp(0.15 * _slow(stream, times, slope(0.02, 0.5, 1.0)))
    rough = _fast(stream, n, slope(0.3, 15.0, 1.0))
    mixed: Array = (np.sqrt(1.0 - IRREGULAR**2) * wave + IRREGULAR * rough) * vigour[:, None]
    return mixed


def _artefact(
    times: Array, dynamic: Array, sway: Array, moving: Array, motion: Motion, stream: Stream
) -> Array:
    """Acceleration, projected on a wandering direction, through tissue and saturation; and slips, (m,)."""
    slow = slope(0.25 / motion.coupling_time, 1.0 / motion.coupling_time, 0.0)
    drift = np.stack([_slow(stream, times, slow) for _ in range(3)], axis=1)
    direction = _unit(_unit(stream.normal(3)) + drift)
    force = np.sum((dynamic + sway) * direction, axis=1)

    def tissue(f: Array) -> NDArray[np.complex128]:
        ratio = f / motion.tissue_frequency
        response: NDArray[np.complex128] = np.reciprocal(1 - ratio**2 + 2j * motion.tissue_damping * ratio)
        return response

    push = motion.artefact * filtered(force, RATE, tissue) / motion.saturation
    added: Array = motion.saturation * (np.tanh(push + motion.asymmetry) - np.tanh(motion.asymmetry))
    for at in stream.events(motion.slips / 60.0, times[0], times[-1]):
        first = int((at - times[0]) * RATE)
        height = (2.0 * stream.uniform(1)[0] - 1.0) * motion.saturation * moving[first]
        tail = times[first : first + int(8.0 * SETTLING * RATE)] - times[first]
        added[first : first + len(tail)] += height * (np.exp(-tail / SETTLING) - np.exp(-tail / SLIP))
    return added


def _smooth(x: Array, seconds: float) -> Array:
    """A running mean over `seconds`."""
    width = int(seconds * RATE) | 1
    total = np.cumsum(np.pad(x, (width // 2 + 1, width // 2), mode="edge"))
    mean: Array = (total[width:] - total[:-width]) / width
    return mean


def _fast(stream: Stream, n: int, density: Callable[[Array], Array]) -> Array:
    """Independent noise on three axes, (n, 3), unit variance together."""
    return np.stack([stream.noise(n, RATE, density) / np.sqrt(3.0) for _ in range(3)], axis=1)


def _slow(stream: Stream, times: Array, density: Callable[[Array], Array]) -> Array:
    """Noise below 0.5 Hz with unit variance at the times, drawn on a coarser grid."""
    coarse = np.arange(int((times[-1] - times[0]) * SLOW) + 2) / SLOW + times[0]
    return np.interp(times, coarse, stream.noise(len(coarse), SLOW, density))


def _unit(vectors: Array) -> Array:
    """Vectors of the last axis scaled to length 1."""
    units: Array = vectors / np.maximum(np.sqrt(np.sum(vectors**2, axis=-1, keepdims=True)), 1e-9)
    return units
