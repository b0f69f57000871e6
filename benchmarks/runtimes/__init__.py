"""The runtimes compared, one module each.

A module states
    TITLE       its name for people
    MODULE      what to import to know that it is installed
    PACKAGE     the distribution whose version is recorded
    PRECISIONS  "f32", and "s8" where it can
    SUFFIX      of its graph files
and two functions:
    convert(case, precision, path)  writes the graph; runs in a process of its own, may import anything.
    load(path, case, precision)     opens it and returns windows (B, N, P) -> outputs (B, C); imports what a
                                    user of the runtime would and no more: new processes are timed with it.
Both raise `Unavailable` with the reason where something is missing. The modules import their runtime inside
these functions, so that naming one costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

NAMES = (
    "ppgfast",
    "litert",
    "openvino",
    "onnxruntime",
    "executorch",
    "torch_compile",
    "torch_tuned",
    "torch_eager",
)

Predict = Callable[[Any], Any]


class Unavailable(Exception):  # noqa: N818  (no mistake was made)
    """Why a runtime cannot take part."""


def find(name: str) -> ModuleType:
    """The module of a runtime."""
    if name not in NAMES:
        raise ValueError(f"unknown runtime {name!r}: expected one of {', '.join(NAMES)}")
    return import_module(f"benchmarks.runtimes.{name}")


def need(module: str, remedy: str = "pip install '.[bench-peers]'") -> None:
    """Raise `Unavailable` where `module` cannot be imported."""
    package = module.split(".")[0]
    if find_spec(package) is None:
        raise Unavailable(f"{package} is not installed: {remedy}")
