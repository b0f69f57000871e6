"""`ppg_plot`: the result of `ppg_process` as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .signal import Array, Floats
from .table import Table

MOST = 4000  # points of a curve; of more, the highest and the lowest of each group are drawn
INK, BEAT, RATE, GOOD, BAD = "#1b3a4b", "#d1495b", "#00798c", "#30a46c", "#e5484d"


def ppg_plot(
    signals: Table, info: Mapping[str, Any], *, start: float | None = None, end: float | None = None
) -> Any:
    """Waveform with beats, heart rate with its interval, quality and, where there is a model, fibrillation.

    Parameters
    ----------
    signals, info : what `ppg_process` returned.
    start, end : s, the part to show; None is all.

    Returns
    -------
    matplotlib.figure.Figure, of which ``savefig("night.png")`` makes a file; no window opens, no state is
    changed.

    Raises
    ------
    TypeError, ValueError, ModuleNotFoundError
        for something else, for a part without samples, and without matplotlib.
    """
    if not isinstance(signals, Table) or "windows" not in info:
        raise TypeError("expected signals and info as ppg_process returns them: ppg_plot(*ppg_process(...))")
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "ppg_plot draws with matplotlib, which is not installed: pip install 'ppgfast[plot]'"
        ) from error
    time = _times(len(signals), info)
    first = float(time[0]) if start is None and len(time) else float(start or 0.0)
    last = float(time[-1]) if end is None and len(time) else float(end or 0.0)
    shown = (time >= first) & (time <= last)
    if not shown.any():
        raise ValueError(
            f"no sample lies between start = {first:g} s and end = {last:g} s: choose another part"
        )
    windows: Table = info["windows"]
    with_af = bool(np.isfinite(windows["af_probability"]).any())
    figure = Figure(figsize=(11, 6.5 if with_af else 5.5), layout="constrained")
    heights = [2.2, 2.0, 0.8] + [0.8] * with_af
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _draw_wave(axes[0], time[shown], signals, shown)
    middle = 0.5 * (windows["t_start"] + windows["t_end"])
    inside = (middle >= first) & (middle <= last)
    table = Table({name: windows[name][inside] for name in windows.columns})
    _draw_rate(axes[1], middle[inside], table)
    _draw_quality(axes[2], middle[inside], table)
    if with_af:
        axes[3].plot(middle[inside], table["af_probability"], color=INK, lw=1)
        axes[3].set(ylim=(-0.02, 1.02), ylabel="AF")
    axes[-1].set(xlabel="time (s)", xlim=(first, max(last, first + 1e-3)))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _times(n: int, info: Mapping[str, Any]) -> Floats:
    stamps = info["timestamps"]
    return np.asarray(info["start"] + np.arange(n) / info["sampling_rate"] if stamps is None else stamps)


def _draw_wave(axis: Any, time: Floats, signals: Table, shown: Array) -> None:
    clean, peaks = signals["PPG_Clean"][shown], signals["PPG_Peaks"][shown] == 1
    axis.plot(*_thinned(time, clean), color=INK, lw=0.8)
    if peaks.sum() <= MOST // 10:
        axis.plot(time[peaks], clean[peaks], "o", color=BEAT, ms=3.5, label="beat")
        if peaks.any():
            axis.legend(loc="upper right", frameon=False)
    usable = clean[np.isfinite(clean)]
    if len(usable):  # artefacts do not decide the scale
        reach = 3.0 * float(np.quantile(np.abs(usable), 0.95)) or 1.0
        axis.set_ylim(max(-reach, float(usable.min()) * 1.1), min(reach, float(usable.max()) * 1.1) or reach)
    axis.set_ylabel("PPG, 0.5 to 8 Hz")


def _draw_rate(axis: Any, middle: Floats, table: Table) -> None:
    valid = table["valid"]
    rate = np.where(valid, table["hr_bpm"], np.nan)
    low, high = (np.where(valid, table[name], np.nan) for name in ("hr_lo", "hr_hi"))
    axis.fill_between(middle, low, high, color=RATE, alpha=0.2, lw=0, label="90 % of the model's belief")
    axis.plot(middle, rate, color=RATE, lw=1.4, label="heart rate")
    axis.plot(
        middle[~valid],
        table["hr_bpm"][~valid],
        ".",
        color="#b0b0b0",
        ms=3,
        label="not valid" if (~valid).any() else None,
    )
    axis.set_ylabel("bpm")
    if len(middle):
        axis.margins(y=0.25)  # room for the legend
        axis.legend(loc="upper right", frameon=False, ncols=3)


def _draw_quality(axis: Any, middle: Floats, table: Table) -> None:
    quality = table["quality"]
    axis.fill_between(middle, 0, quality, where=table["valid"], step="mid", color=GOOD, alpha=0.7, lw=0)
    axis.fill_between(middle, 0, quality, where=~table["valid"], step="mid", color=BAD, alpha=0.7, lw=0)
    axis.set(ylim=(0, 1.02), ylabel="quality")


def _thinned(x: Floats, y: Array) -> tuple[Floats, Array]:
    """A curve of at most `MOST` points that looks the same: each group's lowest and highest."""
    group = -(-2 * len(y) // MOST)
    n = len(y) // group if group > 1 else 0
    if n < 2:
        return x, y
    parts = np.nan_to_num(y[: n * group].reshape(n, group))
    low, high = parts.argmin(axis=1), parts.argmax(axis=1)
    at = np.sort(np.stack([low, high], axis=1), axis=1) + np.arange(n)[:, None] * group
    return x[at.ravel()], y[at.ravel()]
