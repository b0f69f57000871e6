"""Variability of heart rate, by NeuroKit2 (extra ``hrv``), from the beats of windows that can be trusted."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .table import Table

TRUSTED = 0.8  # quality of a window whose beats count
FEWEST = 20  # intervals
PLAUSIBLE = (0.27, 2.5)  # s


def variability(beats: Table, windows: Table) -> dict[str, Any]:
    """RMSSD and SDNN (ms) and pNN50 (%) of the intervals of trusted windows, NaN and a reason with fewer than
    20.

    Raises ModuleNotFoundError without NeuroKit2.
    """
    try:
        import neurokit2 as nk
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "hrv=True is computed by NeuroKit2, which is not installed: pip install 'ppgfast[hrv]'"
        ) from error
    t, interval = beats["t"], beats["interval"]
    inside = np.zeros(len(t), bool)
    for start, end in zip(
        *(windows[name][windows["quality"] >= TRUSTED] for name in ("t_start", "t_end")), strict=True
    ):
        first, last = np.searchsorted(t, (start, end))
        inside[first:last] = True
    kept = np.isfinite(interval) & inside & np.append(False, inside[:-1])[: len(t)]
    kept &= (interval > PLAUSIBLE[0]) & (interval < PLAUSIBLE[1])
    found: dict[str, Any] = {
        "RMSSD": np.nan,
        "SDNN": np.nan,
        "pNN50": np.nan,
        "intervals": int(kept.sum()),
        "reason": "ok",
    }
    if found["intervals"] < FEWEST:
        found["reason"] = (
            f"{found['intervals']} intervals in windows of quality {TRUSTED:g}, at least {FEWEST}"
        )
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = nk.hrv_time({"RRI": 1000.0 * interval[kept], "RRI_Time": t[kept]}, sampling_rate=1000)
    return {**found, **{name: float(made[f"HRV_{name}"].iloc[0]) for name in ("RMSSD", "SDNN", "pNN50")}}
