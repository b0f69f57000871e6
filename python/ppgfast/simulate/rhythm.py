"""When the heart beats: breathing, the autonomic modulation of RR, and the rhythm on top of it.

The sinus rate is integrated into a phase that grows by one per sinus beat. A rhythm is then nothing but the
phases at which beats fall: whole numbers in sinus rhythm, early ones for ectopy, irregular ones in atrial
fibrillation. Nothing here knows the sampling rate of the PPG.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .checks import Trajectory, along, segments
from .parameters import Respiration, Rhythm
from .streams import Array, Stream, bump, slope

RATE = 8.0  # Hz of the slow processes (breathing, autonomic tone)
LEAD = 8.0  # s simulated before 0 and after the end, so that the first sample has a past
BEATS = ("sinus", "af", "pvc", "pac")
AF_SHAPE = 4  # stages of the irregular part of RR in AF: an Erlang law, exponential tail (Hennig et al. 2006)
MAX_SHIFT = 0.5  # bound on |ln(RR / mean RR)| from autonomic modulation: keeps RR positive at any setting


@dataclass(frozen=True)
class Course:
    """The slow processes on their own grid."""

    times: Array  # (n,) s
    mean_rr: Array  # (n,) s, from the heart rate asked for
    phase: Array  # (n,) sinus beats since the start
    respiration: Array  # (n,) unit variance, positive when the lungs are full


@dataclass(frozen=True)
class Beats:
    """Beats in order of time, some before 0 and after the end of the record."""

    times: Array  # (n,) s, R waves
    rr: Array  # (n,) s, the interval that ends with the beat
    mean_rr: Array  # (n,) s, what RR would be without variability
    kinds: NDArray[np.int8]  # (n,) index into BEATS


def course(
    duration: float, heart_rate: Trajectory, rhythm: Rhythm, breathing: Respiration, seed: int
) -> Course:
    """Breathing and sinus phase from -LEAD to duration + LEAD."""
    n = int(np.ceil((duration + 2.0 * LEAD) * RATE)) + 1
    times = np.arange(n) / RATE - LEAD
    respiration = breathe(times, breathing, Stream(seed, "respiration"))

    stream = Stream(seed, "rhythm")
    low = stream.noise(n, RATE, bump(rhythm.lf_frequency, 0.02))
    fractal = stream.noise(n, RATE, slope(0.003, 0.5, 1.0))
    fast_share = (1.0 - rhythm.fractal) / (1.0 + rhythm.lf_hf)
    # The heart speeds up while the lungs fill: RR falls (respiratory sinus arrhythmia).
    shape = (
        np.sqrt(rhythm.fractal) * fractal
        + np.sqrt(rhythm.lf_hf * fast_share) * low
        - np.sqrt(fast_share) * respiration
    )
    mean_hr = along(heart_rate, times)
    mean_rr = 60.0 / mean_hr
    deviation = rhythm.sdnn * np.exp(-rhythm.vagal_loss * (mean_hr - 60.0)) * shape / mean_rr
    for start, end, kind in segments(rhythm.kind, times[-1] + 1.0):
        if kind == "af":  # the node hears the atria, not the sinus
            deviation[(times >= start) & (times < end)] = 0.0
    rr = mean_rr * np.exp(np.clip(deviation, -MAX_SHIFT, MAX_SHIFT))
    step = (1.0 / rr[1:] + 1.0 / rr[:-1]) / (2.0 * RATE)
    return Course(times, mean_rr, np.concatenate([[0.0], np.cumsum(step)]), respiration)


def breathe(times: Array, breathing: Respiration, stream: Stream) -> Array:
    """The respiratory signal at the times: half cosines of unit variance, varying a little."""
    n = len(times)
    rate_noise = stream.noise(n, RATE, slope(0.005, 0.1, 1.0))
    depth_noise = stream.noise(n, RATE, slope(0.005, 0.1, 1.0))
    per_second = along(breathing.rate, times) / 60.0 * np.exp(breathing.variability * rate_noise)
    phase = (stream.uniform(1)[0] + np.cumsum(per_second) / RATE) % 1.0
    inhaling = phase < breathing.inspiration
    part = np.where(
        inhaling,
        phase / breathing.inspiration,
        1.0 - (phase - breathing.inspiration) / (1.0 - breathing.inspiration),
    )
    wave: Array = -np.cos(np.pi * part) * np.sqrt(2.0)
    return wave * np.exp(breathing.variability * depth_noise)


def beats(course: Course, rhythm: Rhythm, seed: int) -> Beats:
    """The beats of a course under a rhythm."""
    stream = Stream(seed, "beats")
    phases: list[Array] = [np.zeros(1)]
    kinds: list[NDArray[np.int8]] = [np.zeros(1, dtype=np.int8)]
    for start, end, kind in segments(rhythm.kind, course.times[-1]):
        last = phases[-1][-1]
        begin, stop = np.interp((start, end), course.times, course.phase)
        intervals, labels = _intervals(kind, last, stop, course, rhythm, stream)
        levels = last + np.cumsum(intervals)
        levels += max(0.0, begin - levels[0])  # no beat of a rhythm comes before its part begins
        inside = levels < stop
        if inside.any():
            phases.append(levels[inside])
            kinds.append(labels[inside])
    phase = np.concatenate(phases)
    times = np.interp(phase, course.phase, course.times)
    mean_rr = np.interp(times, course.times, course.mean_rr)
    rr = np.diff(times, prepend=times[0] - mean_rr[0])
    return Beats(times, rr, mean_rr, np.concatenate(kinds))


def _intervals(
    kind: str, start: float, stop: float, course: Course, rhythm: Rhythm, stream: Stream
) -> tuple[Array, NDArray[np.int8]]:
    """Intervals, in sinus beats, that lead from phase start past stop; and what beat ends each."""
    n = int(1.5 * max(stop - start, 0.0)) + 24
    intervals = np.ones(n)
    labels = np.zeros(n, dtype=np.int8)
    if kind == "af":
        irregular = stream.exponential(n * AF_SHAPE).reshape(n, AF_SHAPE).mean(axis=1)
        when = np.interp(start + np.arange(n), course.phase, course.times)
        floor = rhythm.refractory / np.interp(when, course.times, course.mean_rr)
        fixed = np.clip(np.maximum(1.0 - rhythm.af_cv * np.sqrt(AF_SHAPE), floor), 0.0, 0.95)
        return fixed + (1.0 - fixed) * irregular, np.full(n, BEATS.index("af"), dtype=np.int8)
    share = 0.5 if kind == "bigeminy" else rhythm.ectopy
    if kind == "sinus" or share == 0.0:
        return intervals, labels
    # Every premature beat is followed by a sinus beat; beyond that they fall at random.
    more = 1.0 / max(share, 1e-9) - 2.0
    between = (
        np.floor(np.log1p(-stream.uniform(n)) / np.log(more / (1.0 + more))) if more > 0 else np.zeros(n)
    )
    early = (np.cumsum(between + 2.0) - 1.0).astype(np.int64)
    early = early[early < n - 1]
    wobble = 0.06 if kind == "pac" else 0.02  # a ventricular focus keeps its distance better
    coupling = np.clip(rhythm.coupling + wobble * stream.normal(len(early)), 0.35, 0.98)
    intervals[early] = coupling
    # A ventricular beat leaves the sinus node's timing alone (full pause); an atrial one resets it.
    intervals[early + 1] = 1.05 if kind == "pac" else 2.0 - coupling
    labels[early] = BEATS.index("pac" if kind == "pac" else "pvc")
    return intervals, labels
