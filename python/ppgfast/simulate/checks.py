"""How a parameter is declared, with its unit, range, meaning and source, and how it is held to them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from .streams import Array

Trajectory = float | tuple[tuple[float, ...], tuple[float, ...]]
"""A constant, or (times in s, values): straight lines between the knots, level outside them."""

Schedule = str | tuple[tuple[float, str], ...]
"""One name for the whole record, or ((start in s, name), ...), the first start 0, ascending."""


def number(default: float, low: float, high: float, unit: str, meaning: str, source: str) -> Any:
    """A field that holds a number in [low, high], a whole one if the default is an int."""
    return field(
        default=default, metadata=dict(low=low, high=high, unit=unit, meaning=meaning, source=source)
    )


def trajectory(default: float, low: float, high: float, unit: str, meaning: str, source: str) -> Any:
    """A field that holds a `Trajectory` with all values between low and high."""
    rule = dict(low=low, high=high, unit=unit, meaning=meaning, source=source, knots=True)
    return field(default=default, metadata=rule)


def choice(
    default: Any, options: tuple[Any, ...], meaning: str, source: str, *, over_time: bool = False
) -> Any:
    """A field that holds one of the options or, with over_time, a `Schedule` of them."""
    rule = dict(options=options, unit="", meaning=meaning, source=source, over_time=over_time)
    return field(default=default, metadata=rule)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Parameters that are checked when they are set."""

    def __post_init__(self) -> None:
        for item in fields(self):
            name, value, rule = f"{type(self).__name__}.{item.name}", getattr(self, item.name), item.metadata
            if "options" in rule:
                check_choice(name, value, rule["options"], over_time=rule["over_time"])
            elif rule.get("knots"):
                check_trajectory(name, value, rule["low"], rule["high"], rule["unit"])
            else:
                check_number(name, value, rule["low"], rule["high"], rule["unit"])
                if isinstance(item.default, int) and int(value) != value:
                    raise ValueError(f"{name} is {value!r}, expected a whole number")


def check_number(name: str, value: Any, low: float, high: float, unit: str) -> None:
    """Raise unless value is a real number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} is {value!r}, expected a number from {low:g} to {high:g} {unit}".rstrip())
    if not low <= float(value) <= high:
        raise ValueError(f"{name} is {value!r}, expected {low:g} to {high:g} {unit}".rstrip())


def check_trajectory(name: str, value: Any, low: float, high: float, unit: str) -> None:
    """Raise unless value is a number or (times, values), times ascending, values in [low, high]."""
    if isinstance(value, Real):
        return check_number(name, value, low, high, unit)
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"{name} is {value!r}, expected a number or (times in s, values)")
    times, values = value
    try:
        at = [float(t) for t in times]
        n_values = len(values)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {value!r}, expected a number or (times in s, values)") from None
    if not at or len(at) != n_values or not all(a < b for a, b in pairwise(at)):
        raise ValueError(
            f"{name} has {len(at)} times and {n_values} values, expected as many of each, times ascending"
        )
    for i, item in enumerate(values):
        check_number(f"{name}[{i}]", item, low, high, unit)
    return None


def check_choice(name: str, value: Any, options: tuple[Any, ...], *, over_time: bool) -> None:
    """Raise unless value is one of the options or, with over_time, a `Schedule` of them."""
    expected = f"one of {', '.join(map(str, options))}"
    if not over_time or not isinstance(value, tuple):
        if isinstance(value, bool) or value not in options:
            raise ValueError(f"{name} is {value!r}, expected {expected}")
        return
    starts = [part[0] for part in value if isinstance(part, tuple) and len(part) == 2]
    if len(starts) != len(value) or not value or not all(isinstance(start, Real) for start in starts):
        raise ValueError(f"{name} is {value!r}, expected ((0.0, name), (start in s, name), ...)")
    if starts[0] != 0 or not all(a < b for a, b in pairwise(starts)):
        raise ValueError(f"{name} starts its parts at {starts} s, expected 0 first and ascending times")
    for _, part in value:
        if part not in options:
            raise ValueError(f"{name} has {part!r}, expected {expected}")


def along(value: Trajectory, times: Array) -> Array:
    """A trajectory's values at the times (s)."""
    if not isinstance(value, tuple):
        return np.full(len(times), float(value))
    knots, values = (np.asarray(part, dtype=np.float64) for part in value)
    return np.interp(times, knots, values)


def segments(schedule: Schedule, end: float) -> Iterator[tuple[float, float, str]]:
    """(start, end, name) of each part of a schedule; the first reaches back before 0, the last to `end`."""
    parts = ((0.0, schedule),) if isinstance(schedule, str) else schedule
    starts = [float("-inf"), *(float(start) for start, _ in parts[1:]), end]
    for (start, stop), (_, name) in zip(pairwise(starts), parts, strict=True):
        if start < end:
            yield start, min(stop, end), name
