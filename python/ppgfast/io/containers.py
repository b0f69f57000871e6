"""What a file is, by its first bytes, and `read`, which hands it to the reader of that container."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ppgfast._core import __version__
from ppgfast.errors import RecordingError, SignalWarning

from .assemble import Assembler, Wanted
from .recording import Content, Recording

MAX_BYTES = 2 << 30
HEAD = 1 << 16  # bytes looked at to tell what a file is

# format -> (module that reads it, libraries it needs beyond numpy)
READERS = {
    "csv": ("delimited", ("pandas",)),
    "npy": ("arrays", ()),
    "npz": ("arrays", ()),
    "parquet": ("parquet", ("pyarrow", "pandas")),
    "wfdb": ("physionet", ("wfdb",)),
    "edf": ("edf", ("edfio",)),
    "bdf": ("edf", ("edfio",)),
    "hdf5": ("hdf5", ("h5py",)),
    "empatica_e4": ("empatica", ("pandas",)),
    "embraceplus": ("empatica", ("fastavro",)),
    "xdf": ("xdf", ("pyxdf",)),
    "pickle": ("pickled", ()),
    "matlab": ("mat", ("scipy",)),
}

_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"PAR1", "parquet"),
    (b"\x93NUMPY", "npy"),
    (b"Obj\x01", "embraceplus"),
    (b"XDF:", "xdf"),
    (b"0       ", "edf"),
    (b"\xffBIOSEMI", "bdf"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"(dp", "pickle"),
    (b"MATLAB 7.3", "hdf5"),
    (b"MATLAB", "matlab"),
    *((bytes([0x80, protocol]), "pickle") for protocol in range(2, 6)),
)
# What it is instead, and what to do about it.
_FOREIGN = (
    (b"\x89PPGF", "a ppgfast model", "open it with ppgfast.load"),
    (b"\x1f\x8b", "compressed with gzip", "unpack it first"),
    (b"BZh", "compressed with bzip2", "unpack it first"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it first"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "save the sheet as CSV"),
    (b"SQLite format 3", "an SQLite database", "export the signal as CSV"),
    (b"%PDF", "a PDF", "give the file with the samples"),
    (b"\x89PNG", "a PNG picture", "give the file with the samples"),
    (b"\xff\xd8\xff", "a JPEG picture", "give the file with the samples"),
    (b"\x7fELF", "a program", "give the file with the samples"),
    (b"version https://git-lfs", "a Git LFS pointer, not the data", "run git lfs pull"),
    (b"<!DOCTYPE", "a web page", "download the file itself"),
    (b"<html", "a web page", "download the file itself"),
    (b"<?xml", "XML", "export the signal as CSV"),
    (b"{", "JSON", "save the signal as CSV or NPZ"),
)
_WFDB = re.compile(rb"^(#.*\r?\n)*[\w\-]+(/\d+)? \d+ [\d.]+")


def read(
    path: str | os.PathLike[str],
    *,
    sampling_rate: float | None = None,
    column: str | int | None = None,
    acc_columns: Sequence[str] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Recording:
    """Read one PPG, and the accelerometer beside it, from a file of any container in docs/files.md.

    Parameters
    ----------
    path : the file; its content decides what it is, whatever its name says.
    sampling_rate : Hz, to be believed over the file. Needed where the file does not tell: there is no
        default. A `SignalWarning` says that the file's times run at another rate.
    column : name or index of the PPG, where names do not tell or tell wrong.
    acc_columns : names of the accelerometer's x, y and z axis.
    max_bytes : the most that may be unpacked or read into memory.

    Raises
    ------
    RecordingError
        if the file is missing, damaged, hostile or something else, if it does not tell which column is the
        PPG or how fast it was sampled. It names the file, what was found and what to do.
    ModuleNotFoundError
        if the library for this container is missing.
    """
    wanted = _checked(sampling_rate, column, acc_columns)
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path is a {type(path).__name__}, expected the path of a file")
    source = _existing(Path(os.fsdecode(path)))
    if source.stat().st_size > max_bytes:
        raise RecordingError(
            f"{source.name}: it has {source.stat().st_size:,} bytes, allowed are {max_bytes:,}: give "
            "max_bytes="
        )
    kind = container(source)
    module, libraries = READERS[kind]
    with _one_error(source, kind):
        for library in libraries:
            _require(library, kind)
        reader: Callable[[Path, str, int], Content] = import_module(f"ppgfast.io.{module}").content
        content = reader(source, kind, max_bytes)
        assembler = Assembler(source.name, content, wanted)
        parts = assembler.parts()
    if assembler.doubt is not None:
        warnings.warn(assembler.doubt, SignalWarning, stacklevel=2)
    parts["metadata"] = {
        "file": source.name,
        "format": content.format,
        "bytes": source.stat().st_size,
        "sha256": sha256(source),
        **({"files": dict(content.files)} if content.files else {}),
        **parts["metadata"],
        "libraries": {"ppgfast": __version__, **{name: version(name) for name in ("numpy", *libraries)}},
    }
    return Recording(**parts)


def container(path: Path) -> str:
    """The format of a file, one of READERS; RecordingError if it is none of them."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise RecordingError(f"{path.name}: it is empty: copy it again")
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return _in_zip(path) if kind == "zip" else kind
    if head[512:520] == _MAGIC[0][0]:
        return "hdf5"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, what, fix in _FOREIGN:
        if start[: len(magic)].lower() == magic.lower():
            raise RecordingError(f"{path.name}: it is {what}: {fix}")
    if _WFDB.match(head) and path.suffix == ".hea":
        return "wfdb"
    if path.with_suffix(".hea").is_file() and (path.suffix in (".dat", ".mat") or not _is_text(head)):
        return "wfdb"
    if _is_text(head):
        return "csv"
    raise RecordingError(
        f"{path.name}: its first bytes, {head[:8].hex(' ')}, are of no container that ppgfast reads: "
        "export CSV, NPZ, Parquet, EDF, WFDB or HDF5"
    )


