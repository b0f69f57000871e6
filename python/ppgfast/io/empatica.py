"""Empatica: the zip that E4 Connect exports (or one CSV of it), and the AVRO files of EmbracePlus."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from ppgfast.errors import RecordingError

from . import archive, avro
from .recording import Array, Axes, Channel, Content, in_memory

E4_AXES: Axes = ("ACC.x", "ACC.y", "ACC.z")
_NUMBERS = rb"\s*(\d{9,10}(?:\.\d+)?)(\s*,\s*\1)*\s*\r?\n\s*(\d{1,3}(?:\.\d+)?)(\s*,\s*\3)*\s*\r?\n"


def is_e4(head: bytes) -> bool:
    """Whether a text begins as the files of an E4 do: the start in s since 1970, then the rate in Hz."""
    return re.match(_NUMBERS, head) is not None


def content(path: Path, kind: str, limit: int) -> Content:
    return _e4(path, limit) if kind == "empatica_e4" else _embraceplus(path, limit)


def one_file(path: Path, limit: int) -> Content:
    """One CSV of an E4 export, with the accelerometer's if it lies beside."""
    channels, begin = _series(path.name, path.read_bytes(), path.stem)
    beside = path.with_name("ACC.csv")
    if path.stem == "BVP" and beside.is_file() and beside.stat().st_size <= limit:
        axes, start = _series(beside.name, beside.read_bytes(), "ACC")
        channels += _shifted(axes, start - begin)
    return _e4_content(channels, begin, path.stem)


def _e4(path: Path, limit: int) -> Content:
    found = archive.members(path, limit)
    with zipfile.ZipFile(path) as opened:
        named: dict[str, bytes] = {}
        for wanted in ("BVP.csv", "ACC.csv"):
            same = [info for name, info in found.items() if name.rsplit("/", 1)[-1] == wanted]
            if len(same) > 1:
                raise RecordingError(
                    f"{path.name}: it holds {len(same)} files {wanted}, expected one: unpack it"
                )
            if same:
                named[wanted] = opened.read(same[0])
    channels, begin = _series(f"{path.name}: BVP.csv", named["BVP.csv"], "BVP")
    if "ACC.csv" in named:
        axes, start = _series(f"{path.name}: ACC.csv", named["ACC.csv"], "ACC")
        channels += _shifted(axes, start - begin)
    return _e4_content(channels, begin, "BVP")


def _e4_content(channels: list[Channel], begin: float, ppg: str) -> Content:
    axes = E4_AXES if any(c.name == E4_AXES[0] for c in channels) else None
    return Content(
        "empatica_e4",
        tuple(channels),
        ppg="BVP" if ppg == "BVP" else None,
        acc=axes,
        start=datetime.fromtimestamp(begin, tz=timezone.utc).isoformat(),
    )


def _series(name: str, data: bytes, label: str) -> tuple[list[Channel], float]:
    """The channels of one file, and when they began, in s since 1970."""
    import pandas as pd

    if not is_e4(data[:200]):
        raise RecordingError(
            f"{name}: it does not begin with start and rate as those of an E4 do: export it again"
        )
    table = pd.read_csv(io.BytesIO(data), header=None, float_precision="round_trip").to_numpy(np.float64)
    begin, rate, values = float(table[0, 0]), float(table[1, 0]), table[2:]
    units = "1/64 g" if label == "ACC" else ""
    names = [f"{label}.{axis}" for axis in "xyz"] if values.shape[1] == 3 else [label]
    return [
        in_memory(n, column, rate=rate, units=units) for n, column in zip(names, values.T, strict=True)
    ], begin


def _shifted(channels: list[Channel], start: float) -> list[Channel]:
    return [Channel(c.name, c.n, c.load, rate=c.rate, start=start, units=c.units) for c in channels]


def _embraceplus(path: Path, limit: int) -> Content:
    import fastavro

    avro.check_sizes(path, limit)
    with path.open("rb") as file:
        records = list(fastavro.reader(file))
    raw: Any = records[0].get("rawData") if records and isinstance(records[0], Mapping) else None
    if len(records) != 1 or not isinstance(raw, Mapping) or not isinstance(raw.get("bvp"), Mapping):
        raise RecordingError(
            f"{path.name}: it is AVRO with {len(records)} records and no rawData.bvp: expected the raw "
            "data of an EmbracePlus"
        )
    bvp = raw["bvp"]
    begin = bvp["timestampStart"]
    channels = [in_memory("bvp", np.asarray(bvp["values"], np.float64), rate=float(bvp["samplingFrequency"]))]
    motion, axes = raw.get("accelerometer"), None
    if isinstance(motion, Mapping) and len(motion.get("x", ())):
        names = ("accelerometer.x", "accelerometer.y", "accelerometer.z")
        scale = _counts_to_g(motion.get("imuParams", {}))
        start = (motion["timestampStart"] - begin) * 1e-6
        rate = float(motion["samplingFrequency"])
        for name, axis in zip(names, "xyz", strict=True):
            values: Array = np.asarray(motion[axis], np.float64) * (scale or 1.0)
            channels.append(in_memory(name, values, rate=rate, start=start, units="g" if scale else "counts"))
        axes = names
    return Content(
        "embraceplus",
        tuple(channels),
        ppg="bvp",
        acc=axes,
        start=datetime.fromtimestamp(begin * 1e-6, tz=timezone.utc).isoformat(),
    )


def _counts_to_g(parameters: Mapping[str, Any]) -> float | None:
    """g per count, from the ranges that the file states."""
    if "conversionFactor" in parameters:
        return float(parameters["conversionFactor"])
    try:
        physical = parameters["physicalMax"] - parameters["physicalMin"]
        return float(physical / (parameters["digitalMax"] - parameters["digitalMin"]))
    except (KeyError, TypeError, ZeroDivisionError):
        return None
