"""Plausible people: parameter sets drawn so that a model trained on many of them meets variety."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .checks import Trajectory, check_number, segments
from .parameters import RHYTHMS, Motion, Pulse, Respiration, Rhythm, Sensor
from .record import Simulation, ppg_simulate
from .streams import Array, Stream, slope

SETTINGS = ("daily", "treadmill", "bed")
RESPONSE = 57.0  # s, time constant of heart rate at the start and the end of exercise (Hunt et al. 2015)
KNOT = 5.0  # s between the knots of a drawn heart rate
BREATHS_PER_BEAT = 0.16  # rise of breaths/min per bpm above rest: 15 at 65 bpm, 31 at 165
LOWEST, HIGHEST = 40.0, 190.0  # bpm


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One person on one occasion: all that `ppg_simulate` wants to know, and age (years) and setting."""

    age: float
    setting: str
    heart_rate: Trajectory
    rhythm: Rhythm
    pulse: Pulse
    respiration: Respiration
    motion: Motion
    sensor: Sensor

    def simulate(self, *, duration: float, sampling_rate: float, seed: int) -> Simulation:
        """A recording of `duration` s at `sampling_rate` Hz; another seed is another occasion."""
        return ppg_simulate(
            duration=duration,
            sampling_rate=sampling_rate,
            seed=seed,
            heart_rate=self.heart_rate,
            rhythm=self.rhythm,
            pulse=self.pulse,
            respiration=self.respiration,
            motion=self.motion,
            sensor=self.sensor,
        )


def random_subject(
    seed: int, *, duration: float, setting: str = "daily", rhythm: str | None = None
) -> Subject:
    """Draw a person whose activity and heart rate fill `duration` s.

    Parameters
    ----------
    seed : whole number of 0 or more.
    duration : s, 1 to 1e6.
    setting : "daily" (wrist; rest, gestures, walking, some running), "treadmill" (wrist; runs between rests)
        or "bed" (finger probe on a patient; rest, some gestures).
    rhythm : one of RHYTHMS; None draws one, sinus rhythm most often.
    """
    check_number("duration", duration, 1.0, 1e6, "s")
    if setting not in SETTINGS:
        raise ValueError(f"setting is {setting!r}, expected one of {', '.join(SETTINGS)}")
    if rhythm is not None and rhythm not in RHYTHMS:
        raise ValueError(f"rhythm is {rhythm!r}, expected one of {', '.join(RHYTHMS)}")
    draw = _Draw(Stream(seed, "subject"))
    age = _age(draw, setting)
    usual = (0.94, 0.0, 0.03, 0.03, 0.0) if setting == "treadmill" else (0.55, 0.2, 0.1, 0.1, 0.05)
    kind = rhythm if rhythm is not None else draw.pick(RHYTHMS, usual)
    motion = _motion(draw, setting, duration)
    heart_rate = _heart_rate(draw, setting, age, motion, duration)
    resting = heart_rate[1][0]
    breath = draw.normal(15.0, 3.0, 8.0, 28.0)
    breaths = tuple(
        float(np.clip(breath + BREATHS_PER_BEAT * (hr - resting), 6.0, 55.0)) for hr in heart_rate[1]
    )
    return Subject(
        age=age,
        setting=setting,
        heart_rate=heart_rate,
        rhythm=_rhythm(draw, kind, age, setting),
        pulse=_pulse(draw, age, resting, setting),
        respiration=Respiration(
            rate=(heart_rate[0], breaths),
            variability=draw.between(0.03, 0.2),
            inspiration=draw.between(0.3, 0.5),
            baseline=draw.log_between(0.005, 0.1) if setting == "bed" else draw.log_between(0.01, 0.2),
            amplitude=draw.log_between(0.01, 0.08),
        ),
        motion=motion,
        sensor=_sensor(draw, setting),
    )


