"""What `training.family` found, as a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from training.figures import COLOURS
from training.results_robustness import NAMES

AXES = {"bytes": "file (bytes)", "multiply_adds": "multiply-adds of a window", "us": "time of a window (µs)"}


def page(found: Mapping[str, Any]) -> str:
    """A model per row, the smallest file first."""
    name, digits = NAMES[found["headline"]], 3 if found["task"] == "af" else 2
    lines = [f"| model | {name} | weights | bytes | multiply-adds | µs, minimum | median |"]
    lines.append("|---" * 2 + "|---:" * 5 + "|")
    for row in found["models"]:
        sizes = " | ".join(f"{row[key]:,}" for key in ("parameters", "bytes", "multiply_adds"))
        times = f"{row['us']['min']:,} | {row['us']['median']:,}"
        lines.append(f"| `{row['name']}` | {cell(row['score'], digits)} | {sizes} | {times} |")
    lines.append(
        f"| {found['baseline']['name']} | {cell(found['baseline']['score'], digits)} |  |  |  |  |  |"
    )
    machine = found["machine"]
    about = (
        f"Errors on {found['dataset']}, people whom no model learned from. Times: one window on one thread "
        f"of {machine['cpu']}, {machine['kernels']} kernels, all models in turn."
    )
    return "\n".join([*lines, "", about])


def cell(interval: Mapping[str, float | None], digits: int) -> str:
    value, low, high = (interval[key] for key in ("value", "low", "high"))
    return f"{value:.{digits}f}" + ("" if low is None else f" ({low:.{digits}f} to {high:.{digits}f})")


def picture(found: Mapping[str, Any]) -> Figure:
    """The error against each cost, on logarithmic scales."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    grid = figure.subplots(1, len(AXES), sharey=True)
    for axes, (key, label) in zip(grid, AXES.items(), strict=True):
        for place, row in enumerate(found["models"]):
            cost = row["us"]["min"] if key == "us" else row[key]
            error, colour = row["score"], f"C{place}"
            if error["low"] is not None:
                axes.plot([cost, cost], [error["low"], error["high"]], color=colour, linewidth=1)
            axes.plot(cost, error["value"], "o", color=colour, label=row["name"])
        baseline = found["baseline"]
        axes.axhline(
            baseline["score"]["value"],
            color=COLOURS["peak"],
            linewidth=1,
            linestyle="--",
            label=baseline["name"],
        )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(label)
    grid[0].set_ylabel(NAMES[found["headline"]])
    if found["task"] == "hr":
        grid[0].set_ylim(bottom=0)
    handles, names = grid[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4)
    return figure
