"""Open a model file and run it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ppgfast import _core
from ppgfast._core import Model

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Model", "cpu", "load"]


def load(path: str | os.PathLike[str] | bytes, *, isa: str | None = None) -> Model:
    """Open a model file.

    Parameters
    ----------
    path : a ``.ppgf`` file, its bytes, or the name of a bundled model, one of ``ppgfast.models()``.
    isa : kernel table to use, one of ``cpu()["isas"]``; None takes the environment variable
        ``PPGFAST_FORCE_ISA`` and without it the fastest that this CPU runs.

    Raises
    ------
    ModelFileError
        if the file is missing, damaged or something else; it names the first check that failed.
    ValueError
        if the kernel table is unknown or this CPU cannot run it.
    """
    if isinstance(path, bytes):
        return _core.open_bytes(path, isa)
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path is a {type(path).__name__}, expected a path to a .ppgf file or its bytes")
    name = os.fsdecode(path)
    if not name.endswith(".ppgf"):
        from ppgfast.bundled import file_of  # pathlib: who names a file need not wait for it

        name = file_of(name)
    return _core.open_file(name, isa)


def reduced(model: Model) -> tuple[Callable[[bytes, str | None], Model], tuple[bytes, str | None]]:
    """What pickle keeps of a model: the bytes of its file, so that it opens on any machine.

    Raises
    ------
    ValueError
        if the file is not the one any more that the model was loaded from.
    """
    source, isa = _core.source(model)
    if isinstance(source, bytes):
        return _opened, (source, isa)
    from pathlib import Path

    data = Path(source).read_bytes()
    again = _core.open_bytes(data, model.info["isa"])
    probe = np.sin(np.arange(model.info["input"]["window"], dtype=np.float32))
    if model.info["input"]["channels"] > 1:
        probe = np.tile(probe, (model.info["input"]["channels"], 1))
    # The same bits of an answer are the same weights.
    if again.info != model.info or not np.array_equal(
        again.predict(probe), model.predict(probe), equal_nan=True
    ):
        raise ValueError(f"{source} has changed since the model was loaded: load it again, then pickle it")
    return _opened, (data, isa)


def _opened(data: bytes, isa: str | None) -> Model:
    return _core.open_bytes(data, isa)


def cpu() -> dict[str, object]:
    """Kernel tables of this build: ``isas`` (name -> whether this CPU runs it) and the one ``selected``.

    Raises
    ------
    ValueError
        if ``PPGFAST_FORCE_ISA`` names a table that is unknown or that this CPU cannot run.
    """
    return {"isas": _core.isas(), "selected": _core.selected_isa(os.environ.get("PPGFAST_FORCE_ISA", ""))}
