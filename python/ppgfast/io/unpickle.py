"""Pickles that hold arrays and nothing that could run: how PPG-DaLiA, WESAD and others were published."""

from __future__ import annotations

import pickle
import re
from typing import Any, BinaryIO

import numpy as np

_ARRAYS = frozenset(
    [("numpy", "ndarray"), ("numpy", "dtype")]
    + [
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    ]
)
_PLAIN = frozenset(
    [("builtins", name) for name in ("set", "frozenset", "bytearray", "complex")]
    + [("datetime", name) for name in ("datetime", "date", "time", "timedelta", "timezone")]
)


class Refused(pickle.UnpicklingError):
    """The pickle asks for something that could run code; the message names it."""


def load(file: BinaryIO) -> Any:
    """Containers, arrays, scalars and dates of a pickle, also of Python 2 (latin1).

    Raises `Refused` for anything else, and nearly any exception for damaged bytes.
    """
    return _Unpickler(file, encoding="latin1").load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ARRAYS:
            # numpy 2 moved what older pickles name, and the reverse.
            core = "numpy._core" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "numpy.core"
            return super().find_class(re.sub(r"^numpy\._?core", core, module), name)
        module = module.replace("__builtin__", "builtins")
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):
            return _latin1_bytes
        raise Refused(f"asks for {module}.{name}")


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes; any other codec is refused."""
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"asks for the codec {encoding}")
    return text.encode("latin-1")
