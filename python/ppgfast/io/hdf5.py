"""HDF5: every array of numbers in the file, found by walking it; links out of the file are not followed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ppgfast.errors import RecordingError

from . import names
from .recording import Array, Channel, Content

MAX_ARRAYS = 1000
MAX_DEPTH = 16
MAX_COLUMNS = 64


def content(path: Path, kind: str, limit: int) -> Content:
    import h5py

    channels: list[Channel] = []
    rates: dict[str, float] = {}
    with h5py.File(path, "r") as file:
        rates |= _rates(file.attrs)
        for name, data in _arrays(file, "", 0):
            if data.size == 1 and data.dtype.kind in "iuf":
                rates[names.letters(name.rsplit("/", 1)[-1])] = float(np.asarray(data[()]).reshape(-1)[0])
                continue
            if data.external or data.is_virtual:
                raise RecordingError(f"{path.name}: {name!r} keeps its samples in another file: not opened")
            if data.size * max(data.dtype.itemsize, 8) > limit:
                raise RecordingError(
                    f"{path.name}: {name!r} promises {data.size:,} samples, allowed are {limit // 8:,}: "
                    "give max_bytes="
                )
            channels += _channels(path, name, data)
            if len(channels) > MAX_ARRAYS:
                raise RecordingError(
                    f"{path.name}: it holds more than {MAX_ARRAYS} arrays: save the PPG alone"
                )
    return Content(
        "hdf5",
        tuple(channels),
        table=True,
        rate=next((rates[key] for key in rates if key in names.RATE_NAMES), None),
        acc_rate=next((rates[key] for key in rates if key in names.ACC_RATE_NAMES), None),
    )


def _arrays(group: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    import h5py

    if depth > MAX_DEPTH:
        return
    for key in group:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            continue
        item = group[key]
        if isinstance(item, h5py.Group):
            yield from _arrays(item, f"{prefix}{key}/", depth + 1)
        elif isinstance(item, h5py.Dataset) and item.shape is not None and item.dtype.kind in "iuf":
            yield f"{prefix}{key}", item


def _channels(path: Path, name: str, data: Any) -> list[Channel]:
    """The columns of one data set: (n,), or (n, k) and (k, n), of which the longer axis is time."""
    own = _rates(data.attrs)
    rate = next((own[key] for key in own if key in names.RATE_NAMES), None)
    units = data.attrs.get("units", "")
    units = units.decode("latin-1") if isinstance(units, bytes) else str(units)
    if data.ndim == 1:
        return [Channel(name, len(data), partial(_column, path, name, None, 0), rate=rate, units=units)]
    if data.ndim != 2 or min(data.shape) > MAX_COLUMNS:
        return []
    axis = int(data.shape[0] >= data.shape[1])
    k, n = data.shape[axis], data.shape[1 - axis]
    labels = "xyz" if k == 3 else [str(i) for i in range(k)]
    return [
        Channel(
            f"{name}.{label}" if k > 1 else name,
            n,
            partial(_column, path, name, axis, i),
            rate=rate,
            units=units,
        )
        for i, label in enumerate(labels)
    ]


def _column(path: Path, name: str, axis: int | None, index: int) -> Array:
    import h5py

    with h5py.File(path, "r") as file:
        data = file[name]
        if axis is None:
            return np.asarray(data[()])
        return np.asarray(data[:, index] if axis == 1 else data[index, :])


def _rates(attributes: Any) -> dict[str, float]:
    """Attributes that are one number, by the letters of their names."""
    found: dict[str, float] = {}
    for key, value in attributes.items():
        number = np.asarray(value)
        if number.size == 1 and number.dtype.kind in "iuf":
            found[names.letters(key)] = float(number.reshape(-1)[0])
    return found
