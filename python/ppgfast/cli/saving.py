"""Results as JSON and as files, for worker processes too: nothing here needs a terminal."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO


def finite(value: Any) -> Any:
    """A value as JSON can hold it: NaN and infinities become null."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def json_text(value: Any, *, indent: int | None = 2) -> str:
    return json.dumps(finite(value), indent=indent, allow_nan=False, ensure_ascii=False)


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """`path` holds either its old bytes or all the new ones, also after a kill or a power cut."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
