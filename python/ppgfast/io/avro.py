"""The blocks of an AVRO file, unpacked only as far as is allowed before anything else reads them."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO

from ppgfast.errors import RecordingError

_ITEM = 8  # bytes that the shortest value, of one byte, takes in a list


def check_sizes(path: Path, limit: int) -> None:
    """RecordingError if the file's blocks unpack to lists of more than `limit` bytes, or by another codec."""
    with path.open("rb") as file:
        file.seek(4)
        codec = _header(file).get("avro.codec", b"null")
        if codec not in (b"null", b"deflate"):
            raise RecordingError(
                f"{path.name}: its codec is {codec[:20]!r}, expected null or deflate: export it again"
            )
        total = 0
        while file.read(1):
            file.seek(-1, 1)
            _number(file)  # of records
            data = _bytes(file)
            if codec == b"deflate":
                data = zlib.decompressobj(-15).decompress(data, max(1, limit // _ITEM - total + 1))
            total += len(data)
            if total * _ITEM > limit:
                raise RecordingError(f"{path.name}: it unpacks to more than {limit:,} bytes: give max_bytes=")
            file.seek(16, 1)  # the sync marker


def _header(file: BinaryIO) -> dict[str, bytes]:
    """The metadata that an AVRO file begins with; leaves the file at its first block."""
    found: dict[str, bytes] = {}
    while count := _number(file):
        if count < 0:  # its size in bytes follows
            count = -count
            _number(file)
        for _ in range(count):
            key = _bytes(file).decode()
            found[key] = _bytes(file)
    file.seek(16, 1)
    return found


def _number(file: BinaryIO) -> int:
    """A zigzag varint."""
    value = shift = 0
    while True:
        byte = file.read(1)
        if not byte or shift > 63:
            raise ValueError("a number without end")
        value |= (byte[0] & 127) << shift
        shift += 7
        if byte[0] < 128:
            return (value >> 1) ^ -(value & 1)


def _bytes(file: BinaryIO) -> bytes:
    length = _number(file)
    if length < 0:
        raise ValueError(f"a length of {length}")
    data = file.read(length)
    if len(data) < length:
        raise ValueError(f"{length} bytes promised, {len(data)} there")
    return data
