"""Zip archives, distrusted: sizes and names are judged before a byte is unpacked; nothing goes to disk."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ppgfast.errors import RecordingError

MAX_MEMBERS = 10_000


def members(path: Path, limit: int | None) -> dict[str, zipfile.ZipInfo]:
    """Files in an archive by name; RecordingError if together they unpack to more than `limit` bytes."""
    with zipfile.ZipFile(path) as archive:
        found = archive.infolist()
    if len(found) > MAX_MEMBERS:
        raise RecordingError(
            f"{path.name}: the archive holds {len(found):,} files, expected a few: not opened"
        )
    for info in found:
        parts = info.filename.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise RecordingError(
                f"{path.name}: the archive holds {info.filename[:60]!r}, a path that leads out of it: "
                "not opened, get it from its publisher"
            )
    total = sum(info.file_size for info in found)
    if limit is not None and total > limit:
        raise RecordingError(
            f"{path.name}: the archive unpacks to {total:,} bytes, allowed are {limit:,}: give max_bytes="
        )
    return {info.filename: info for info in found if not info.is_dir()}
