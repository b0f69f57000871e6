"""WFDB records: a header (.hea) that names the files with the samples, which must lie beside it."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ppgfast.errors import RecordingError

from .recording import Array, Channel, Content

_PLAIN = re.compile(r"[A-Za-z0-9_\-~][\w.\-~]*$")
MAX_SEGMENTS = 10_000


def content(path: Path, kind: str, limit: int) -> Content:
    header = path.with_suffix(".hea")
    files = _files(header, depth=0)
    total = sum(file.stat().st_size for file in files)
    if total > limit:
        raise RecordingError(
            f"{path.name}: its files have {total:,} bytes, allowed are {limit:,}: give max_bytes="
        )
    import wfdb

    record = wfdb.rdheader(str(header.with_suffix("")), rd_segments=True)
    signals: list[str] = list(record.sig_name or _segment_signals(record))
    n, rate = int(record.sig_len or 0), float(record.fs)
    if n * 8 > limit:
        raise RecordingError(
            f"{path.name}: its header promises {n:,} samples, allowed are {limit // 8:,}: give max_bytes="
        )
    frames = getattr(record, "samps_per_frame", None) or [1] * len(signals)
    units = getattr(record, "units", None) or [""] * len(signals)
    channels = [
        Channel(
            name,
            n * int(frames[i]),
            partial(_signal, header, name, int(frames[i]) > 1),
            rate=rate * int(frames[i]),
            units=units[i] or "",
        )
        for i, name in enumerate(signals)
    ]
    begin = record.base_datetime
    return Content(
        "wfdb",
        tuple(channels),
        start=begin.isoformat() if begin else None,
        files={file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    )


def _files(header: Path, depth: int) -> list[Path]:
    """The header and the files that it names; RecordingError for a name that leads elsewhere."""
    lines = [line.split() for line in header.read_text("latin-1").splitlines()]
    lines = [fields for fields in lines if fields and not fields[0].startswith("#")]
    if not lines or len(lines) > MAX_SEGMENTS:
        raise RecordingError(f"{header.name}: it has {len(lines)} lines, expected a WFDB header")
    segmented = "/" in lines[0][0]
    found = [header]
    for name in dict.fromkeys(fields[0] for fields in lines[1:]):
        if name == "~":
            continue  # a gap between segments
        if not _PLAIN.match(name):
            raise RecordingError(
                f"{header.name}: it names the file {name[:60]!r}, which is not beside it: not opened, "
                "get the record from its publisher"
            )
        file = header.with_name(f"{name}.hea" if segmented else name)
        if not file.is_file():
            raise RecordingError(
                f"{header.name}: {file.name} is missing, it belongs to the record: copy both"
            )
        if segmented and depth > 0:
            raise RecordingError(f"{header.name}: segments within segments, which WFDB does not allow")
        found += _files(file, depth + 1) if segmented else [file]
    return found


def _segment_signals(record: Any) -> list[str]:
    """Names of all signals of a record whose segments differ."""
    names = [
        name for segment in record.segments or () if segment is not None for name in segment.sig_name or ()
    ]
    return list(dict.fromkeys(names))


def _signal(header: Path, name: str, framed: bool) -> Array:
    import wfdb

    record = wfdb.rdrecord(str(header.with_suffix("")), channel_names=[name], smooth_frames=not framed)
    values = record.e_p_signal[0] if framed else record.p_signal[:, 0]
    return np.asarray(values, dtype=np.float64)
