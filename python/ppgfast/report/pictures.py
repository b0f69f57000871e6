"""The pictures of a report, as SVG in the colours of the page, which a dark screen changes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ppgfast.verbs.signal import Array, Floats
from ppgfast.verbs.table import Table

from .facts import FIBRILLATION, Clock

POINTS = 600  # of a curve
BINS = 20  # of quality
USUAL = (40.0, 120.0)  # bpm, of an axis without a heart rate
# Colours that stand for a variable of the page's style: one picture for a light and for a dark screen.
PALETTE = {
    "#111101": "ink",
    "#111102": "soft",
    "#111103": "line",
    "#111104": "rate",
    "#111105": "good",
    "#111106": "bad",
    "#111107": "beat",
}
INK, SOFT, LINE, RATE, GOOD, BAD, BEAT = PALETTE
STYLE: Any = {  # of matplotlib, which types its keys as a closed list
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlecolor": SOFT,
    "figure.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "ppgfast",
}


def trend(windows: Table, af: Table | None, clock: Clock) -> str:
    """Heart rate with its interval, quality and, with a model for it, fibrillation, over the recording."""
    figure = Figure(figsize=(10, 5.0 if af is None else 6.0), layout="constrained")
    heights = [3.0, 1.0] if af is None else [3.0, 1.0, 1.0]
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    unit, name = _unit(windows)
    middle = (0.5 * (windows["t_start"] + windows["t_end"]) - clock.origin) / unit
    valid = windows["valid"]
    at = binned(middle)
    rate, low, high = (binned(np.where(valid, windows[c], np.nan)) for c in ("hr_bpm", "hr_lo", "hr_hi"))
    axes[0].fill_between(at, low, high, color=RATE, alpha=0.22, lw=0, label="90 % interval of the model")
    axes[0].plot(at, rate, color=RATE, lw=1.3, marker="." if len(at) < 60 else None, label="heart rate")
    axes[0].set_ylabel("bpm")
    axes[0].margins(y=0.2)  # room for the legend
    if not np.isfinite(rate).any():
        axes[0].set_ylim(USUAL)
    axes[0].legend(loc="upper right", ncols=2)
    quality, share = binned(windows["quality"]), binned(valid.astype(np.float64), np.nanmean)
    for colour, those in ((GOOD, share >= 0.5), (BAD, share < 0.5)):
        axes[1].fill_between(at, 0, quality, where=those, step="mid", color=colour, alpha=0.75, lw=0)
    axes[1].set(ylim=(0, 1.02), ylabel="quality")
    if af is not None:
        middle = (0.5 * (af["t_start"] + af["t_end"]) - clock.origin) / unit
        axes[2].plot(binned(middle), binned(af["af_probability"]), color=BEAT, lw=1.1)
        axes[2].axhline(FIBRILLATION, color=SOFT, lw=0.8, ls="--")
        axes[2].set(ylim=(-0.02, 1.02), ylabel="AF")
    axes[-1].set_xlabel(f"time ({name})")
    return svg(figure, "trend")


def rates(windows: Table) -> str:
    """How often which heart rate, of valid windows."""
    rate = windows["hr_bpm"][windows["valid"]]
    rate = rate[np.isfinite(rate)]
    width = 2.0 if len(rate) and np.ptp(rate) <= 60 else 5.0
    low, high = (rate.min(), rate.max()) if len(rate) else USUAL
    first, last = np.floor(low / width), np.floor(high / width) + 1
    figure = Figure(figsize=(4.9, 2.9), layout="constrained")
    axis = figure.subplots()
    weights = np.full(len(rate), 100.0 / max(len(rate), 1))
    axis.hist(
        rate, bins=(width * np.arange(first, last + 1)).tolist(), weights=weights, color=RATE, rwidth=0.92
    )
    axis.set(xlabel=f"heart rate (bpm, steps of {width:g})", ylabel="% of valid windows")
    if not len(rate):
        axis.set_ylim(0, 100)
    return svg(figure, "rates")


def qualities(windows: Table) -> str:
    """How often which quality, of all windows; coloured by what most windows of a bar are."""
    edges = np.linspace(0, 1, BINS + 1)
    of = np.minimum((windows["quality"] * BINS).astype(np.int64), BINS - 1)
    counts = [np.bincount(of[valid], minlength=BINS) for valid in (windows["valid"], ~windows["valid"])]
    figure = Figure(figsize=(4.9, 2.9), layout="constrained")
    axis = figure.subplots()
    below: Floats = np.zeros(BINS)
    for count, colour, label in zip(counts, (GOOD, BAD), ("valid", "not valid"), strict=True):
        share = 100.0 * count / max(len(windows), 1)
        axis.bar(edges[:-1], share, 0.92 / BINS, below, align="edge", color=colour, alpha=0.85, label=label)
        below = below + share
    axis.set(xlabel="quality: the chance of being within 5 bpm", ylabel="% of windows", xlim=(0, 1))
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return svg(figure, "qualities")


def waveforms(
    name: str, rows: Sequence[int], windows: Table, signals: Table, time: Floats, clock: Clock
) -> str:
    """The cleaned PPG of some windows with the beats found in it."""
    figure = Figure(figsize=(10, 1.55 * len(rows) + 0.3), layout="constrained")
    for axis, row in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
        start, end = float(windows["t_start"][row]), float(windows["t_end"][row])
        part = slice(*np.searchsorted(time, (start, end)))
        at, wave = time[part] - start, signals["PPG_Clean"][part]
        _wave(axis, at, wave, signals["PPG_Peaks"][part] == 1)
        axis.set_title(f"{clock(start)} · {_answer(windows, row)}quality {windows['quality'][row]:.2f}")
        axis.set_xlim(0, end - start)
    axis.set_xlabel("s of the window")
    return svg(figure, name)


def _answer(windows: Table, row: int) -> str:
    rate, std = windows["hr_bpm"][row], windows["hr_std"][row]
    spread = f" ± {std:.0f}" if np.isfinite(std) else ""
    return f"{rate:.0f}{spread} bpm · " if np.isfinite(rate) else ""


def _wave(axis: Axes, at: Floats, wave: Array, beat: Array) -> None:
    step = -(-len(at) // (2 * POINTS))  # 4 kHz draws as well as 80 Hz
    axis.plot(at[::step], wave[::step], color=INK, lw=1.0)
    axis.plot(at[beat], wave[beat], "o", color=BEAT, ms=4)
    axis.set_yticks([])


def _unit(windows: Table) -> tuple[float, str]:
    span = float(windows["t_end"][-1] - windows["t_start"][0])
    return (1.0, "s") if span <= 600 else (60.0, "min") if span <= 3 * 3600 else (3600.0, "h")


def binned(values: Floats, how: Any = np.nanmedian) -> Floats:
    """A curve of at most `POINTS`: each the median of as many values, without those that are NaN."""
    group = -(-len(values) // POINTS)
    padded = np.pad(values, (0, -len(values) % group), constant_values=np.nan).reshape(-1, group)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NaN of nothing but NaN is what is wanted
        return np.asarray(how(padded, axis=1))


def svg(figure: Figure, name: str) -> str:
    """The figure as an inline element: ids of its own, text in the page's font, colours of the page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    drawing = text.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", drawing)
    for colour, variable in PALETTE.items():
        drawing = drawing.replace(colour, f"var(--{variable})")
    return drawing.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def drawn(draw: Any, *arguments: Any) -> str:
    """A picture in the style of the page; no state of matplotlib is changed."""
    with matplotlib.rc_context(STYLE):
        return str(draw(*arguments))