class _Draw:
    """Single random values from a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * float(self._stream.uniform(1)[0])

    def log_between(self, low: float, high: float) -> float:
        return float(np.exp(self.between(float(np.log(low)), float(np.log(high)))))

    def normal(self, mean: float, deviation: float, low: float, high: float) -> float:
        return float(np.clip(mean + deviation * self._stream.normal(1)[0], low, high))

    def chance(self, probability: float) -> bool:
        return self.between(0.0, 1.0) < probability

    def walk(self, n: int) -> Array:
        """n knots of slow wandering with unit variance."""
        return self._stream.noise(n, 1.0 / KNOT, slope(0.0, 0.05, 1.0))

    def pick(self, options: Sequence[str], weights: Sequence[float]) -> str:
        place = self.between(0.0, float(sum(weights)))
        return options[min(int(np.searchsorted(np.cumsum(weights), place, side="right")), len(options) - 1)]


def _age(draw: _Draw, setting: str) -> float:
    if setting == "bed":
        return draw.normal(66.0, 15.0, 20.0, 90.0)
    return draw.between(20.0, 60.0 if setting == "treadmill" else 90.0)


def _motion(draw: _Draw, setting: str, duration: float) -> Motion:
    parts: list[tuple[float, str]] = []
    at = 0.0
    while at < duration:
        name, length = _next_activity(draw, setting, at, parts[-1][1] if parts else "")
        if not parts or parts[-1][1] != name:
            parts.append((at, name))
        at += length
    finger = setting == "bed"
    return Motion(
        activity=tuple(parts),
        walk_cadence=draw.normal(114.0, 8.0, 85.0, 140.0),
        run_cadence=draw.normal(162.0, 8.0, 140.0, 190.0),
        cadence_cv=draw.log_between(0.005, 0.04),
        cadence_lock=draw.between(0.3, 1.0) if draw.chance(0.25) else 0.0,
        intensity=draw.log_between(0.6, 1.6),
        artefact=draw.log_between(4.0, 80.0) if finger else draw.log_between(0.17, 2.4),
        saturation=draw.log_between(1.5, 8.0),
        asymmetry=draw.between(0.0, 0.6),
        tissue_frequency=draw.log_between(1.5, 5.0),
        tissue_damping=draw.log_between(0.3, 1.0),
        coupling_time=draw.log_between(5.0, 100.0),
        slips=draw.log_between(0.3, 6.0),
    )


def _next_activity(draw: _Draw, setting: str, at: float, before: str) -> tuple[str, float]:
    """What comes next and for how long (s)."""
    if setting == "treadmill":  # rest, then runs, with the rests that athletes take between them
        still = "gestures" if draw.chance(0.7) else "rest"
        if at == 0.0:
            return still, draw.between(20.0, 40.0)
        return (still, draw.between(15.0, 60.0)) if before == "run" else ("run", draw.between(120.0, 300.0))
    if setting == "bed":
        return (
            ("gestures", draw.between(5.0, 60.0)) if draw.chance(0.5) else ("rest", draw.between(20.0, 120.0))
        )
    name = draw.pick(("rest", "gestures", "walk", "run"), (0.35, 0.35, 0.22, 0.08))
    return name, draw.between(60.0, 300.0)


def _heart_rate(
    draw: _Draw, setting: str, age: float, motion: Motion, duration: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots of a heart rate that follows the activity with a lag and wanders a little."""
    resting = (
        draw.normal(90.0, 26.0, LOWEST, 170.0) if setting == "bed" else draw.normal(70.0, 11.0, 45.0, 100.0)
    )
    if setting == "treadmill":
        resting = draw.normal(85.0, 12.0, 60.0, 115.0)  # standing, expecting to run
    reserve = max(min(208.0 - 0.7 * age, HIGHEST) - resting, 20.0)  # maximum: Tanaka et al. 2001
    effort = {
        "rest": 0.0,
        "gestures": draw.between(0.0, 0.1),
        "walk": draw.between(0.15, 0.4),
        "run": draw.between(0.6, 0.95),
    }
    n = int(np.ceil(duration / KNOT)) + 1
    times = np.arange(n) * KNOT
    target = np.full(n, resting)
    for start, end, name in segments(motion.activity, duration + KNOT):
        target[(times >= start) & (times < end)] = resting + reserve * effort[name]
    wander = draw.between(1.0, 4.0) * draw.walk(n)
    lag = 1.0 - float(np.exp(-KNOT / (RESPONSE * draw.between(0.6, 1.3))))
    values = np.empty(n)
    level = float(target[0])
    for i in range(n):
        level += lag * (float(target[i]) - level)
        values[i] = level
    values = np.clip(values + wander, LOWEST, HIGHEST)
    return tuple(times.tolist()), tuple(values.tolist())


