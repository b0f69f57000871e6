"""What a report says in numbers: shares, rates, stretches, the windows worth a look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ppgfast.verbs.signal import Array, Bools, Floats
from ppgfast.verbs.table import Table

FIBRILLATION = 0.5  # probability from which a window counts
MINUTE = 60.0  # s over which the lowest and the highest rate must last
STEPS = (10, 60, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)  # s of a row of the table
ROWS = 24
SHOWN = 3  # windows drawn of each kind
LISTED = 50  # stretches in the table
MEANING = {
    "ok": "valid",
    "gap": "samples are missing",
    "flat": "the signal stands still",
    "clipped": "the sensor is at its limit",
    "off_wrist": "the sensor is not worn",
    "out_of_range": "numbers that no sensor gives",
    "low_confidence": "a pulse that cannot be trusted",
    "af": "atrial fibrillation is likely",
}


class Stretch(NamedTuple):
    """Windows in a row with the same to be said of them; s, and the mean of `quality` or of AF's
    probability."""

    kind: str
    start: float
    end: float
    windows: int
    mean: float


@dataclass(frozen=True)
class Clock:
    """Times as people read them: after the first sample, and of the day where that is known."""

    origin: float  # s, of the first sample
    start: datetime | None

    def elapsed(self, seconds: float) -> str:
        """h:mm:ss since the first sample."""
        whole = round(seconds - self.origin)
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"

    def __call__(self, seconds: float) -> str:
        if self.start is None:
            return self.elapsed(seconds)
        at = self.start + timedelta(seconds=seconds - self.origin)
        return f"{self.elapsed(seconds)} ({at:%H:%M:%S})"


def clock_of(origin: float, start: str | None) -> Clock:
    """`start` is ISO 8601; what does not read as that is left out."""
    try:
        return Clock(origin, datetime.fromisoformat(start) if start else None)
    except ValueError:
        return Clock(origin, None)


def lasting(seconds: float) -> str:
    """A duration in the two units that matter."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.3g} s"
    large, small, units = (whole // 60, whole % 60, ("min", "s"))
    if whole >= 3600:
        minutes = round(seconds / 60)
        large, small, units = (minutes // 60, minutes % 60, ("h", "min"))
    return f"{large} {units[0]}" + (f" {small} {units[1]}" if small else "")


def overview(windows: Table, duration: float) -> dict[str, Any]:
    """The numbers that matter; NaN where no window is valid."""
    valid, rate = windows["valid"], windows["hr_bpm"]
    told = rate[valid & np.isfinite(rate)]
    found: dict[str, Any] = {
        "windows": len(windows),
        "valid": int(valid.sum()),
        "share": float(valid.mean()) if len(windows) else 0.0,
        "duration": lasting(duration),
        "window": float(windows.info["window"]),
        "hop": float(windows.info["hop"]),
        "told": len(told),
    }
    if len(told):
        found["median"] = float(np.median(told))
        found["low"], found["high"] = (float(np.quantile(told, level)) for level in (0.05, 0.95))
        half = 0.5 * (windows["hr_hi"] - windows["hr_lo"])[valid]
        found["interval"] = float(np.median(half[np.isfinite(half)])) if np.isfinite(half).any() else None
        found["lowest"], found["highest"] = _extremes(windows, float(windows.info["hop"]))
    return found


def _extremes(windows: Table, hop: float) -> tuple[Any, Any]:
    """(s, bpm) of the lowest and the highest median of a minute in which at least half of the windows are
    valid."""
    n = max(1, round(MINUTE / hop))
    rates = np.where(windows["valid"], windows["hr_bpm"], np.nan)
    whole = len(rates) // n * n
    minutes = rates[:whole].reshape(-1, n)
    enough = np.flatnonzero(np.isfinite(minutes).sum(axis=1) >= 0.5 * n)
    if len(enough) < 2:
        return None, None
    medians = np.nanmedian(minutes[enough], axis=1)
    at = windows["t_start"][:whole:n][enough]
    low, high = int(medians.argmin()), int(medians.argmax())
    return (float(at[low]), float(medians[low])), (float(at[high]), float(medians[high]))


def reasons(windows: Table) -> list[tuple[str, int, float]]:
    """(reason, windows, share), the most frequent first."""
    names, counts = np.unique(windows["reason"], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(str(names[i]), int(counts[i]), float(counts[i] / len(windows))) for i in order]


def stretches(windows: Table) -> list[Stretch]:
    """Windows in a row that are not valid, by reason."""
    names, kind = np.unique(windows["reason"], return_inverse=True)
    edges = np.flatnonzero(np.diff(kind, prepend=-1, append=-1))
    return [
        _stretch(windows, str(names[kind[first]]), first, last, windows["quality"])
        for first, last in pairwise(edges.tolist())
        if names[kind[first]] != "ok"
    ]


def fibrillation(af: Table) -> tuple[int, int, list[Stretch]]:
    """Of the windows with an answer those of 0.5 and more, how many have an answer, and the stretches."""
    chance = af["af_probability"]
    likely = chance >= FIBRILLATION
    edges = np.flatnonzero(np.diff(likely.astype(np.int8), prepend=0, append=0))
    found = [
        _stretch(af, "af", first, last, chance) for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]
    return int(likely.sum()), int(np.isfinite(chance).sum()), found


def _stretch(windows: Table, kind: str, first: int, last: int, values: Floats) -> Stretch:
    start, end = windows["t_start"][first], windows["t_end"][last - 1]
    return Stretch(kind, float(start), float(end), int(last - first), float(values[first:last].mean()))


def listed(found: list[Stretch]) -> list[Stretch]:
    """The longest, in order of time."""
    longest = sorted(found, key=lambda one: one.start - one.end)[:LISTED]
    return sorted(longest, key=lambda one: one.start)


def by_time(windows: Table) -> tuple[int, list[dict[str, Any]]]:
    """The step in s, and a row for each: what the trend shows, to be read out."""
    if not len(windows):
        return 0, []
    first = float(windows["t_start"][0])
    span = float(windows["t_end"][-1]) - first
    step = next((step for step in STEPS if span <= ROWS * step), int(-(-span // (ROWS * 86400)) * 86400))
    part = ((windows["t_start"] - first) // step).astype(np.int64)
    rows = []
    for k in range(int(part[-1]) + 1):
        inside = part == k
        rate = windows["hr_bpm"][inside & windows["valid"]]
        rate = rate[np.isfinite(rate)]
        rows.append(
            {
                "start": first + k * step,
                "windows": int(inside.sum()),
                "valid": float(windows["valid"][inside].mean()) if inside.any() else None,
                "rate": [float(f(rate)) for f in (np.median, np.min, np.max)] if len(rate) else None,
                "quality": float(np.median(windows["quality"][inside])) if inside.any() else None,
            }
        )
    return step, rows


def picked(windows: Table, *, best: bool) -> list[int]:
    """Rows of the windows of highest quality among the valid ones, or of lowest among those without a missing
    sample; apart from each other."""
    whole: Bools = np.isin(windows["reason"], ("ok", "low_confidence"))
    at = np.flatnonzero(windows["valid"] if best else whole)
    order: Array = at[np.argsort(-windows["quality"][at] if best else windows["quality"][at], kind="stable")]
    if not len(order):
        return []
    t = windows["t_start"]
    apart = max(float(windows.info["window"]), 0.05 * float(t[-1] - t[0]))
    kept: list[int] = []
    while len(order) and len(kept) < SHOWN:
        kept.append(int(order[0]))
        order = order[np.abs(t[order] - t[order[0]]) >= apart]
    return sorted(kept)
