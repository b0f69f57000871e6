"""Parquet, of which only the columns that are used are read."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ppgfast.errors import RecordingError

from . import names
from .recording import Array, Channel, Content


def content(path: Path, kind: str, limit: int) -> Content:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema, n = file.schema_arrow, file.metadata.num_rows
        stated = {
            key.decode(): value.decode() for key, value in (schema.metadata or {}).items() if key != b"pandas"
        }
    if n * 8 > limit:
        raise RecordingError(
            f"{path.name}: it promises {n:,} rows, allowed are {limit // 8:,}: give max_bytes="
        )
    channels: list[Channel] = []
    for field in schema:
        numeric = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        timed = pa.types.is_timestamp(field.type) or pa.types.is_string(field.type)
        if numeric or timed:
            units = (field.metadata or {}).get(b"units", b"").decode()
            dated = pa.types.is_timestamp(field.type)
            if dated:
                units, numeric = "ns", True
            load = partial(_column, path, field.name)
            channels.append(Channel(field.name, n, load, units=units, numeric=numeric, dated=dated))
    rates = {names.letters(key): float(value) for key, value in stated.items() if _is_rate(key)}
    return Content(
        "parquet",
        tuple(channels),
        table=True,
        rate=next((rates[key] for key in rates if key in names.RATE_NAMES), None),
        start=stated.get("start"),
    )


def _is_rate(key: str) -> bool:
    return names.letters(key) in names.RATE_NAMES


def _column(path: Path, name: str) -> Array:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        column = file.read([name]).column(0)
    if pa.types.is_timestamp(column.type):
        return np.asarray(column.cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy())
    return np.asarray(column.to_numpy(zero_copy_only=False))
