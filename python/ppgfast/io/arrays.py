"""NPY and NPZ, never unpickled."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ppgfast.errors import RecordingError

from . import archive, names
from .recording import Array, Channel, Content, split


def content(path: Path, kind: str, limit: int) -> Content:
    if kind == "npy":
        with path.open("rb") as file:
            values = _array(path.name, file, path.stat().st_size)
        if values.ndim == 0:
            raise RecordingError(f"{path.name}: it holds one number, expected an array of samples")
        return from_arrays(path, "npy", {"signal": values})
    arrays: dict[str, Array] = {}
    found = archive.members(path, limit)
    with zipfile.ZipFile(path) as opened:
        for name, info in found.items():
            data = opened.read(info)
            arrays[name.removesuffix(".npy")] = _array(path.name, io.BytesIO(data), len(data))
    return from_arrays(path, "npz", arrays)


def from_arrays(path: Path, form: str, arrays: dict[str, Array], **known: Any) -> Content:
    """Named arrays: those of one number state rates and units, the others are channels."""
    rates: dict[str, float] = {}
    units: dict[str, str] = {}
    channels: list[Channel] = []
    for name, values in arrays.items():
        if values.size == 1 and values.ndim <= 1 and values.dtype.kind in "iuf":
            rates[names.letters(name)] = float(values.reshape(-1)[0])
        elif values.size == 1 and values.dtype.kind == "U":
            units[name] = str(values.reshape(-1)[0])
        elif values.dtype.kind in "biufUM":
            channels += split(name, _times_of(values), dated=values.dtype.kind == "M")
    if not channels:
        raise RecordingError(
            f"{path.name}: it holds {', '.join(arrays)[:200] or 'no array'}, expected an array of samples"
        )
    return Content(
        form,
        tuple(_known(channel, units, rates.get("accstart", 0.0)) for channel in channels),
        table=True,
        ppg=next((c.name for c in channels if c.name == "signal"), None),
        rate=next((rates[name] for name in rates if name in names.RATE_NAMES), None),
        acc_rate=next((rates[name] for name in rates if name in names.ACC_RATE_NAMES), None),
        start=units.pop("start", None),
        **known,
    )


def _known(channel: Channel, units: dict[str, str], acc_start: float) -> Channel:
    """A channel with its unit, `<name>_units` or `units`, and the accelerometer's with its `acc_start`."""
    base = channel.name.split(".")[0]
    unit = units.get(f"{base}_units", units.get("units", "") if base == "signal" else "")
    return replace(channel, units=unit, start=acc_start if base == "acc" else 0.0)


def _times_of(values: Array) -> Array:
    """Dates of numpy as ns since 1970."""
    return values.astype("datetime64[ns]").astype(np.int64) if values.dtype.kind == "M" else values


def _array(name: str, file: BinaryIO, size: int) -> Array:
    """An array whose header does not promise more than the file holds: numpy would allocate what it says."""
    major, _ = np.lib.format.read_magic(file)
    readers = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    if major not in readers:
        raise RecordingError(
            f"{name}: its array has format {major}, expected 1 or 2: save it again with numpy.save"
        )
    shape, _, dtype = readers[major](file)
    if dtype.hasobject:
        raise RecordingError(
            f"{name}: its array holds Python objects, which are not opened because they can run code: "
            "save numbers"
        )
    promised = dtype.itemsize
    for n in shape:
        promised *= n
    if promised > size - file.tell():
        raise RecordingError(
            f"{name}: its array is {dtype} {shape}, {promised:,} bytes, and {size - file.tell():,} are "
            "there: it is cut short, copy it again"
        )
    file.seek(0)
    return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
