"""The pictures of the demo's report: each takes `Results` and gives a matplotlib figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from training.data.windows import WindowSet
from training.metrics import Interval, bootstrap, mae
from training.runs import RunResult

TRUTH = "#1b1f24"
COLOURS = {"peak": "#8a96a3", "alone": "#d9822b", "distilled": "#0b7fab", "teacher": "#7a4fb5"}
TINTS = ("#ffffff", "#eef2f6", "#dde5ed", "#c9d6e2")  # background of each level of motion, the calmest first
STYLE: Any = {  # of matplotlib, which types its keys as a closed list
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": "#9aa4af",
    "axes.labelcolor": "#3a424b",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6eaee",
    "grid.linewidth": 0.8,
    "xtick.color": "#5a646e",
    "ytick.color": "#5a646e",
    "text.color": TRUTH,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "ppgfast",
}
BPM_SPAN = (35.0, 215.0)  # what the spectral peak can answer, and a little more
TERMS = ("supervised", "prediction", "feature", "morphology", "rhythm")


@dataclass(frozen=True)
class Timing:
    """Time of one call in ms: median and quartiles."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Answer:
    """What one engine made of the held-out windows."""

    bpm: NDArray[np.float32]  # (n,)
    mae: Interval  # bpm, 95 % interval over subjects
    latency: Timing


@dataclass(frozen=True)
class Contender:
    """One row of the table."""

    key: str  # of COLOURS
    name: str
    network: str
    parameters: int | None
    bytes: int | None
    python: Answer  # torch eager; numpy and scipy for the spectral peak
    core: Answer | None  # the C++ core

    @property
    def final(self) -> Answer:
        """The answer that a user gets."""
        return self.core or self.python


@dataclass(frozen=True)
class Results:
    """All that the pictures show; n held-out windows in the order of `rows`."""

    contenders: tuple[Contender, ...]
    windows: WindowSet
    rows: NDArray[np.int64]  # (n,)
    groups: tuple[str, ...]  # levels of motion, or data sets
    group: NDArray[np.int64]  # (n,) index into groups
    runs: dict[str, RunResult]  # by key of COLOURS
    gain: Interval  # MAE of the distilled student minus that of the student alone, bpm

    @property
    def truth(self) -> NDArray[np.float32]:
        """bpm (n,)."""
        return self.windows.label[self.rows]

    @property
    def subject(self) -> NDArray[np.int32]:
        """(n,)."""
        return self.windows.subject[self.rows]

    def contender(self, key: str) -> Contender:
        return next(one for one in self.contenders if one.key == key)

    def error(self, key: str) -> NDArray[np.float32]:
        """Absolute error (n,) in bpm."""
        return np.abs(self.contender(key).final.bpm - self.truth)


def signals(results: Results) -> Figure:
    """Held-out windows with truth and answers: of each group one of usual and one of large error."""
    groups = [k for k in range(len(results.groups)) if (results.group == k).any()]
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.05)
    figure = Figure(figsize=(10, 1.9 * len(groups) + 0.5), layout=layout)
    grid = figure.add_gridspec(len(groups), 2)
    for row, group in enumerate(groups):
        for column, (percent, what) in enumerate(((50, "median error"), (90, "90th percentile of error"))):
            inner = grid[row, column].subgridspec(2, 1, height_ratios=(5, 2), hspace=0.02)
            place = window_at(results, group, percent)
            _signal(figure.add_subplot(inner[0]), results, place, what)
            _answers(figure.add_subplot(inner[1]), results, place, label=row == len(groups) - 1)
    figure.legend(handles=_legend(results), loc="outside upper center", ncols=5, fontsize=9)
    return figure


def window_at(results: Results, group: int, percent: float) -> int:
    """The window of a group whose error, of the distilled student, is nearest to that percentile."""
    places = np.flatnonzero(results.group == group)
    error = results.error("distilled")[places]
    return int(places[np.argmin(np.abs(error - np.percentile(error, percent)))])


