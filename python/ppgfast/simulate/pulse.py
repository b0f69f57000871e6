"""What a beat looks like in the blood volume under the sensor, and how strong it is."""

import numpy as np

from .parameters import Pulse, Respiration, Rhythm
from .rhythm import BEATS, RATE, Beats, Course
from .streams import Array, Stream, slope

TABLE = 8192  # samples of the tabulated pulse; its linear interpolation errs by less than 1e-4 of the height
NEGLIGIBLE = 3.7  # standard deviations in log time after which a wave is below 1e-3 of its height
MAX_PULSE = 25.0  # ejection times after which a pulse is cut off, whatever its width
RECOVERY = 0.2  # exponent of the stroke in (RR before last / mean RR): a short one leaves more for this beat


def shape(pulse: Pulse) -> tuple[Array, Array]:
    """The isolated pulse of height 1, tabulated over time since its foot in units of the ejection time."""
    waves = (
        (1.0, pulse.systolic_time, pulse.systolic_width),
        (pulse.reflected, pulse.reflected_time, pulse.reflected_width),
        (pulse.runoff, pulse.runoff_time, pulse.runoff_width),
    )
    end = max(time * np.exp(NEGLIGIBLE * width) for _, time, width in waves)
    grid = np.linspace(0.0, min(end, MAX_PULSE), TABLE)
    log_time = np.log(np.maximum(grid, 1e-9))
    total = sum(
        height * np.exp(-0.5 * ((log_time - np.log(time)) / width) ** 2) for height, time, width in waves
    )
    total = np.asarray(total) - total[-1] * grid / grid[-1]  # ends at zero exactly
    return grid, total / np.max(total)


def feet(beats: Beats, course: Course, pulse: Pulse, seed: int) -> Array:
    """When each pulse begins at the sensor (s): the R wave and a transit time that varies a little."""
    breath = np.interp(beats.times, course.times, course.respiration)
    noise = Stream(seed, "transit").normal(len(beats.times))
    transit: Array = pulse.transit + pulse.transit_jitter * np.sqrt(0.5) * np.clip(breath + noise, -4.0, 4.0)
    return beats.times + np.maximum(transit, 0.2 * pulse.transit)


def strokes(
    beats: Beats, course: Course, rhythm: Rhythm, pulse: Pulse, breathing: Respiration, seed: int
) -> Array:
    """Height of each beat's pulse, in units of pulse.amplitude; 0 is a beat without a pulse.

    The ventricle fills exponentially after a dead time, both faster at a higher rate; a beat expels what came
    in, and a little more when the beat before expelled little (Tabata et al. 2001).
    """
    stream = Stream(seed, "pulse")
    pace = np.sqrt(beats.mean_rr)
    empty, constant = pulse.deficit * pace, pulse.filling * pace
    filled = 1.0 - np.exp(-np.maximum(beats.rr - empty, 0.0) / constant)
    usual = 1.0 - np.exp(-np.maximum(beats.mean_rr - empty, 0.05) / constant)
    before = np.concatenate([beats.mean_rr[:1], beats.rr[:-1]])
    recovery = np.clip(before / beats.mean_rr, 0.3, 3.0) ** -RECOVERY
    weak = np.where(beats.kinds == BEATS.index("pvc"), rhythm.ectopic_stroke, 1.0)
    n = len(course.times)
    vessels = stream.noise(n, RATE, slope(0.004, pulse.vasomotion_frequency, 1.0))
    tone = pulse.vasomotion * vessels + breathing.amplitude * course.respiration
    varying = np.exp(
        np.interp(beats.times, course.times, tone) + pulse.amplitude_cv * stream.normal(len(beats.times))
    )
    return np.minimum(filled / usual, 2.0) * recovery * weak * varying


def blood_volume(
    times: Array,
    beats: Beats,
    onsets: Array,
    heights: Array,
    course: Course,
    pulse: Pulse,
    breathing: Respiration,
    seed: int,
) -> Array:
    """The PPG before any sensor, at `times` (s), in units of pulse.amplitude; onsets and heights per beat."""
    # Half the interval before and half the usual one: a premature beat ejects shortly, but not in proportion.
    ejection = pulse.ejection * np.sqrt(np.clip(0.5 * (beats.rr + beats.mean_rr), 0.2, 2.5))
    grid, table = shape(pulse)
    current = np.searchsorted(onsets, times, side="right") - 1
    longest = float(np.max(ejection)) * grid[-1]
    volume = np.zeros(len(times))
    for back in range(len(onsets)):
        beat = current - back
        since = times - onsets[np.maximum(beat, 0)]
        alive = (beat >= 0) & (since < longest)
        if not alive.any():
            break
        beat = beat[alive]
        volume[alive] += heights[beat] * np.interp(since[alive] / ejection[beat], grid, table)
    slow = Stream(seed, "wander").noise(
        len(course.times), RATE, slope(0.004, pulse.vasomotion_frequency, 1.0)
    )
    baseline = pulse.wander * slow + breathing.baseline * course.respiration
    return volume + np.interp(times, course.times, baseline)
