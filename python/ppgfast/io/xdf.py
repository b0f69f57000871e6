"""XDF, the files of Lab Streaming Layer: every stream has its own clock, already corrected by pyxdf."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ppgfast.errors import RecordingError

from . import names
from .recording import Axes, Channel, Content, in_memory

_SAMPLES = 3  # tag of a chunk


def content(path: Path, kind: str, limit: int) -> Content:
    import pyxdf

    notes = _check_chunks(path)
    streams, _ = pyxdf.load_xdf(str(path))
    channels: list[Channel] = []
    ppg, acc = [], []
    for stream in streams:
        found = _channels(stream)
        kind_of = _first(stream["info"].get("type")).lower()
        if names.ppg_rank(kind_of) and len(found) == 1:
            ppg.append(found[0].name)
        if "acc" in kind_of and len(found) == 3:
            acc.append(found)
        channels += found
    if not channels:
        raise RecordingError(
            f"{path.name}: it has {len(streams)} streams and none of samples: record a PPG stream"
        )
    axes: Axes | None = (acc[0][0].name, acc[0][1].name, acc[0][2].name) if len(acc) == 1 else None
    return Content("xdf", tuple(channels), ppg=ppg[0] if len(ppg) == 1 else None, acc=axes, notes=notes)


def _check_chunks(path: Path) -> tuple[str, ...]:
    """Walks the chunks: none may promise more samples than it has bytes, for which pyxdf would make room.

    A last chunk that is cut off is what a crash leaves; what lies before it is good, so that is a note.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(4)
        while file.tell() < size:
            at = file.tell()
            length, tag = _number(file), int.from_bytes(file.read(2), "little")
            end = file.tell() - 2 + length
            if end > size:
                return (f"the file ends in the middle of a chunk, at byte {at}: what lies before it is read",)
            if tag == _SAMPLES:
                file.seek(4, 1)
                promised = _number(file)
                if promised > length:
                    raise RecordingError(
                        f"{path.name}: a chunk of {length:,} bytes promises {promised:,} samples: it is "
                        "damaged, copy it again"
                    )
            file.seek(end)
    return ()


def _number(file: BinaryIO) -> int:
    """A length in XDF: one byte that says in how many bytes it is written, then these."""
    width = file.read(1)
    if width not in (b"\x01", b"\x04", b"\x08"):
        raise ValueError(f"a length of {width!r} bytes")
    return int.from_bytes(file.read(width[0]), "little")


def _channels(stream: Any) -> list[Channel]:
    """One for each column of a stream of numbers, named `stream/label`; none for markers."""
    values, times = stream["time_series"], np.asarray(stream["time_stamps"], dtype=np.float64)
    if (
        not isinstance(values, np.ndarray)
        or values.ndim != 2
        or values.dtype.kind not in "iuf"
        or not len(values)
    ):
        return []
    info = stream["info"]
    name = _first(info.get("name")) or _first(info.get("type")) or "stream"
    labels, units = _labels(info, values.shape[1])
    many = values.shape[1] > 1
    return [
        in_memory(
            f"{name}/{labels[i]}" if many else name,
            values[:, i],
            times=times,
            start=float(times[0]),
            units=units[i],
        )
        for i in range(values.shape[1])
    ]


def _labels(info: Any, n: int) -> tuple[list[str], list[str]]:
    try:
        listed = info["desc"][0]["channels"][0]["channel"]
        found = [(_first(one.get("label")), _first(one.get("unit"))) for one in listed]
    except (KeyError, IndexError, TypeError, AttributeError):
        found = []
    if len(found) != n:
        found = [("xyz"[i] if n == 3 else str(i), "") for i in range(n)]
    return [label or str(i) for i, (label, _) in enumerate(found)], [unit for _, unit in found]


def _first(value: Any) -> str:
    """XDF's XML as pyxdf gives it: a list with the text, or nothing."""
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, str) else ""