def _signal(axes: Axes, results: Results, place: int, what: str) -> None:
    x = results.windows.ppg[results.rows[place]]
    time = np.arange(len(x)) / results.windows.sampling_rate
    axes.plot(time, (x - x.min()) / max(float(np.ptp(x)), 1e-9), color=TRUTH, linewidth=1.1)
    axes.set(xlim=(0, time[-1]), yticks=[], xticks=np.arange(0, time[-1] + 1, 2))
    axes.tick_params(labelbottom=False, length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(
        f"{results.groups[results.group[place]]}  ·  {results.truth[place]:.0f} bpm", weight="bold"
    )
    axes.set_title(what, loc="right", color="#5a646e")


def _answers(axes: Axes, results: Results, place: int, label: bool) -> None:
    """The answers on a scale of heart rates, the truth as a line."""
    axes.axvline(results.truth[place], color=TRUTH, linewidth=2.2)
    for height, one in enumerate(reversed(results.contenders)):
        axes.plot(one.final.bpm[place], height, "o", color=COLOURS[one.key], markersize=5.5, clip_on=False)
    axes.set(xlim=BPM_SPAN, ylim=(-0.9, len(results.contenders) - 0.1), yticks=[])
    axes.set_xticks(range(40, 211, 20))
    axes.tick_params(labelsize=8, length=2)
    axes.spines["left"].set_visible(False)
    if label:
        axes.set_xlabel("heart rate (bpm)")


def over_time(results: Results) -> Figure:
    """Heart rate of two held-out subjects: one of usual and one of large error."""
    chosen = [(subject_at(results, 50), "median error"), (subject_at(results, 90), "large error")]
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    grid = figure.subplots(2, 1)
    hop = results.windows.manifest["hop"] / results.windows.sampling_rate  # s
    for axes, (subject, what) in zip(grid, chosen, strict=True):
        places = np.flatnonzero(results.subject == subject)
        start = results.windows.t_start[results.rows[places]]
        places, start = places[np.argsort(start)], np.sort(start)
        middle = start + results.windows.window / results.windows.sampling_rate / 2
        _shade(axes, results, places, middle)
        keys = ("peak", "distilled")
        peak, distilled = (results.contender(key).final.bpm[places] for key in keys)
        axes.plot(middle, peak, "o", color=COLOURS["peak"], markersize=3.5, label="spectral peak")
        for values, colour, width, label in (
            (results.truth[places], TRUTH, 2.0, "truth"),
            (distilled, COLOURS["distilled"], 1.6, "distilled"),
        ):
            pieces = broken(middle, values, 1.5 * hop)
            axes.plot(*pieces, color=colour, linewidth=width, label=label)
        errors = (float(results.error(key)[places].mean()) for key in keys)
        said = "MAE: spectral peak {:.1f}, distilled {:.1f} bpm".format(*errors)
        axes.set_title(f"{results.windows.manifest['subjects'][subject]}  ·  {what}", weight="bold")
        axes.set_title(said, loc="right", color="#5a646e")
        axes.set(xlim=(middle[0], middle[-1]), ylabel="heart rate (bpm)")
    grid[-1].set_xlabel("time in the recording (s)")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def broken(x: NDArray, y: NDArray, longest: float) -> tuple[NDArray, NDArray]:
    """Points of a line that is broken where x advances by more than `longest`."""
    gaps = np.flatnonzero(np.diff(x) > longest) + 1
    return np.insert(x.astype(float), gaps, np.nan), np.insert(y.astype(float), gaps, np.nan)


def subject_at(results: Results, percent: float) -> int:
    """The held-out subject whose mean error, of the distilled student, is nearest to that percentile.

    Chosen among the half with most windows, and there among those who do more than one thing, if any do.
    """
    error = results.error("distilled")
    subjects, counts = np.unique(results.subject, return_counts=True)
    long = subjects[counts >= np.median(counts)]
    moved = [s for s in long if len(np.unique(results.group[results.subject == s])) > 1]
    candidates = np.array(moved or long)
    means = np.array([error[results.subject == s].mean() for s in candidates])
    return int(candidates[np.argmin(np.abs(means - np.percentile(means, percent)))])


def _shade(axes: Axes, results: Results, places: NDArray, middle: NDArray) -> None:
    """Tint the background by what the subject does, and name it."""
    group = results.group[places]
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1), len(group)]
    for first, last in pairwise(edges):
        left = middle[first]
        right = middle[last] if last < len(middle) else middle[-1]
        level = group[first]
        axes.axvspan(left, right, color=TINTS[min(level, len(TINTS) - 1)], linewidth=0, zorder=0)
        if right - left > 0.08 * (middle[-1] - middle[0]):
            name = results.groups[level]
            axes.text(
                left + 2, 0.98, name, transform=axes.get_xaxis_transform(), va="top", size=8, color="#5a646e"
            )


def against_truth(results: Results) -> Figure:
    """Every held-out window: answer against truth, one panel for each contender."""
    figure = Figure(figsize=(10, 2.95), layout="constrained")
    grid = figure.subplots(1, len(results.contenders), sharex=True, sharey=True)
    for axes, one in zip(grid, results.contenders, strict=True):
        axes.plot(BPM_SPAN, BPM_SPAN, color=TRUTH, linewidth=0.9)
        axes.scatter(
            results.truth,
            one.final.bpm,
            s=5,
            color=COLOURS[one.key],
            alpha=0.35,
            linewidths=0,
            rasterized=True,
        )
        axes.set(xlim=BPM_SPAN, ylim=BPM_SPAN, aspect="equal")
        axes.set_xticks(range(50, 201, 50))
        axes.set_yticks(range(50, 201, 50))
        axes.set_title(one.name, weight="bold", color=COLOURS[one.key])
        axes.set_title(f"MAE {one.final.mae.value:.1f}", loc="right", color="#5a646e")
    figure.supxlabel("true heart rate (bpm)", size=9)
    grid[0].set_ylabel("answer (bpm)")
    return figure


