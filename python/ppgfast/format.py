"""The PPGF v1 model file: named numbers and named arrays, every byte checked (docs/format.md).

The reader is written independently of the one in C++; both accept the same bytes and give every other
file the same status, offset and name.
"""

from __future__ import annotations

import errno
import math
import operator
import os
import re
import stat
import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from ppgfast import _core
from ppgfast.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

MAGIC = b"\x89PPGF\r\n\x1a"
VERSION = (1, 0)
MAX_CONFIGS = 256
MAX_TENSORS = 4096
MAX_FILE_BYTES = 1 << 30
ALIGNMENT = 64
DTYPES = ("<u1", "<i1", "<f2", "<i4", "<f4")  # the position is the code in the file

_HEADER = struct.Struct("<8sHHIQII24xI")  # and the CRC-32 of these 60 bytes
_CONFIG = struct.Struct("<48sB7x8s")
_TENSOR = struct.Struct("<48sBB6x4IQQ8x")
_HEADER_BYTES = 64
_NAME = re.compile(r"[a-z0-9._]{1,47}")
_NAME_BYTES = b"abcdefghijklmnopqrstuvwxyz0123456789._"


class File(NamedTuple):
    """The content of a model file.

    Attributes
    ----------
    config : numbers by name, in the file's order; ``int`` or ``float`` as stored.
    tensors : arrays by name, in the file's order: read-only views of the bytes that were read.
    """

    config: dict[str, int | float]
    tensors: dict[str, NDArray[Any]]


def model_file_error(path: str, status: str, offset: int = 0, name: str = "") -> ModelFileError:
    """Say what is wrong with a file, where, and how to mend it; `status` is one of ``_core.statuses()``."""
    found, fix = next(texts for key, *texts in _core.statuses() if key == status)
    place = " ".join([name] * bool(name) + [f"at byte {offset}"] * bool(offset))
    hint = ""
    if status == "file_not_found":
        from ppgfast.bundled import nearest  # only who misspelt a name waits for it

        hint = nearest(path)
    message = f"{path}: {found}{f' ({place})' if place else ''}: {fix}{hint}"
    return ModelFileError(message, status=status, offset=offset, name=name)


def read(path: str | os.PathLike[str] | bytes) -> File:
    """Read a model file, or its bytes.

    Raises
    ------
    ModelFileError
        if the file cannot be read or one byte is not as docs/format.md says.
    """
    if isinstance(path, bytes):
        return loads(path)
    path = os.fspath(path)
    return _Reader(_file_bytes(path), path).file()


def loads(data: bytes) -> File:
    """Read a model file from its bytes; errors as in `read`."""
    return _Reader(bytes(data), "<bytes>").file()


def write(
    path: str | os.PathLike[str], config: Mapping[str, int | float], tensors: Mapping[str, Any]
) -> None:
    """Write a model file; whatever happens, `path` then holds the old bytes or all of the new ones.

    Parameters and errors as for `dumps`, and ``OSError`` if the disk refuses.
    """
    from pathlib import Path  # here, because it is half the time of importing this module

    data = dumps(config, tensors)
    target = Path(path).resolve()
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # makes the rename last through a power cut
    finally:
        os.close(folder)


def dumps(config: Mapping[str, int | float], tensors: Mapping[str, Any]) -> bytes:
    """Return the one PPGF file that holds these numbers and arrays, whatever their order.

    Parameters
    ----------
    config : ``int`` (signed 64-bit) or finite ``float`` by name.
    tensors : arrays of uint8, int8, float16, int32 or float32 with 1 to 4 dimensions by name.

    Raises
    ------
    TypeError, ValueError
        if a name, a type, a shape or a value cannot be stored.
    """
    arrays = {name: _checked_array(name, value) for name, value in tensors.items()}
    for what, names, limit in (("config", config, MAX_CONFIGS), ("tensor", arrays, MAX_TENSORS)):
        if len(names) > limit:
            raise ValueError(f"{len(names)} {what}s do not fit into one file: at most {limit}")
    body = [_config_record(name, config[name]) for name in sorted(config)]
    end = _HEADER_BYTES + len(config) * _CONFIG.size + len(arrays) * _TENSOR.size
    payloads = []
    for name, array in sorted(arrays.items()):
        offset = -(-end // ALIGNMENT) * ALIGNMENT
        dims = array.shape + (1,) * (4 - array.ndim)
        code = DTYPES.index(array.dtype.str.replace("|", "<"))
        body.append(_TENSOR.pack(_encoded(name), code, array.ndim, *dims, offset, array.nbytes))
        payloads += [bytes(offset - end), array.tobytes()]
        end = offset + array.nbytes
    if end > MAX_FILE_BYTES:
        raise ValueError(f"the file would have {end} bytes: at most {MAX_FILE_BYTES}")
    content = b"".join(body + payloads)
    header = _HEADER.pack(MAGIC, *VERSION, 0, end, len(config), len(arrays), zlib.crc32(content))
    return header + struct.pack("<I", zlib.crc32(header)) + content


def _encoded(name: str) -> bytes:
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ValueError(f"the name {name!r} must be 1 to 47 characters of a-z, 0-9, '.' and '_'")
    return name.encode()


def _config_record(name: str, value: int | float) -> bytes:
    if isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            raise ValueError(f"config {name!r} is {value}: it must be finite")
        return _CONFIG.pack(_encoded(name), 1, struct.pack("<d", value))
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"config {name!r} is of type {type(value).__name__}: it must be int or float")
    number = operator.index(value)
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"config {name!r} is {number}: it must fit into 64 bits with sign")
    return _CONFIG.pack(_encoded(name), 0, struct.pack("<q", number))