def _rhythm(draw: _Draw, kind: str, age: float, setting: str) -> Rhythm:
    young = 0.06 * float(np.exp(-(age - 20.0) / 60.0))  # SDNN at rest falls with age (Umetani et al. 1998)
    factor = draw.log_between(0.2, 2.0) if setting == "bed" else draw.log_between(0.5, 1.6)
    return Rhythm(
        kind=kind,
        sdnn=min(young * factor, 0.15),
        fractal=draw.between(0.2, 0.7),
        lf_hf=draw.log_between(0.1, 3.0),
        lf_frequency=draw.between(0.08, 0.12),
        ectopy=draw.log_between(0.04, 0.4),
        coupling=draw.between(0.5, 0.85),
        ectopic_stroke=draw.between(0.3, 1.0),
        af_cv=draw.normal(0.23, 0.06, 0.1, 0.42),
        refractory=draw.between(0.22, 0.3),
    )


def _pulse(draw: _Draw, age: float, resting: float, setting: str) -> Pulse:
    # Vessels are older or younger than their owner, and wide open where the heart is fast at rest.
    vessels = age + draw.normal(0.0, 18.0, -40.0, 40.0) - 0.6 * (resting - 70.0)
    typical = Pulse.at_age(float(np.clip(vessels, 20.0, 90.0)))
    varied = {
        name: getattr(typical, name) * draw.log_between(1.0 / spread, spread)
        for name, spread in (
            ("systolic_time", 1.15),
            ("systolic_width", 1.2),
            ("reflected", 1.4),
            ("reflected_time", 1.1),
            ("reflected_width", 1.2),
            ("runoff", 1.5),
            ("runoff_time", 1.15),
            ("runoff_width", 1.15),
        )
    }
    finger = setting == "bed"
    return Pulse(
        **varied,
        ejection=draw.normal(0.31, 0.02, 0.25, 0.37),
        transit=draw.between(0.15, 0.3),
        transit_jitter=draw.log_between(0.003, 0.015),
        filling=draw.log_between(0.18, 0.55),
        deficit=draw.between(0.34, 0.5),
        amplitude_cv=draw.log_between(0.005, 0.04),
        vasomotion=draw.log_between(0.05, 0.25),
        wander=draw.log_between(0.005, 0.12) if finger else draw.log_between(0.1, 0.8),
    )


def _sensor(draw: _Draw, setting: str) -> Sensor:
    finger = setting == "bed"
    return Sensor(
        high_pass=draw.log_between(0.05, 0.4) if finger else draw.log_between(0.03, 0.3),
        low_pass=draw.log_between(6.0, 25.0) if finger else draw.log_between(5.0, 15.0),
        noise=draw.log_between(0.001, 0.02) if finger else draw.log_between(0.002, 0.06),
        bits=int(draw.between(10.0, 19.0)),
        full_scale=draw.log_between(3.0, 30.0) if finger else draw.log_between(10.0, 100.0),
        polarity=1,
        gain_steps=draw.between(2.0, 20.0) if draw.chance(0.2) else 0.0,
        gain_ratio=draw.between(1.3, 2.5),
        jitter=draw.log_between(0.0002, 0.002) if draw.chance(0.3) else 0.0,
        gaps=draw.log_between(2.0, 30.0) if draw.chance(0.15) else 0.0,
        gap_length=draw.log_between(0.2, 3.0),
        off_wrist=draw.between(1.0, 6.0) if draw.chance(0.1) else 0.0,
        off_wrist_length=draw.between(5.0, 60.0),
        acc_rate=32.0,
    )
