"""What the electronics make of the blood volume and the motion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .parameters import Sensor
from .streams import Array, Stream, filtered, slope

GAIN_RANGE = 8.0
SLOW_LIGHT = slope(0.02, 2.0, 2.0)  # spectrum of stray light on a sensor without skin under it
STRAY = 2.0  # its standard deviation, in units of Pulse.amplitude


@dataclass(frozen=True)
class Reading:
    """Samples in units of Pulse.amplitude."""

    signal: Array  # (n,) what the device reports
    clean: Array  # (n,) what it would report without motion, noise, clipping and losses
    gain: Array  # (n,) signed gain, the same for both
    lost: NDArray[np.bool_]  # (n,) in a gap or off the wrist


def instants(n: int, rate: float, sensor: Sensor, seed: int) -> Array:
    """The times (s) at which the n samples are really taken."""
    jitter = np.clip(sensor.jitter * Stream(seed, "clock").normal(n), -0.45 / rate, 0.45 / rate)
    return np.arange(n) / rate + jitter


def read(times: Array, rate: float, volume: Array, artefact: Array, sensor: Sensor, seed: int) -> Reading:
    """Blood volume and artefact at `times`, through coupling, gain, noise, conversion and losses."""
    end = len(times) / rate

    def analogue(f: Array) -> NDArray[np.complex128]:
        high = 1.0 / (1.0 - 1j * sensor.high_pass / np.maximum(f, 1e-9))
        return np.asarray(high * smoothing(f), dtype=np.complex128)

    def smoothing(f: Array) -> NDArray[np.complex128]:
        ratio = f / sensor.low_pass  # Butterworth
        return np.asarray(1.0 / (1.0 - ratio**2 + 1j * np.sqrt(2.0) * ratio), dtype=np.complex128)

    gain = _gain(times, end, sensor, seed)
    clean = gain * filtered(volume, rate, analogue)
    light = clean + gain * filtered(artefact, rate, analogue)
    off = _spells(times, end, sensor.off_wrist, sensor.off_wrist_length, Stream(seed, "off"))
    if off.any():
        stray = Stream(seed, "stray").noise(len(times), rate, SLOW_LIGHT)
        light = np.where(off, gain * STRAY * stray, light)
    noise = filtered(sensor.noise * Stream(seed, "sensor").normal(len(times)), rate, smoothing)
    signal = convert(light + noise, sensor)
    gap = _spells(times, end, sensor.gaps, sensor.gap_length, Stream(seed, "gaps"))
    gap[0] = False
    last = np.maximum.accumulate(np.where(gap, 0, np.arange(len(times))))
    return Reading(signal[last], clean, gain, off | gap)


def convert(x: Array, sensor: Sensor) -> Array:
    """Clip to the full scale and round to the converter's steps."""
    step = resolution(sensor)
    half = 2 ** (sensor.bits - 1)
    return np.clip(np.round(x / step), -half, half - 1) * step


def resolution(sensor: Sensor) -> float:
    """The converter's step, in units of Pulse.amplitude."""
    return float(sensor.full_scale) / float(2**sensor.bits)


def sample_acceleration(
    duration: float, grid: Array, acceleration: Array, sensor: Sensor, seed: int
) -> NDArray[np.float32]:
    """The accelerometer's samples at acc_rate, (n, 3) g."""
    n = round(duration * sensor.acc_rate)
    times = np.arange(n) / sensor.acc_rate
    noise = Stream(seed, "accelerometer").normal(3 * n).reshape(n, 3)
    axes = np.stack([np.interp(times, grid, acceleration[:, k]) for k in range(3)], axis=1)
    return (axes + sensor.acc_noise * noise).astype(np.float32)


def _gain(times: Array, end: float, sensor: Sensor, seed: int) -> Array:
    """Signed gain at each sample: steps up and down, flips of sign."""
    stream = Stream(seed, "gain")
    at = stream.events(sensor.gain_steps / 3600.0, 0.0, end)
    levels = [1.0]
    for up in stream.uniform(len(at)) < 0.5:
        factor = sensor.gain_ratio if up else 1.0 / sensor.gain_ratio
        inside = 1.0 / GAIN_RANGE <= levels[-1] * factor <= GAIN_RANGE
        levels.append(levels[-1] * factor if inside else levels[-1] / factor)
    flips = Stream(seed, "polarity").events(sensor.polarity_flips / 3600.0, 0.0, end)
    sign = np.where(np.searchsorted(flips, times, side="right") % 2, -sensor.polarity, sensor.polarity)
    return sign * np.array(levels, dtype=np.float64)[np.searchsorted(at, times, side="right")]


def _spells(times: Array, end: float, per_hour: float, length: float, stream: Stream) -> NDArray[np.bool_]:
    """Which samples lie in one of the spells that begin at random."""
    starts = stream.events(per_hour / 3600.0, 0.0, end)
    stops = starts + length * stream.exponential(len(starts))
    return np.searchsorted(starts, times, side="right") > np.searchsorted(np.sort(stops), times, side="right")
