"""Pickles that hold arrays and nothing that could run: how PPG-DaLiA, WESAD and others were published."""

from __future__ import annotations

import pickle
import pickletools
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
    [("builtins", name) for name in ("set", "frozenset", "complex")]
    + [("datetime", name) for name in ("datetime", "date", "time", "timedelta", "timezone")]
)


class Refused(pickle.UnpicklingError):
    """The pickle asks for something that could run code; the message names it."""


def load(file: BinaryIO) -> Any:
    """Containers, arrays, scalars and dates of a pickle, also of Python 2 (latin1).

    Raises `Refused` for anything else, and nearly any exception for damaged bytes.
    """
    start = file.tell()
    _check_sizes(file)
    file.seek(start)
    return _Unpickler(file, encoding="latin1").load()


def _check_sizes(file: BinaryIO) -> None:
    """Reads all opcodes with their arguments, and does nothing with them.

    Lengths beyond the end of the file raise ValueError here. The unpickler itself would first allocate what
    they promise, and for a memo number as many places.
    """
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not 0 <= int(argument or 0) <= count:
            raise ValueError(f"memo {argument} after {count} opcodes")


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ARRAYS:
            # numpy 2 moved what older pickles name, and the reverse.
            core = "numpy._core" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "numpy.core"
            return super().find_class(re.sub(r"^numpy\._?core", core, module), name)
        module = module.replace("__builtin__", "builtins")
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if (module, name) == ("builtins", "bytearray"):
            return _bytearray
        if (module, name) == ("_codecs", "encode"):
            return _latin1_bytes
        raise Refused(f"asks for {module}.{name}")


def _bytearray(content: bytes | str = b"", encoding: str = "latin1") -> bytearray:
    """How a bytearray is written; of a number it would be that many zeros."""
    if isinstance(content, str):
        return bytearray(_latin1_bytes(content, encoding))
    if not isinstance(content, bytes):
        raise Refused(f"asks for a bytearray of {content!r}")
    return bytearray(content)


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes; any other codec is refused."""
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"asks for the codec {encoding}")
    return text.encode("latin-1")