def _in_zip(path: Path) -> str:
    from .archive import members

    with _one_error(path, "zip"):
        found = members(path, limit=None)
    last = {name.rsplit("/", 1)[-1] for name in found}
    if found and all(name.endswith(".npy") for name in found):
        return "npz"
    if "BVP.csv" in last:
        return "empatica_e4"
    if any(name.startswith("xl/") for name in found):
        raise RecordingError(f"{path.name}: it is an Excel workbook: save the sheet as CSV")
    listed = ", ".join(sorted(found)[:10]) or "nothing"
    raise RecordingError(
        f"{path.name}: it is a zip archive of {listed}: expected NPZ or an Empatica E4 export (with "
        "BVP.csv); unpack others first"
    )


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16
        return True
    control = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head)
    return control == 0 and b"\x7f" not in head


def _checked(sampling_rate: Any, column: Any, acc_columns: Any) -> Wanted:
    if sampling_rate is not None:
        if isinstance(sampling_rate, bool) or not isinstance(sampling_rate, (int, float, np.number)):
            raise TypeError(f"sampling_rate is {sampling_rate!r}, expected a number of Hz")
        if not (np.isfinite(sampling_rate) and sampling_rate > 0):
            raise ValueError(f"sampling_rate is {sampling_rate!r}, expected a positive number of Hz")
        sampling_rate = float(sampling_rate)
    if column is not None and (isinstance(column, bool) or not isinstance(column, (str, int))):
        raise TypeError(f"column is {column!r}, expected a name or an index")
    if acc_columns is not None:
        acc_columns = acc_columns if isinstance(acc_columns, str) else list(acc_columns)
        if isinstance(acc_columns, str) or len(acc_columns) != 3:
            raise ValueError(f"acc_columns is {acc_columns!r}, expected the names of the x, y and z axis")
    return Wanted(sampling_rate, column, acc_columns)


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise RecordingError(f"{path}: it is a folder, expected a file: name its files, {path / '*'}")
    header = path.with_name(path.name + ".hea")
    if not path.exists() and header.is_file():  # a WFDB record, named as its own tools name it
        path = header
    if not path.exists():
        raise RecordingError(f"{path}: there is no such file")
    if not path.is_file():
        raise RecordingError(f"{path.name}: it is a device, expected a file: name one file")
    return path


def _require(library: str, kind: str) -> None:
    try:
        import_module(library)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != library:
            raise
        raise ModuleNotFoundError(
            f"{kind} files are read by {library}, which is not installed: pip install 'ppgfast[io]', in a "
            "checkout '.[io]'",
            name=library,
        ) from None


@contextmanager
def _one_error(path: Path, kind: str) -> Iterator[None]:
    """Whatever a library raises on damaged bytes becomes a RecordingError; its own warnings are not shown."""
    logger = logging.getLogger("pyxdf.pyxdf")
    disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (RecordingError, ModuleNotFoundError):
        raise
    except MemoryError:
        raise RecordingError(
            f"{path.name}: it asks for more memory than there is: damaged, or too large"
        ) from None
    except Exception as error:  # each library has its own, on damaged bytes nearly any
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RecordingError(
            f"{path.name}: its {kind} is cut short or damaged ({reason}): copy it again"
        ) from error
    finally:
        logger.disabled = disabled


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
