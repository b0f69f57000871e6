"""Signals that are not what they are said to be: found, named, and said how to mend.

What a pulse looks like at rest and in motion was taken from recordings; docs/verbs.md tells how often the
guard is wrong on them and how much it misses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ppgfast import _core

from .features import repetition, shape
from .signal import (
    REASONS,
    Array,
    Bools,
    Floats,
    Motion,
    Signal,
    Singles,
    acceleration_of,
    filtered,
    signal_of,
)


class Finding(NamedTuple):
    """One thing that was noticed.

    kind : one of KINDS. message : what was found, what was expected, how to mend it. t_start, t_end : s, of
    the stretch concerned. warns : whether the whole recording is in doubt, which raises a `SignalWarning`
    too.
    """

    kind: str
    message: str
    t_start: float
    t_end: float
    warns: bool


KINDS = (
    "bpm_series",
    "sampling_rate",
    "time_scale",
    "inverted",
    "clipped",
    "off_wrist",
    "acc_units",
    "acc_duration",
    "too_short",
)

RATE, BAND, LOOK = 80.0, (0.5, 8.0, 2), 640  # Hz, Hz and order, samples of a window
MOST = 1024  # windows looked at, spread over the recording
PART = 1 << 19  # samples looked at under other rates, at which they may be many more
PULSE = 0.6  # autocorrelation of a window that shows a pulse
FEW = 3  # windows with a pulse, to say anything of it
UPSTROKE = (0.105, 0.36)  # s that a pulse can rise
TOLERANCE = 0.02  # share by which two statements of the rate may differ
SEARCHED = (20.0, 600.0)  # bpm, wider than a heart beats
FASTEST = 230.0  # bpm of any heart
BPM = (20.0, 260.0)
BLOCK = 2.0  # s
CHUNK = 1024  # windows at a time
ABSENT = 0.03  # share of the usual strength that is none
ABSENT_FOR = 6.0  # s of it that are worth a word
STILL = 1 + REASONS.index("flat")  # the code of a sample that stands still
LOST = 1 + REASONS.index("gap")  # and of one that is missing
SEEN = 0.75  # share of a stretch that must be there to say anything of it


class _Look(NamedTuple):
    """What the windows with a pulse have in common; NaN without any."""

    windows: int
    pulse: float  # share of the windows that show one
    heart_rate: float  # bpm
    upstroke: float  # s
    skewness: float  # of the slope: above 0, it rises faster than it falls
    falls_faster: float  # share of the windows in which it does


def ppg_check(
    ppg: Any,
    *,
    sampling_rate: float | None = None,
    timestamps: Any = None,
    acc: Any = None,
    acc_rate: float | None = None,
    acc_start: float = 0.0,
    channel: int | str | None = None,
    clip: tuple[float, float] | None = None,
    worn: tuple[float, float] | None = None,
    polarity: str = "upright",
) -> list[Finding]:
    """What is probably wrong with a signal, or with what is said of it; the other verbs ask this too.

    Parameters and errors as for `ppg_rate`. Returns a list of `Finding`, empty where nothing was noticed; a
    wrong sampling rate is found where the pulse shows it, which docs/verbs.md tells more of.
    """
    signal = signal_of(
        ppg,
        sampling_rate=sampling_rate,
        timestamps=timestamps,
        channel=channel,
        clip=clip,
        worn=worn,
        polarity=polarity,
    )
    motion = Motion(acc, acc_rate, acc_start)
    found = examine(signal)
    if motion.given:
        found += examine_acceleration(*acceleration_of(**vars(motion), signal=signal), signal, LOOK / RATE)
    if signal.duration < LOOK / RATE and not any(finding.kind == "bpm_series" for finding in found):
        found.append(too_short(signal, LOOK / RATE))
    return found


def examine(signal: Signal) -> list[Finding]:
    """All findings of a signal."""
    end = signal.start + signal.duration
    found = []

    def whole(kind: str, message: str) -> None:
        found.append(Finding(kind, message, signal.start, end, True))

    if signal.stated_rate is not None and abs(signal.stated_rate / signal.rate - 1.0) > TOLERANCE:
        whole(
            "sampling_rate",
            f"sampling_rate is {signal.stated_rate:g} Hz, and the timestamps run at {signal.rate:.4g} Hz, "
            "which are followed: correct the one that is wrong",
        )
    if (dead := _dead(signal)) is not None:
        whole("off_wrist", dead)
        return found
    seen = _look(signal.values, signal.bad, signal.rate)
    if seen.pulse < 0.3 and _is_bpm(signal):
        whole(
            "bpm_series",
            f"the samples are {np.median(signal.raw[np.isfinite(signal.raw)]):.0f} or so and do not pulsate: "
            "this looks like a series of heart rates in bpm, expected the PPG itself; no model is needed for "
            "such a series",
        )
        return found
    if (better := _other_rate(signal.values, signal.bad, signal.rate, seen)) is not None:
        whole(
            "sampling_rate",
            f"at {signal.rate:g} Hz hardly a window shows a pulse, at about {better:.3g} Hz most would: "
            "check sampling_rate",
        )
        return found
    shows = seen.windows >= FEW and seen.pulse >= 0.3
    if shows and seen.heart_rate > FASTEST:
        whole(
            "sampling_rate",
            f"at {signal.rate:g} Hz the pulse would be {seen.heart_rate:.0f} bpm, expected at most "
            f"{FASTEST:g} bpm: check sampling_rate",
        )
    elif shows and not UPSTROKE[0] <= seen.upstroke <= UPSTROKE[1]:
        what = "fast" if seen.upstroke < UPSTROKE[0] else "slow"
        whole(
            "time_scale",
            f"the pulse rises within {seen.upstroke:.3f} s, expected {UPSTROKE[0]:g} to {UPSTROKE[1]:g} s: "
            f"time runs too {what}, check sampling_rate, and that no window was stretched to a length",
        )
    if shows and seen.skewness < -0.2 and seen.falls_faster > 0.75:
        whole(
            "inverted",
            "the pulse falls faster than it rises, expected the opposite: the signal seems to be upside "
            "down; pass the other polarity, 'upright' or 'inverted', or 'auto' to have it found out",
        )
    return found + _clipped(signal) + _absent(signal)


def too_short(signal: Signal, window: float) -> Finding:
    """There is no window of `window` s in the recording."""
    message = (
        f"the recording lasts {signal.duration:.4g} s, and a window {window:g} s: there is no row; pass a "
        "longer recording"
    )
    return Finding("too_short", message, signal.start, signal.start + signal.duration, True)


def examine_acceleration(acc: Floats, rate: float, signal: Signal, window: float) -> list[Finding]:
    """Whether (k, 3) at `rate` Hz can be in g, gravity alone being 1, and lasts as long as the PPG, to within
    `window` s."""
    found = []
    lasts = len(acc) / rate
    if abs(lasts - signal.duration) > window:
        message = (
            f"the accelerometer lasts {lasts:.4g} s, and the PPG {signal.duration:.4g} s, expected the same: "
            f"check acc_rate={rate:g}, and that both begin and end together; windows without it are a gap"
        )
        first, last = sorted((signal.start + lasts, signal.start + signal.duration))
        found.append(Finding("acc_duration", message, first, last, True))
    norm = np.sqrt((acc * acc).sum(axis=1))
    norm = norm[np.isfinite(norm)]
    usual = float(np.median(norm)) if len(norm) else 1.0
    if 0.3 <= usual <= 3.0:
        return found
    message = (
        f"the accelerometer's median is {usual:.3g}, expected about 1 g: divide m/s2 by 9.81, mg by 1000"
    )
    return [*found, Finding("acc_units", message, 0.0, 0.0, True)]


def _dead(signal: Signal) -> str | None:
    """What to say of a recording without any movement at all; a short one has no room for a pulse."""
    if signal.duration < ABSENT_FOR:
        return None
    x = signal.raw[np.isfinite(signal.raw)]
    if not len(x):
        return "every sample is missing, expected a pulse: check which column was read"
    if x.min() < x.max():
        return None
    return (
        f"every sample is {x[0]:g}, expected a pulse: the sensor seems not to be worn, or this is not the "
        "column of the PPG"
    )


def _look(values: Array, bad: Array, rate: float) -> _Look:
    """Of windows at `rate` Hz without a bad sample, evenly over the recording."""
    x = _core.band_pass(_core.resample(values, rate, RATE), RATE, *BAND)
    n = len(x) // LOOK
    whole = np.flatnonzero(_marked(bad != 0, rate, n, LOOK / RATE) == 0)
    whole = whole[:: -(-len(whole) // MOST)] if len(whole) > MOST else whole
    x = x[: n * LOOK].reshape(n, LOOK)[whole]
    x = x - x.mean(axis=1, keepdims=True)
    deviation = x.std(axis=1, keepdims=True)
    x = (x / np.maximum(deviation, 1e-30))[deviation[:, 0] > 0]
    if not len(x):
        return _Look(0, 0.0, np.nan, np.nan, np.nan, np.nan)
    height, rates = repetition(x, RATE, *SEARCHED)
    pulse = height > PULSE
    if not pulse.any():
        return _Look(0, 0.0, np.nan, np.nan, np.nan, np.nan)
    slope = shape(x[pulse])[:, 1]
    heart_rate = rates[pulse]
    return _Look(
        int(pulse.sum()),
        float(pulse.mean()),
        float(np.median(heart_rate)),
        _upstroke(x[pulse] if np.median(slope) >= 0 else -x[pulse]),
        float(np.median(slope)),
        float((slope < 0).mean()),
    )


def _marked(marks: Array, rate: float, n: int, seconds: float) -> Floats:
    """(n,): share of marked samples in each of n stretches side by side."""
    edges = (np.arange(n + 1) * seconds * rate).astype(np.int64).clip(max=len(marks))
    return np.asarray(np.diff(np.append(0, np.cumsum(marks))[edges]) / np.maximum(np.diff(edges), 1))


def _upstroke(x: Singles) -> float:
    """Median duration (s) of the high climbs of windows (k, L): those of more than half of their highest."""
    up = np.diff(x, axis=1, prepend=x[:, :1]) > 0
    up[:, 0] = up[:, -1] = False
    edges = np.flatnonzero(np.diff(up.ravel().astype(np.int8), append=0))
    first, last = edges[::2], edges[1::2]
    climb = x.ravel()[last] - x.ravel()[first]
    window = first // x.shape[1]
    highest = np.zeros(len(x), x.dtype)
    np.maximum.at(highest, window, climb)
    high = climb > 0.5 * highest[window]
    return float(np.median((last - first)[high])) / RATE if high.any() else np.nan


def _other_rate(values: Array, bad: Array, rate: float, seen: _Look) -> float | None:
    """A rate, some power of 2 away, at which most windows would show a plausible pulse, if few do as it
    is."""
    if seen.pulse >= 0.3:
        return None
    for power in (-1, 1, -2, 2, -3, 3, -4, 4):
        other = rate * 2.0**power
        if not 10.0 <= other <= 8000.0:
            continue
        look = _look(values[:PART], bad[:PART], other)
        if look.windows >= FEW and look.pulse > 0.7 and look.skewness > 0.5 and 0.12 < look.upstroke < 0.3:
            return float(other)
    return None


def _is_bpm(signal: Signal) -> bool:
    x = signal.raw[np.isfinite(signal.raw)]
    if len(x) < 3:
        return False
    inside = ((np.abs(x) > BPM[0]) & (np.abs(x) < BPM[1])).mean()
    level = float(np.median(np.abs(x)))
    return bool(inside > 0.95 and x.std() < 0.5 * level and np.median(np.abs(np.diff(x))) < 0.05 * level)


def _clipped(signal: Signal) -> list[Finding]:
    """At the highest or the lowest value the signal rests, again and again."""
    x, found = signal.raw, []
    for side, level in (("highest", np.nanmax), ("lowest", np.nanmin)):
        usable = x[np.isfinite(x)]
        if not len(usable):
            return []
        limit = float(level(usable))
        at = np.append(False, x == limit)
        edges = np.flatnonzero(np.diff(np.append(at, False).astype(np.int8)))
        lengths = edges[1::2] - edges[::2]
        long = lengths[(lengths >= 3) & (lengths <= 0.5 * signal.rate)]
        if len(long) >= 3 and long.sum() > 1e-3 * len(x):
            message = (
                f"{long.sum() / len(x):.1%} of the samples rest at the {side} value, {limit:g}: the sensor "
                f"seems to be clipped; pass clip=(low, high) to have such windows marked"
            )
            found.append(Finding("clipped", message, signal.start, signal.start + signal.duration, False))
    return found


def _absent(signal: Signal) -> list[Finding]:
    """Stretches with hardly any movement, or with some and no pulse: a sensor that is not worn; not gaps."""
    x = filtered(signal, RATE, BAND)
    size, per_window = round(BLOCK * RATE), round(LOOK / RATE / BLOCK)
    n = len(x) // (size * per_window) * per_window
    if n < 2 * per_window:
        return []
    strength = x[: n * size].reshape(n, size).std(axis=1)
    pulse, aimless = _rhythm(x[: n * size].reshape(-1, LOOK))
    lost = signal.bad == LOST
    seen = 1.0 - _marked(lost, signal.rate, n, BLOCK) >= SEEN
    aimless &= 1.0 - _marked(lost, signal.rate, len(aimless), LOOK / RATE) >= SEEN
    if not seen.any():
        return []
    usual = np.quantile(strength[seen], 0.75)
    pulse &= _marked(signal.bad != 0, signal.rate, len(pulse), LOOK / RATE) == 0
    if pulse.sum() >= FEW:  # a sensor may lie on the table for nearly all of a recording
        usual = max(usual, np.median(strength[np.repeat(pulse, per_window)]))
    gone = (strength < ABSENT * usual) | np.repeat(aimless, per_window)
    gone |= _marked(signal.bad == STILL, signal.rate, n, BLOCK) == 1
    gone &= seen  # a gap says nothing of the sensor
    edges = np.flatnonzero(np.diff(gone.astype(np.int8), prepend=0, append=0))
    found = []
    for first, last in zip(edges[::2] * BLOCK, edges[1::2] * BLOCK, strict=True):
        if last - first >= ABSENT_FOR:
            start, end = signal.start + float(first), signal.start + float(last)
            message = (
                f"no pulse for {last - first:.0f} s from {start:.0f} s on: the sensor seems not to be worn, "
                "or sees motion alone; pass worn=(low, high), the raw level while worn, to have such windows "
                "marked"
            )
            found.append(Finding("off_wrist", message, start, end, False))
    return found


def _rhythm(windows: Singles) -> tuple[Bools, Bools]:
    """(k,) twice: windows with a pulse, and those without rhythm and without steep climbs, at least two in a
    row, if others have both."""
    k = len(windows)
    pulse, aimless = np.zeros(k, bool), np.zeros(k, bool)
    for first in range(0, k, CHUNK):
        part = slice(first, first + CHUNK)
        x = windows[part] - windows[part].mean(axis=1, keepdims=True)
        x /= np.maximum(x.std(axis=1, keepdims=True), 1e-30)
        height, slope = repetition(x, RATE, *SEARCHED)[0], shape(x)[:, 1]
        pulse[part] = (height > PULSE) & (np.abs(slope) > 0.5)
        aimless[part] = (height < 0.5) & (np.abs(slope) < 0.5)
    if pulse.sum() < FEW:
        return pulse, np.zeros(k, bool)
    aimless |= np.append(aimless[1:], False) & np.append(False, aimless[:-1]) & ~pulse
    beside = np.append(aimless[1:], False) | np.append(False, aimless[:-1])
    return pulse, np.asarray(aimless & beside)
