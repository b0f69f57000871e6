"""PPG-DaLiA and WESAD: a pickled dict with the wrist's BVP at 64 Hz and ACC at 32 Hz."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ppgfast.errors import RecordingError

from . import unpickle
from .recording import Array, Content, split

RATE, ACC_RATE = 64.0, 32.0


def content(path: Path, kind: str, limit: int) -> Content:
    with path.open("rb") as file:
        try:
            held = unpickle.load(file)
        except unpickle.Refused as error:
            raise RecordingError(
                f"{path.name}: it {error}, which could run code: not opened; get the published file, or "
                "save NPZ"
            ) from None
    signal = held.get("signal") if isinstance(held, Mapping) else None
    wrist = signal.get("wrist") if isinstance(signal, Mapping) else None
    if not isinstance(wrist, Mapping) or "BVP" not in wrist:
        raise RecordingError(
            f"{path.name}: it is a pickle without signal, wrist, BVP: expected a subject of PPG-DaLiA or "
            "WESAD; save others as NPZ"
        )
    channels = split("BVP", _samples(path, wrist["BVP"], "BVP"), rate=RATE)
    if "ACC" in wrist:
        channels += split("ACC", _samples(path, wrist["ACC"], "ACC"), rate=ACC_RATE)
    axes = ("ACC.x", "ACC.y", "ACC.z")
    return Content(
        "ppg_dalia" if "activity" in held else "wesad",
        tuple(channels),
        ppg="BVP",
        acc=axes if axes[0] in {c.name for c in channels} else None,
    )


def _samples(path: Path, values: Any, name: str) -> Array:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or values.ndim not in (1, 2):
        raise RecordingError(f"{path.name}: its {name} holds no samples: use the published file")
    return values.astype(np.float64)
