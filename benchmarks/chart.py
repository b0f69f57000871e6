"""The chart: time of one prediction in each runtime, two window lengths side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.results import Line, Results
from benchmarks.runtimes import NAMES, find

PANELS = {"latency N=8": "8 s window (heart rate)", "latency N=30": "30 s window (atrial fibrillation)"}
OURS = {"f32": "#0f766e", "s8": "#5eead4"}
THEIRS = {"f32": "#64748b", "s8": "#cbd5e1"}
INK, FAINT = "#1e293b", "#94a3b8"
CLIP = 2.8  # bars longer than this many of our float32's are cut


def draw(results: Results, path: Path) -> None:
    """Write the chart as SVG."""
    style: dict[Any, Any] = {
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": INK,
        "svg.fonttype": "path",
    }
    with mpl.rc_context({**style, "svg.hashsalt": "ppgfast", "axes.edgecolor": FAINT}):
        figure = Figure(figsize=(10.5, 5.0), facecolor="white")
        panels = figure.subplots(1, 2)
        order = _order(results)
        for axes, (group, heading) in zip(panels, PANELS.items(), strict=True):
            _panel(axes, results.group(group), order, heading)
        panels[1].tick_params(labelleft=False)
        _words(figure, results)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def _order(results: Results) -> list[str]:
    """Runtimes that were measured, ours first, then by float32 time."""
    times = {line.runtime: line.minimum for line in reversed(results.group("latency N=30"))}
    return sorted(
        (name for name in NAMES if name in times), key=lambda name: (name != "ppgfast", times[name])
    )


def _panel(axes: Axes, lines: list[Line], order: list[str], heading: str) -> None:
    by_entry = {(line.runtime, line.precision): line for line in lines}
    ours = by_entry[("ppgfast", "f32")]
    limit = CLIP * 1e6 * ours.minimum
    for row, name in enumerate(order):
        found = [(p, by_entry[name, p]) for p in ("f32", "s8") if (name, p) in by_entry]
        for place, (precision, line) in enumerate(found):
            y = row + 0.4 * (place - (len(found) - 1) / 2)
            _bar(axes, y, line, (OURS if name == "ppgfast" else THEIRS)[precision], limit)
    if ours.extra["share_of_peak"]:
        floor = 1e6 * ours.minimum * ours.extra["share_of_peak"]
        axes.axvline(floor, color="#b45309", linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.annotate(
            "float32 limit of the core",
            (floor, -0.92),
            (4, 0),
            textcoords="offset points",
            color="#b45309",
            fontsize=8,
            va="top",
        )
    axes.set_title(heading, loc="left", fontsize=11, color=INK, pad=8)
    axes.set_xlim(0, 1.2 * limit)
    axes.set_ylim(len(order) - 0.4, -0.95)
    axes.set_yticks(range(len(order)), [find(name).TITLE for name in order])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.tick_params(axis="x", colors=FAINT, labelsize=8)
    axes.set_xlabel("µs for one prediction", color=FAINT, fontsize=9)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _bar(axes: Axes, y: float, line: Line, color: str, limit: float) -> None:
    """A bar to the minimum, its number at the end; too long ones are cut open."""
    minimum = 1e6 * line.minimum
    cut = minimum > limit
    end = limit if cut else minimum
    axes.barh(y, end, height=0.36, color=color, linewidth=0)
    if cut:
        for offset in (0.94, 0.955):
            axes.plot(
                [offset * limit, (offset + 0.012) * limit], [y + 0.24, y - 0.24], color="white", linewidth=2
            )
    axes.annotate(
        f"{minimum:,.0f}",
        (end, y),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},  # the dashed line passes behind
    )


def _words(figure: Figure, results: Results) -> None:
    machine = results.machine
    figure.text(0.012, 0.955, "Time of one prediction, one core", fontsize=14, fontweight="bold", va="center")
    origin = (
        f"gpt1m, same weights for all, outputs checked; fastest call, interleaved runs. {machine['cpu']}, "
    )
    figure.text(0.012, 0.905, f"{origin}{results.date}", fontsize=9, color=FAINT, va="center")
    handles = [
        Patch(color=OURS["f32"], label="ppgfast float32"),
        Patch(color=OURS["s8"], label="ppgfast int8"),
        Patch(color=THEIRS["f32"], label="others float32"),
        Patch(color=THEIRS["s8"], label="others int8"),
    ]
    figure.legend(handles=handles, loc="upper right", ncols=4, frameon=False, fontsize=9, handlelength=1.2)
    figure.subplots_adjust(left=0.2, right=0.985, top=0.8, bottom=0.1, wspace=0.06)
