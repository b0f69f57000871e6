"""Stanford AF (DeepBeat): 25 s wrist PPG segments with and without atrial fibrillation."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from .errors import DataError
from .files import UNREADABLE, damaged, find, read_npz, read_pickle
from .recording import DataSet, PerSegment, Record, Recording

RATE = 32.0
SAMPLES = 800
LAYOUT = "train.npz, validate.npz and test.npz"
QUALITY = {0: "poor quality", 1: "acceptable quality", 2: "excellent quality"}

# Segments per recording: 50 MB, where a whole file can be larger than memory.
BLOCK = 8192


def records(folder: Path, channel: str | None = None) -> dict[str, Record]:
    found = find(folder, ("train.npz", "validate.npz", "test.npz"), LAYOUT)
    return {path.stem: Record((path,), partial(_read, path)) for path in found}


def _read(path: Path) -> Iterator[Recording]:
    """Blocks of a file: signal (S, 800, 1) at 32 Hz, rhythm (S, 2) one-hot with AF second, qa_label (S, 3)
    one-hot from poor to excellent, parameters (S, 3) with the person's id last."""
    one_hot = read_npz(path, ["rhythm", "qa_label"])
    n = _segments(path)
    rhythm, quality = (_class(path, key, one_hot[key], n, k) for key, k in (("rhythm", 2), ("qa_label", 3)))
    person = _people(path, n)
    for start, signal in _blocks(path):
        block = slice(start, start + len(signal))
        yield Recording(
            name=path.stem,
            subject=person[block],
            source=path,
            ppg=signal[..., 0],
            sampling_rate=RATE,
            labels={"af": PerSegment(rhythm[block])},
            activity=PerSegment(quality[block]),
            segment_starts=np.arange(start, start + len(signal)) * (SAMPLES / RATE),
        )


def _segments(path: Path) -> int:
    with _member(path, "signal") as (_, shape, _):
        if len(shape) != 3 or shape[1:] != (SAMPLES, 1):
            raise DataError(
                f"{path}: signal is {shape}, expected (segments, {SAMPLES}, 1), 25 s at {RATE:g} Hz: use the "
                "published file"
            )
        return shape[0]


def _blocks(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    with _member(path, "signal") as (file, shape, dtype):
        for start in range(0, shape[0], BLOCK):
            size = (min(BLOCK, shape[0] - start), *shape[1:])
            data = file.read(int(np.prod(size)) * dtype.itemsize)
            yield start, np.frombuffer(data, dtype).reshape(size).astype(np.float64)


def _class(path: Path, key: str, values: np.ndarray, n: int, kinds: int) -> np.ndarray:
    """(n,) number of the kind that a one-hot (n, kinds) array marks."""
    if values.shape != (n, kinds):
        raise DataError(
            f"{path}: {key} is {values.shape}, expected {(n, kinds)}: it is cut short, copy it again"
        )
    if not (np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all()):
        raise DataError(f"{path}: {key} does not mark one kind per segment: use the published file")
    return values.argmax(axis=1)


def _people(path: Path, n: int) -> list[str]:
    """Id of each segment's person, the last column of `parameters`, which is published as a pickled array."""
    with _member(path, "parameters") as (file, shape, dtype):
        if shape != (n, 3):
            raise DataError(
                f"{path}: parameters are {shape}, expected {(n, 3)}: they are cut short, copy it again"
            )
        if dtype.hasobject:
            table = read_pickle(path, io.BytesIO(file.read()))
        else:
            table = np.frombuffer(file.read(), dtype).reshape(shape)
        return [str(row[2]) for row in table]


@contextmanager
def _member(path: Path, key: str) -> Iterator[tuple[IO[bytes], tuple[int, ...], np.dtype]]:
    """An open array, behind its header, with its shape and dtype; DataError if reading it fails."""
    try:
        with zipfile.ZipFile(path) as archive:
            if f"{key}.npy" not in archive.namelist():
                raise DataError(f"{path} has no {key!r}: use the published file")
            with archive.open(f"{key}.npy") as file:
                version = npy.read_magic(file)
                header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, fortran, dtype = header(file)
                if fortran and len(shape) > 1:
                    raise DataError(f"{path}: {key} is stored column by column: use the published file")
                yield file, shape, dtype
    except DataError:
        raise
    except UNREADABLE as error:
        raise damaged(path, error) from error


DATA_SET = DataSet(
    name="stanford_af",
    title="Stanford wearable photoplethysmography data set (DeepBeat)",
    tasks=("af",),
    sampling_rate=RATE,
    layout=LAYOUT,
    licence="terms of the Synapse repository; research use with citation",
    citation="J. Torres-Soto, E. A. Ashley, Multi-task deep learning for cardiac rhythm detection in "
    "wearable devices, npj Digit. Med. 3, 116, 2020, doi:10.1038/s41746-020-00320-4",
    records=records,
    activities=QUALITY,
    gaps=True,
    window=(25.0, 25.0),
    note="activity is the published signal quality. One record per published part; whether its segments "
    "follow each other is not documented: t_start counts them, 25 s each.",
)