def by_group(results: Results) -> Figure:
    """Mean absolute error in each group, with its interval over subjects."""
    present = [k for k in range(len(results.groups)) if (results.group == k).any()]
    figure = Figure(figsize=(10, 3.1), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(results.contenders)
    for i, one in enumerate(results.contenders):
        for x, k in enumerate(present):
            chosen = results.group == k
            error = bootstrap(
                mae, one.final.bpm[chosen], results.truth[chosen], subjects=results.subject[chosen], n=500
            )
            at = x + (i - (len(results.contenders) - 1) / 2) * width
            axes.bar(at, error.value, 0.88 * width, color=COLOURS[one.key])
            if np.isfinite(error.low):
                axes.plot([at, at], [error.low, error.high], color=TRUTH, linewidth=1)
            top = error.high if np.isfinite(error.high) else error.value
            axes.annotate(
                f"{error.value:.1f}", (at, top), (0, 3), textcoords="offset points", ha="center", size=8
            )
    counts = [int((results.group == k).sum()) for k in present]
    axes.set_xticks(
        range(len(present)),
        [f"{results.groups[k]}\n{n:,} windows" for k, n in zip(present, counts, strict=True)],
    )
    axes.set_ylabel("mean absolute error (bpm)")
    axes.grid(axis="x", visible=False)
    figure.legend(handles=_legend(results, truth=False), loc="outside upper center", ncols=4)
    return figure


def learning(results: Results) -> Figure:
    """Validation error of the three networks, and each loss term of the distillation, by epoch."""
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    grid = figure.subplots(2, 3).ravel()
    for key in ("alone", "distilled", "teacher"):
        history = results.runs[key].history
        curve(grid[0], history, "validation.mae_bpm", COLOURS[key], results.contender(key).name)
    grid[0].set_title("error on validation subjects", weight="bold")
    grid[0].set_ylabel("MAE (bpm)")
    grid[0].legend(fontsize=8)
    history = results.runs["distilled"].history
    for axes, term in zip(grid[1:], TERMS, strict=True):
        curve(axes, history, f"train.{term}", COLOURS["distilled"], "training")
        curve(axes, history, f"validation.{term}", COLOURS["distilled"], "validation", dashed=True)
        axes.set_title(term, weight="bold")
        axes.set_ylim(bottom=0)
    grid[1].legend(fontsize=8)
    for axes in grid[3:]:
        axes.set_xlabel("epoch")
    return figure


def curve(
    axes: Axes, history: tuple[dict[str, float], ...], key: str, colour: str, label: str, dashed: bool = False
) -> None:
    """One line, if the history has that number."""
    points = [(row["epoch"], row[key]) for row in history if key in row]
    if points:
        axes.plot(
            *zip(*points, strict=True),
            "o--" if dashed else "o-",
            color=colour,
            markersize=3,
            linewidth=1.6,
            label=label,
            markerfacecolor="white" if dashed else colour,
        )
        axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))


def latency(results: Results) -> Figure:
    """Time of one window, Python beside C++, on a logarithmic scale."""
    bars = [
        (one, engine, answer)
        for one in results.contenders
        for engine, answer in (("torch" if one.core else "scipy", one.python), ("C++", one.core))
        if answer is not None
    ]
    figure = Figure(figsize=(10, 0.36 * len(bars) + 0.8), layout="constrained")
    axes = figure.subplots()
    for y, (one, engine, answer) in enumerate(bars):
        timing = answer.latency
        axes.barh(y, timing.median, 0.72, color=COLOURS[one.key], alpha=1.0 if engine == "C++" else 0.45)
        axes.plot([timing.low, timing.high], [y, y], color=TRUTH, linewidth=1)
        axes.annotate(
            duration(timing.median), (timing.high, y), (6, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(range(len(bars)), [f"{one.name}, {engine}" for one, engine, _ in bars])
    axes.invert_yaxis()
    axes.set_xscale("log")
    slowest = max(answer.latency.high for _, _, answer in bars)
    fastest = min(answer.latency.low for _, _, answer in bars)
    axes.set_xlim(10 ** np.floor(np.log10(fastest) - 0.3), slowest * 2.5)
    axes.xaxis.set_major_formatter(lambda value, _: duration(value))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("time of one window (logarithmic)")
    return figure


def duration(milliseconds: float) -> str:
    """`850 µs` or `1.2 ms`."""
    if milliseconds < 1:
        return f"{1000 * milliseconds:.3g} µs"
    return f"{milliseconds:.3g} ms"


def _legend(results: Results, truth: bool = True) -> list[Line2D]:
    marks = [Line2D([], [], color=TRUTH, linewidth=2.2, label="truth")] if truth else []
    return marks + [
        Line2D([], [], color=COLOURS[one.key], marker="o" if truth else "s", linestyle="", label=one.name)
        for one in results.contenders
    ]


FIGURES: dict[str, Callable[[Results], Figure]] = {
    "signals": signals,
    "over_time": over_time,
    "against_truth": against_truth,
    "by_group": by_group,
    "learning": learning,
    "latency": latency,
}
