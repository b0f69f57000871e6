"""HDF5: every array of numbers in the file, found by walking it; links out of the file are not followed.

libhdf5 does the reading in a process of its own, which may take its time but not for ever: damaged files
make it loop or crash.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ppgfast.errors import RecordingError

from . import names
from .recording import Array, Channel, Content

MAX_COLUMNS = 64
PATIENCE = 20.0  # s, beyond the time that the bytes need at SLOWEST
SLOWEST = 5e6  # bytes/s


def content(path: Path, kind: str, limit: int) -> Content:
    answer, _ = _child(path, "list")
    channels: list[Channel] = []
    rates = _by_letters(answer["numbers"])
    for array in answer["arrays"]:
        name, n = array["name"], int(np.prod(array["shape"], dtype=object))
        if array["elsewhere"]:
            raise RecordingError(f"{path.name}: {name!r} keeps its samples in another file: not opened")
        if array["value"] is not None:
            rates[names.letters(name.rsplit("/", 1)[-1])] = array["value"]
        elif n * max(array["itemsize"], 8) > limit:
            raise RecordingError(
                f"{path.name}: {name!r} promises {n:,} samples, allowed are {limit // 8:,}: give max_bytes="
            )
        else:
            channels += _channels(path, array)
    return Content(
        "hdf5",
        tuple(channels),
        table=True,
        rate=next((rates[key] for key in rates if key in names.RATE_NAMES), None),
        acc_rate=next((rates[key] for key in rates if key in names.ACC_RATE_NAMES), None),
    )


def _channels(path: Path, array: dict[str, Any]) -> list[Channel]:
    """The columns of one array: (n,), or (n, k) and (k, n), of which the longer axis is time."""
    name, shape, own = array["name"], array["shape"], _by_letters(array["numbers"])
    rate = next((own[key] for key in own if key in names.RATE_NAMES), None)
    if len(shape) not in (1, 2) or (len(shape) == 2 and min(shape) > MAX_COLUMNS):
        return []
    n, k = max(shape), min(shape) if len(shape) == 2 else 1
    labels = "xyz" if k == 3 else [str(i) for i in range(k)]
    return [
        Channel(
            f"{name}.{label}" if k > 1 else name,
            n,
            partial(_column, path, name, i),
            rate=rate,
            units=array["units"],
        )
        for i, label in enumerate(labels)
    ]


def _column(path: Path, name: str, index: int) -> Array:
    values = _array(path, name, path.stat().st_mtime_ns)
    if values.ndim == 2:
        values = values[:, index] if values.shape[0] >= values.shape[1] else values[index]
    return values


@lru_cache(maxsize=1)
def _array(path: Path, name: str, changed: int) -> Array:
    """One whole array; the last is kept, because its columns are asked for one after the other."""
    answer, data = _child(path, "read", name)
    return np.frombuffer(data, dtype=np.dtype(answer["dtype"])).reshape(answer["shape"])


def _child(path: Path, *arguments: str) -> tuple[dict[str, Any], bytes]:
    what, *rest = arguments
    command = [sys.executable, str(Path(__file__).with_name("hdf5_child.py")), what, str(path), *rest]
    patience = PATIENCE + path.stat().st_size / SLOWEST
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=patience, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        raise RecordingError(
            f"{path.name}: libhdf5 does not come to an end with it: it is damaged, copy it again"
        ) from None
    if done.returncode != 0:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["libhdf5 crashed"])[-1]
        raise RecordingError(f"{path.name}: its hdf5 is cut short or damaged ({last[:200]}): copy it again")
    head, _, data = done.stdout.partition(b"\n")
    answer: dict[str, Any] = json.loads(head)
    if "error" in answer:
        raise RecordingError(f"{path.name}: {answer['error']}")
    return answer, data


def _by_letters(numbers: dict[str, float]) -> dict[str, float]:
    return {names.letters(key): value for key, value in numbers.items()}
