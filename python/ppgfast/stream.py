"""Results of a stream: ``for result in model.stream(sampling_rate=64).push(samples): ...``."""

from __future__ import annotations

from typing import NamedTuple

from ppgfast._core import Stream

__all__ = ["REASONS", "Stream", "StreamResult"]

REASONS = ("ok", "gap", "flat", "clipped", "off_wrist", "out_of_range", "warming_up", "low_confidence")
INTERVAL = 1.6449  # standard deviations to each side of a normal distribution that hold 90 %


class StreamResult(NamedTuple):
    """One window. A list of these is a table: ``pandas.DataFrame(results)``.

    Attributes
    ----------
    t_start, t_end : s, of the window: sample number / sampling_rate, or the clock of the time stamps.
    sample : number of the first sample after the window.
    hr_bpm, hr_std : heart rate and its standard deviation, bpm; NaN where the model or the window gives none.
    af_probability : of atrial fibrillation, likewise.
    quality : 0 to 1, how much the window repeats from beat to beat.
    valid : whether ``reason`` is "ok".
    reason : one of `REASONS`; docs/streaming.md says what each means. All but "low_confidence" and "ok" come
        without a number.
    """

    t_start: float
    t_end: float
    sample: int
    hr_bpm: float
    hr_std: float
    af_probability: float
    quality: float
    valid: bool
    reason: str
