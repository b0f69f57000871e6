"""Reading published files: whatever is missing or damaged becomes a DataError that names the file."""

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from ppgfast.io import unpickle

from .errors import DataError

# What reading a damaged archive, array or text raises.
UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


def find(folder: Any, patterns: Sequence[str], layout: str) -> list[Path]:
    """Files below `folder` that match any pattern, sorted by path; DataError if there are none."""
    folder = Path(folder) if folder else None
    if not folder or not folder.is_dir():
        raise DataError(f"source {folder} is no folder: give the one that holds {layout}")
    found = sorted({path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()})
    if not found:
        raise DataError(f"{folder} holds no such data: expected {layout}")
    return found


def beside(path: Path, name: str) -> Path:
    """The file `name` next to `path`; DataError if it is not there."""
    other = path.with_name(name)
    if not other.is_file():
        raise DataError(f"{other} is missing, it belongs to {path.name}: copy both")
    return other


def read_mat(path: Path, keys: Iterable[str]) -> dict[str, np.ndarray]:
    """Numeric variables of a MATLAB 5 file."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = loadmat(file)
    except NotImplementedError:
        raise DataError(f"{path} is a MATLAB 7.3 file: save it with -v7, as it was published") from None
    except MemoryError:
        raise
    except Exception as error:  # scipy raises many kinds on damaged bytes
        raise damaged(path, error) from error
    return {key: _numeric(path, key, content.get(key)) for key in keys}


def read_npz(path: Path, keys: Iterable[str]) -> dict[str, np.ndarray]:
    """Numeric arrays of an .npz archive, never unpickled."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: _numeric(path, key, archive.get(key)) for key in keys}
    except DataError:
        raise
    except UNREADABLE as error:
        raise damaged(path, error) from error


def read_csv(path: Path, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns by name (as published, spaces around names ignored) as float64; an empty cell is NaN."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error
    head, _, body = text.partition("\n")
    names = [name.strip() for name in head.split(",")]
    missing = [name for name in columns if name not in names]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)} (found {', '.join(names)[:80]}): use the published "
            "file"
        )
    body = re.sub(r",(?=[ \t]*(?:,|\r?\n|$))", ",nan", body)
    if not body.strip():
        raise DataError(f"{path} has a header and no rows: the file is cut short, copy it again")
    try:
        table = np.loadtxt(
            io.StringIO(body), delimiter=",", ndmin=2, usecols=[names.index(c) for c in columns]
        )
    except ValueError as error:
        raise damaged(path, error) from error
    last = body.rstrip().rpartition("\n")[2]
    if last.count(",") != len(names) - 1:
        raise DataError(f"{path} ends in the middle of a row: the file is cut short, copy it again")
    return dict(zip(columns, table.T, strict=True))


def check_times(path: Path, times: np.ndarray, rate: float) -> None:
    """DataError unless `times` (s) advance evenly at `rate` Hz, to a sample and 5 digits (as published)."""
    n = len(times)
    if n < 2 or not np.isfinite(times).all() or times[-1] <= times[0]:
        raise DataError(f"{path} has no rising times in its first column: copy the published file again")
    span = times[-1] - times[0]
    if abs((n - 1) / span / rate - 1) > 1e-3:
        raise DataError(
            f"{path} is sampled at {(n - 1) / span:.4g} Hz, expected {rate:g} Hz: use the published file"
        )
    off = np.abs(times - times[0] - np.arange(n) / rate) > 1 / rate + 1e-4 * span
    if off.any():
        raise DataError(
            f"{path} skips time near {times[off.argmax()]:.2f} s: rows are missing, copy the file again"
        )


def window_count(n: int, rate: float, seconds: float, hop: float) -> int:
    """Windows of `seconds` s every `hop` s in n samples."""
    return max(0, int((n - seconds * rate) // (hop * rate)) + 1)


def check_labels(path: Path, found: int, expected: int, rate: float, unit: str, slack: int = 0) -> None:
    """DataError if `found` labels do not fit the `expected` windows or segments of a signal at `rate` Hz."""
    if abs(found - expected) > slack:
        short = "labels are" if found < expected else "signal is"
        raise DataError(
            f"{path} has {found} labels for {expected} {unit}: the {short} cut short or the signal is not at "
            f"{rate:g} Hz, use the published files"
        )


def damaged(path: Path | str, error: Exception) -> DataError:
    return DataError(f"{path} is cut short or damaged ({error or type(error).__name__}): copy it again")


def read_pickle(path: Path, file: Any = None) -> Any:
    """Containers and arrays of a pickle, also of Python 2 (latin1), read from `file` or all of `path`.

    Raises DataError if the pickle asks for anything else, naming it: pickles can run any program.
    """
    try:
        stream = file or io.BytesIO(path.read_bytes())
        return unpickle.load(stream)
    except unpickle.Refused as error:
        raise DataError(
            f"{path} {error}, which the published file does not: it is not opened, get it from the publisher"
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle raises nearly anything
        raise damaged(path, error) from error


def _numeric(path: Path, key: str, value: Any) -> np.ndarray:
    if value is None:
        raise DataError(f"{path} has no {key!r}: it is cut short or another file, use the published one")
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        raise DataError(f"{path}: {key!r} holds no numbers: use the published file")
    return value
