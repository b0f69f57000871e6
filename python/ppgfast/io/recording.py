"""What `read` returns, and what the readers hand over before it is known which channel is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppgfast.motion import from_start

Array = NDArray[Any]
Axes = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Recording:
    """One PPG as it was recorded: not filtered, not resampled, gaps left as they are.

    Attributes
    ----------
    signal : (n,) float32 or float64, in the file's own units (`metadata["units"]`); NaN where a sample is
        missing.
    sampling_rate : Hz; the nominal rate where `timestamps` are given.
    timestamps : (n,) float64, s after the first sample, where samples are lost or unevenly spaced; else None.
    acc : (m, 3) float64, acceleration in g, or None.
    acc_rate : Hz, or None.
    acc_start : s from the first sample of the signal to the first of `acc`; negative if `acc` begins earlier.
    metadata : `file`, `format`, `bytes`, `sha256`, `column`, `columns`, `units`, `acc_units`, `start` (ISO
        8601, UTC unless the file leaves the zone open, or None), `libraries` (name -> version), and `notes`,
        sentences on what was found but not used.
    """

    signal: NDArray[np.floating[Any]]
    sampling_rate: float
    timestamps: NDArray[np.float64] | None
    acc: NDArray[np.float64] | None
    acc_rate: float | None
    acc_start: float
    metadata: dict[str, Any]

    @property
    def duration(self) -> float:
        """Seconds from the first sample to the end of the last."""
        last = (len(self.signal) - 1) / self.sampling_rate if self.timestamps is None else self.timestamps[-1]
        return float(last) + 1.0 / self.sampling_rate

    def acc_from_start(self) -> NDArray[np.float32] | None:
        """The accelerometer (m, 3) in g from the PPG's first sample on: cut, or NaN before it began."""
        if self.acc is None or self.acc_rate is None:
            return None
        return from_start(self.acc, self.acc_rate, self.acc_start).astype(np.float32)

    def __repr__(self) -> str:
        motion = "no accelerometer" if self.acc is None else f"accelerometer at {self.acc_rate:g} Hz"
        return (
            f"<Recording {self.metadata['file']}: {self.duration:.6g} s of {self.metadata['column']!r} at "
            f"{self.sampling_rate:g} Hz, {motion}>"
        )


@dataclass(frozen=True)
class Channel:
    """One column or signal of a file; its samples are read when `load` is called.

    `times` (n,) s or `rate` Hz, whichever the file states for this channel; `start` is the first sample's
    place on the file's own time axis, s. `dated` if its values are dates with a time of day.
    """

    name: str
    n: int
    load: Callable[[], Array]
    rate: float | None = None
    times: Array | None = None
    start: float = 0.0
    units: str = ""
    numeric: bool = True
    dated: bool = False


@dataclass(frozen=True)
class Content:
    """All channels of a file, and what its format says about them.

    A `table` has one row per sample in all channels of equal length, and one of them may be the time. `ppg`
    and `acc` name channels where the format itself tells which they are.
    """

    format: str
    channels: tuple[Channel, ...]
    libraries: tuple[str, ...] = ()
    table: bool = False
    ppg: str | None = None
    acc: Axes | None = None
    rate: float | None = None
    acc_rate: float | None = None
    start: str | None = None
    notes: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def in_memory(name: str, values: Array, **known: Any) -> Channel:
    """A channel whose values (n,) are at hand."""
    return Channel(name, len(values), lambda: values, numeric=values.dtype.kind in "biuf", **known)


def split(name: str, values: Array, **known: Any) -> list[Channel]:
    """The columns of an array: (n,), or (n, k) and (k, n), of which the longer axis is time."""
    if values.ndim == 1:
        return [in_memory(name, values, **known)]
    if values.ndim != 2:
        return []
    columns = values.T if values.shape[0] >= values.shape[1] else values
    if len(columns) == 1:
        return [in_memory(name, columns[0], **known)]
    labels = "xyz" if len(columns) == 3 else [str(i) for i in range(len(columns))]
    return [
        in_memory(f"{name}.{label}", column, **known) for label, column in zip(labels, columns, strict=True)
    ]
