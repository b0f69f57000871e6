"""Random numbers that are the same on every platform and in every numpy release.

numpy fixes the words of a bit generator for ever but not the algorithms of `Generator`, so everything here
is made from raw PCG64 words. Each part of the simulation draws from a stream of its own: changing the
sampling rate or the sensor noise leaves the beats where they were.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PARTS = (
    "rhythm",
    "beats",
    "respiration",
    "pulse",
    "transit",
    "wander",
    "motion",
    "artefact",
    "clock",
    "sensor",
    "gain",
    "polarity",
    "off",
    "stray",
    "gaps",
    "accelerometer",
    "subject",
)
NOISE_SECONDS = (
    256.0  # shortest period over which noise is synthesised, so that slow noise exists in short records
)


class Stream:
    """The random numbers of one part of a simulation."""

    def __init__(self, seed: int, part: str) -> None:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seed is {seed!r}, expected an integer of 0 or more")
        self._bits = np.random.PCG64(np.random.SeedSequence((int(seed), PARTS.index(part))))

    def uniform(self, n: int) -> Array:
        """n numbers in [0, 1), multiples of 2**-53."""
        words = self._bits.random_raw(n) >> np.uint64(11)
        return np.asarray(words, dtype=np.float64) * 2.0**-53

    def normal(self, n: int) -> Array:
        """n standard normal numbers (Box-Muller)."""
        half = (n + 1) // 2
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(half)))
        angle = 2.0 * np.pi * self.uniform(half)
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n]

    def exponential(self, n: int) -> Array:
        """n exponential numbers of mean 1."""
        return -np.log1p(-self.uniform(n))

    def events(self, per_second: float, start: float, end: float) -> Array:
        """Times of a Poisson process in [start, end), ascending."""
        expected = per_second * (end - start)
        if expected <= 0.0:
            return np.empty(0)
        n = int(expected + 8.0 * np.sqrt(expected) + 16.0)
        count = np.cumsum(self.exponential(n))
        return start + count[count < expected] / per_second

    def noise(self, n: int, rate: float, density: Callable[[Array], Array]) -> Array:
        """n samples at `rate` Hz of Gaussian noise with power density proportional to density(f), variance 1.

        density is evaluated at frequencies above zero, in Hz. The variance is 1 over a long record; a record
        shorter than the noise's own periods shows less.
        """
        size = fast_length(max(n, int(NOISE_SECONDS * rate)))
        frequency = np.arange(1, size // 2) * np.float64(rate / size)
        power = density(frequency)
        amplitude = np.sqrt(power / max(float(np.sum(power)), 1e-300))
        spectrum = np.zeros(size // 2 + 1, dtype=np.complex128)
        spectrum[1:-1] = amplitude * (self.normal(len(frequency)) + 1j * self.normal(len(frequency)))
        return np.fft.irfft(spectrum, size)[:n] * (size / 2.0)


def fast_length(n: int) -> int:
    """The smallest power of two, or three quarters of one, that is at least n: quick to transform."""
    power = 1 << max(n - 1, 3).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= n else power


def bump(centre: float, width: float) -> Callable[[Array], Array]:
    """A Gaussian spectral density around `centre` Hz with standard deviation `width` Hz."""
    return lambda f: np.exp(-0.5 * ((f - centre) / width) ** 2)


def slope(low: float, high: float, exponent: float) -> Callable[[Array], Array]:
    """A spectral density f**-exponent between `low` and `high` Hz, zero outside."""
    return lambda f: np.where((f >= low) & (f <= high), f**-exponent, 0.0)


def filtered(x: Array, rate: float, response: Callable[[Array], NDArray[np.complex128]]) -> Array:
    """x, sampled at `rate` Hz, through the analogue filter whose transfer function is response(f in Hz).

    The record is continued on both sides, turned about its first and last sample, so the ends hardly ring.
    """
    n = len(x)
    pad = min(n - 1, int(30.0 * rate))
    size = fast_length(n + 2 * pad)
    level = float(np.mean(x))
    gain = response(np.arange(size // 2 + 1) * np.float64(rate / size))
    longer = np.pad(x, pad, mode="reflect", reflect_type="odd") if pad else x
    spectrum = np.fft.rfft(longer - level, size) * gain
    return np.fft.irfft(spectrum, size)[pad : pad + n] + level * float(gain[0].real)
