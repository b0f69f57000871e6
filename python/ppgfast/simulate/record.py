"""One simulated recording and its truth."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from . import motion as _motion
from . import pulse as _pulse
from . import rhythm as _rhythm
from . import sensor as _sensor
from .checks import Schedule, Trajectory, check_number, check_trajectory
from .parameters import ACTIVITIES, Motion, Pulse, Respiration, Rhythm, Sensor

HEART_RATE = (20.0, 240.0)  # bpm that can be asked for
NOISE_SIGMAS = 6.0  # a deviation beyond this many standard deviations of noise is no noise
HARMLESS = 0.02  # and one below this share of the pulse is no artefact

_G = TypeVar("_G")


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated recording: n samples, m beats.

    Attributes
    ----------
    signal : (n,) float32, what the device reports, a.u.
    clean : (n,) float32, what the same sensor would report without motion, noise, clipping and losses, a.u.
    time : (n,) float64, the instants at which the samples were really taken, s.
    sampling_rate : nominal rate, Hz.
    artefact : (n,) bool, True where `|signal - clean|` exceeds `tolerance` and wherever `lost` is True.
    tolerance : the deviation that noise, rounding and 2 % of a pulse explain, a.u.
    lost : (n,) bool, True in gaps and off the wrist.
    gain : (n,) float32, signed gain of both signals.
    respiration : (n,) float32, unit variance, positive when the lungs are full.
    acc : (n_acc, 3) float32, acceleration with gravity, g.
    acc_rate : Hz.
    beat_times : (m,) float64, R waves in [0, duration), s.
    rr_intervals : (m,) float64, the interval that ends with each beat, s.
    beats : (m,) str, "sinus", "af", "pvc" or "pac".
    pulse_times : (m,) float64, feet of the pulses, s.
    pulse_heights : (m,) float64, strength of each pulse relative to the mean beat's; 0 is a pulse deficit.
    duration : s.
    """

    signal: NDArray[np.float32]
    clean: NDArray[np.float32]
    time: NDArray[np.float64]
    sampling_rate: float
    artefact: NDArray[np.bool_]
    tolerance: float
    lost: NDArray[np.bool_]
    gain: NDArray[np.float32]
    respiration: NDArray[np.float32]
    acc: NDArray[np.float32]
    acc_rate: float
    beat_times: NDArray[np.float64]
    rr_intervals: NDArray[np.float64]
    beats: NDArray[np.str_]
    pulse_times: NDArray[np.float64]
    pulse_heights: NDArray[np.float64]
    duration: float
    motion: Motion

    def windows(self, window: float, hop: float) -> NDArray[np.float64]:
        """Start times (s) of the windows of `window` s every `hop` s that lie in the record."""
        check_number("window", window, 1.0 / self.sampling_rate, self.duration, "s")
        check_number("hop", hop, 1.0 / self.sampling_rate, float("inf"), "s")
        n = int((self.duration - window) / hop + 1e-9) + 1
        return np.arange(n) * np.float64(hop)

    def hr(self, window: float, hop: float) -> NDArray[np.float64]:
        """Heart rate (bpm) of each window, 60 over the mean RR between its beats; NaN with fewer than two."""
        first, last = self._beats_in(window, hop)
        rates = np.full(len(first), np.nan)
        two = last > first
        spans = self.beat_times[last[two]] - self.beat_times[first[two]]
        rates[two] = 60.0 * (last[two] - first[two]) / spans
        return rates

    def af(self, window: float, hop: float) -> NDArray[np.float64]:
        """Share of each window's beats that are atrial fibrillation; NaN without a beat."""
        first, last = self._beats_in(window, hop)
        total = np.concatenate([[0], np.cumsum(self.beats == "af")])
        n = last + 1 - first
        share: NDArray[np.float64] = (total[last + 1] - total[first]) / np.maximum(n, 1)
        share[n == 0] = np.nan
        return share

    def quality(self, window: float, hop: float) -> NDArray[np.float64]:
        """Share of each window's samples without artefact."""
        starts = self.windows(window, hop)
        first = np.round(starts * self.sampling_rate).astype(np.int64)
        last = np.minimum(first + round(window * self.sampling_rate), len(self.signal))
        total = np.concatenate([[0], np.cumsum(~self.artefact)])
        share: NDArray[np.float64] = (total[last] - total[first]) / np.maximum(last - first, 1)
        return share

    def activity(self, window: float, hop: float) -> NDArray[np.str_]:
        """What the arm does in the middle of each window."""
        middle = self.windows(window, hop) + window / 2.0
        return np.asarray(ACTIVITIES)[_motion.activity_at(middle, self.motion)]

    def _beats_in(self, window: float, hop: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Index of the first and the last beat of each window (last < first when there is none)."""
        starts = self.windows(window, hop)
        first = np.searchsorted(self.beat_times, starts, side="left")
        last = np.searchsorted(self.beat_times, starts + window, side="left") - 1
        return first, last


def ppg_simulate(
    *,
    duration: float,
    sampling_rate: float,
    seed: int,
    heart_rate: Trajectory = 70.0,
    rhythm: Schedule | Rhythm = "sinus",
    pulse: Pulse | None = None,
    respiration: Respiration | None = None,
    motion: Schedule | Motion = "rest",
    sensor: Sensor | None = None,
) -> Simulation:
    """Simulate a PPG with its accelerometer and its exact truth.

    Parameters
    ----------
    duration : 1 to 1e6 s.
    sampling_rate : 10 to 2000 Hz. It changes nothing but the sampling: beats, breathing and motion stay.
    seed : whole number of 0 or more; the same seed gives the same samples on every platform.
    heart_rate : mean heart rate, 20 to 240 bpm, a number or (times in s, values).
    rhythm : a rhythm ("sinus", "af", "pvc", "pac", "bigeminy"), a schedule of them, or a `Rhythm`.
    pulse, respiration, sensor : parameter groups; None takes their defaults.
    motion : an activity ("rest", "gestures", "walk", "run"), a schedule of them, or a `Motion`.

    Raises
    ------
    TypeError, ValueError
        that name a value outside its range, and the range.
    """
    check_number("duration", duration, 1.0, 1e6, "s")
    check_number("sampling_rate", sampling_rate, 10.0, 2000.0, "Hz")
    check_trajectory("heart_rate", heart_rate, *HEART_RATE, "bpm")
    heart = _group("rhythm", Rhythm, Rhythm(kind=rhythm) if isinstance(rhythm, (str, tuple)) else rhythm)
    arm = _group("motion", Motion, Motion(activity=motion) if isinstance(motion, (str, tuple)) else motion)
    wave = _group("pulse", Pulse, pulse or Pulse())
    breath = _group("respiration", Respiration, respiration or Respiration())
    device = _group("sensor", Sensor, sensor or Sensor())

    course = _rhythm.course(duration, heart_rate, heart, breath, seed)
    beats = _rhythm.beats(course, heart, seed)
    onsets = _pulse.feet(beats, course, wave, seed)
    heights = _pulse.strokes(beats, course, heart, wave, breath, seed)
    moved = _motion.movement(duration, arm, course, seed)
    times = _sensor.instants(round(duration * sampling_rate), sampling_rate, device, seed)
    volume = _pulse.blood_volume(times, beats, onsets, heights, course, wave, breath, seed)
    added = np.interp(times, moved.times, moved.artefact)
    reading = _sensor.read(times, sampling_rate, volume, added, device, seed)
    inside = (beats.times >= 0.0) & (beats.times < duration)
    return Simulation(
        **_signals(reading, device, float(wave.amplitude)),
        time=times,
        sampling_rate=float(sampling_rate),
        respiration=np.interp(times, course.times, course.respiration).astype(np.float32),
        acc=_sensor.sample_acceleration(duration, moved.times, moved.acceleration, device, seed),
        acc_rate=float(device.acc_rate),
        beat_times=beats.times[inside],
        rr_intervals=beats.rr[inside],
        beats=np.asarray(_rhythm.BEATS)[beats.kinds[inside]],
        pulse_times=onsets[inside],
        pulse_heights=heights[inside],
        duration=float(duration),
        motion=arm,
    )


def _signals(reading: _sensor.Reading, sensor: Sensor, scale: float) -> dict[str, Any]:
    """The fields of `Simulation` that the sensor decides, in a.u."""
    signal, clean = (scale * reading.signal).astype(np.float32), (scale * reading.clean).astype(np.float32)
    tolerance = scale * (NOISE_SIGMAS * sensor.noise + _sensor.resolution(sensor) + HARMLESS)
    far = np.abs(signal.astype(np.float64) - clean) > tolerance
    return {
        "signal": signal,
        "clean": clean,
        "artefact": far | reading.lost,
        "tolerance": tolerance,
        "lost": reading.lost,
        "gain": reading.gain.astype(np.float32),
    }


def _group(name: str, kind: type[_G], value: object) -> _G:
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {value!r}, expected a {kind.__name__}")
    return value
