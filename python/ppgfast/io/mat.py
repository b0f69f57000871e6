"""MATLAB 5 files: their arrays of numbers, as in NPZ; rows of a matrix are named `sig.0`, `sig.1`, ..."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from ppgfast.errors import RecordingError

from .arrays import from_arrays
from .recording import Content

_NOT_ARRAYS = frozenset(("struct", "cell", "object", "function", "opaque"))


def content(path: Path, kind: str, limit: int) -> Content:
    from scipy.io import loadmat, whosmat

    with path.open("rb") as file:
        listed = whosmat(file)
    promised = 8 * sum(prod(shape) for _, shape, _ in listed)
    if promised > limit:
        raise RecordingError(
            f"{path.name}: it unpacks to {promised:,} bytes, allowed are {limit:,}: give max_bytes="
        )
    names = [name for name, _, kind_of in listed if kind_of not in _NOT_ARRAYS]
    with path.open("rb") as file:
        arrays = loadmat(file, variable_names=names, squeeze_me=True)
    return from_arrays(path, "matlab", {name: np.asarray(arrays[name]) for name in names})
