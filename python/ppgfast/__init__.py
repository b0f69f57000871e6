"""Small photoplethysmography models, run fast: ``ppgfast.load(path).predict(windows)``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ppgfast._core import __version__
from ppgfast.errors import ModelFileError, RecordingError, SignalWarning
from ppgfast.model import Model, cpu, load

if TYPE_CHECKING:
    from ppgfast import losses
    from ppgfast.bundled import models
    from ppgfast.io import Recording, read
    from ppgfast.report import ppg_report
    from ppgfast.simulate import Simulation, ppg_simulate
    from ppgfast.verbs import (
        Finding,
        Table,
        ppg_af,
        ppg_check,
        ppg_clean,
        ppg_peaks,
        ppg_plot,
        ppg_process,
        ppg_quality,
        ppg_rate,
    )

__all__ = [
    "Finding",
    "Model",
    "ModelFileError",
    "Recording",
    "RecordingError",
    "SignalWarning",
    "Simulation",
    "Table",
    "__version__",
    "cpu",
    "load",
    "losses",
    "models",
    "ppg_af",
    "ppg_check",
    "ppg_clean",
    "ppg_peaks",
    "ppg_plot",
    "ppg_process",
    "ppg_quality",
    "ppg_rate",
    "ppg_report",
    "ppg_simulate",
    "read",
]


def __getattr__(name: str) -> object:
    # What only some need is loaded when it is asked for: a watch's gateway that only predicts need not wait.
    if name in ("Simulation", "ppg_simulate"):
        from ppgfast import simulate

        return getattr(simulate, name)
    if name in ("Recording", "read"):
        return getattr(import_module("ppgfast.io"), name)
    if name == "models":
        return import_module("ppgfast.bundled").models
    if name == "ppg_report":
        return import_module("ppgfast.report").ppg_report
    if name == "losses":
        return import_module("ppgfast.losses")
    if name in __all__:
        return getattr(import_module("ppgfast.verbs"), name)
    raise AttributeError(f"module 'ppgfast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