def _checked_array(name: str, value: Any) -> NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.newbyteorder("<").str.replace("|", "<") not in DTYPES:
        raise TypeError(
            f"tensor {name!r} is {array.dtype}: convert it to uint8, int8, float16, int32 or float32"
        )
    if not 1 <= array.ndim <= 4 or array.size == 0:
        raise ValueError(f"tensor {name!r} has the shape {array.shape}: 1 to 4 dimensions, none empty")
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _file_bytes(path: str) -> bytes:
    """All bytes of a regular file; never waits for a pipe, never reads a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        status = {
            errno.ENOENT: "file_not_found",
            errno.ENOTDIR: "file_not_found",
            errno.ENAMETOOLONG: "file_not_found",
            errno.ENXIO: "file_not_regular",
        }.get(error.errno or 0, "file_unreadable")
        raise model_file_error(path, status) from None
    try:
        about = os.fstat(descriptor)
        if stat.S_ISDIR(about.st_mode):
            raise model_file_error(path, "file_is_directory")
        if not stat.S_ISREG(about.st_mode):
            raise model_file_error(path, "file_not_regular")
        if about.st_size > MAX_FILE_BYTES:
            raise model_file_error(path, "file_too_large", MAX_FILE_BYTES)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(about.st_size)
    except OSError:
        raise model_file_error(path, "file_unreadable") from None
    finally:
        os.close(descriptor)
    if len(data) < about.st_size:
        raise model_file_error(path, "truncated", len(data))
    return data


class _Reader:
    """One pass over the bytes of one file, in the order of docs/format.md."""

    def __init__(self, data: bytes, path: str) -> None:
        self.data = data
        self.path = path

    def fail(self, status: str, offset: int, name: str = "") -> NoReturn:
        raise model_file_error(self.path, status, offset, name)

    def zeros(self, start: int, end: int, name: str) -> None:
        kept = self.data[start:end].lstrip(b"\0")
        if kept:
            self.fail("bad_reserved", end - len(kept), name)

    def file(self) -> File:
        config_count, tensor_count = self.header()
        tensors_at = _HEADER_BYTES + config_count * _CONFIG.size
        records_end = tensors_at + tensor_count * _TENSOR.size
        if records_end > len(self.data):
            self.fail("truncated", len(self.data), "records")
        config: dict[str, int | float] = {}
        name = ""
        for at in range(_HEADER_BYTES, tensors_at, _CONFIG.size):
            name = self.name(at, previous=name)
            config[name] = self.config(at, name)
        tensors: dict[str, NDArray[Any]] = {}
        name, end = "", records_end
        for at in range(tensors_at, records_end, _TENSOR.size):
            name = self.name(at, previous=name)
            tensors[name], end = self.tensor(at, name, end)
        if end != len(self.data):
            self.fail("trailing_bytes", end)
        return File(config, tensors)

    def header(self) -> tuple[int, int]:
        data = self.data
        if not data:
            self.fail("file_empty", 0)
        if data[:8] != MAGIC[: len(data)]:
            self.fail(next((status for status, matches in _IMPOSTORS if matches(data[:1024])), "not_ppgf"), 0)
        if len(data) < _HEADER_BYTES:
            self.fail("truncated", len(data), "header")
        _, major, minor, features, size, configs, tensors, body_crc = _HEADER.unpack_from(data)
        if zlib.crc32(data[:60]) != int.from_bytes(data[60:64], "little"):
            self.fail("bad_header_crc", 60)
        if major != VERSION[0]:
            self.fail("unsupported_version", 8, f"{major}.{minor}")
        if minor > VERSION[1]:
            self.fail("unsupported_version", 10, f"{major}.{minor}")
        if features:
            self.fail("unsupported_feature", 12)
        if size > len(data):
            self.fail("truncated", len(data))
        if size < len(data):
            self.fail("trailing_bytes", size)
        self.zeros(32, 56, "header")
        if configs > MAX_CONFIGS:
            self.fail("too_many_records", 24, "configs")
        if tensors > MAX_TENSORS:
            self.fail("too_many_records", 28, "tensors")
        if zlib.crc32(memoryview(data)[64:]) != body_crc:
            self.fail("bad_body_crc", 56)
        return configs, tensors

    def name(self, at: int, previous: str) -> str:
        field = self.data[at : at + 48]
        length = 48 - len(field.lstrip(_NAME_BYTES))
        name = field[:length].decode()
        if length == 0 or length == 48:
            self.fail("bad_name", at + min(length, 47), name)
        rest = field[length:].lstrip(b"\0")
        if rest:
            self.fail("bad_name", at + 48 - len(rest), name)
        if name <= previous:
            self.fail("names_not_ascending", at, name)
        return name

    def config(self, at: int, name: str) -> int | float:
        _, kind, value = _CONFIG.unpack_from(self.data, at)
        if kind > 1:
            self.fail("bad_config_type", at + 48, name)
        self.zeros(at + 49, at + 56, name)
        number: int | float = struct.unpack("<d" if kind else "<q", value)[0]
        if not math.isfinite(number):
            self.fail("config_not_finite", at + 56, name)
        return number

    def tensor(self, at: int, name: str, end: int) -> tuple[NDArray[Any], int]:
        """Return the array of one record and the end of its payload; `end`: of what lies before."""
        _, code, rank, *dims, offset, size = _TENSOR.unpack_from(self.data, at)
        if code >= len(DTYPES):
            self.fail("bad_dtype", at + 48, name)
        if not 1 <= rank <= 4:
            self.fail("bad_rank", at + 49, name)
        self.zeros(at + 50, at + 56, name)
        dtype = np.dtype(DTYPES[code])
        elements = 1
        for i, dim in enumerate(dims):
            elements *= dim
            if dim == 0 or (i >= rank and dim != 1) or elements * dtype.itemsize >= 1 << 64:
                self.fail("bad_dims", at + 56 + 4 * i, name)
        if offset != -(-end // ALIGNMENT) * ALIGNMENT:
            self.fail("bad_tensor_offset", at + 72, name)
        if size != elements * dtype.itemsize:
            self.fail("bad_tensor_bytes", at + 80, name)
        self.zeros(at + 88, at + 96, name)
        if offset + size > len(self.data):
            self.fail("truncated", len(self.data), name)
        self.zeros(end, offset, name)
        array = np.frombuffer(self.data, dtype, elements, offset).reshape(dims[:rank])
        return array, offset + size


def _is_safetensors(data: bytes) -> bool:
    return data[8:9] == b"{" and 2 <= int.from_bytes(data[:8], "little") <= 100_000_000


def _is_html(data: bytes) -> bool:
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").lower()
    return text.startswith((b"<!doctype html", b"<html"))


# What people hand in by mistake, told by the first 1024 bytes; no two of these can match the same file.
_IMPOSTORS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("damaged_line_endings", lambda d: d.startswith((b"\x89PPGF\n", b"\x89PPGF\r\r\n"))),
    ("not_ppgf_zip", lambda d: d.startswith(b"PK\x03\x04")),
    ("not_ppgf_pickle", lambda d: d[:1] == b"\x80" and d[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")),
    ("not_ppgf_git_lfs", lambda d: d.startswith(b"version https://git-lfs")),
    ("not_ppgf_html", _is_html),
    ("not_ppgf_gguf", lambda d: d.startswith(b"GGUF")),
    ("not_ppgf_safetensors", _is_safetensors),
    ("not_ppgf_onnx", lambda d: d[:1] == b"\x08" and d[2:3] in (b"\x12", b"\x3a") and 0 < d[1] < 64),
)
