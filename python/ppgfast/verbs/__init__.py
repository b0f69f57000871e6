"""The verbs: arrays in, tables out."""

from .beats import ppg_peaks
from .guard import Finding, ppg_check
from .plot import ppg_plot
from .process import ppg_clean, ppg_process
from .rate import ppg_af, ppg_quality, ppg_rate
from .table import Table

__all__ = [
    "Finding",
    "Table",
    "ppg_af",
    "ppg_check",
    "ppg_clean",
    "ppg_peaks",
    "ppg_plot",
    "ppg_process",
    "ppg_quality",
    "ppg_rate",
]
