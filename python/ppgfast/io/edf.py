"""EDF, EDF+ and BDF; a signal is read when it is used."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ppgfast.errors import RecordingError

from .recording import Array, Channel, Content


def content(path: Path, kind: str, limit: int) -> Content:
    import edfio

    file: Any = edfio.read_edf(path, lazy_load_data=True) if kind == "edf" else edfio.read_bdf(path)
    _check_records(path, file.num_data_records)
    if not file.is_continuous:
        raise RecordingError(
            f"{path.name}: it is {kind.upper()}+D, with pauses between its records: export it as "
            f"continuous ({kind.upper()}+C)"
        )
    channels = []
    for signal in file.signals:
        n = signal.samples_per_data_record * file.num_data_records
        channels.append(
            Channel(
                signal.label,
                n,
                partial(_data, signal),
                rate=float(signal.sampling_frequency),
                units=signal.physical_dimension,
            )
        )
    try:
        start = file.startdatetime.isoformat()
    except ValueError:  # an anonymised date
        start = None
    return Content(kind, tuple(channels), start=start)


def _data(signal: Any) -> Array:
    return np.asarray(signal.data, dtype=np.float64)


def _check_records(path: Path, found: int) -> None:
    """edfio reads what is there; the header, which says -1 while a recording runs, tells the rest."""
    with path.open("rb") as file:
        promised = int(file.read(244)[236:])
    if promised not in (-1, found):
        raise RecordingError(
            f"{path.name}: its header promises {promised:,} records, {found:,} are there: it is cut "
            "short, copy it again"
        )
