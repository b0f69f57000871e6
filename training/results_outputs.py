"""What `training.ppg_bp` found, as sentences, a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from training.figures import COLOURS, TRUTH

NAMES = {
    "heart_rate_bpm": "heart rate, bpm",
    "systolic_mmhg": "systolic, mmHg",
    "diastolic_mmhg": "diastolic, mmHg",
}


def page(found: Mapping[str, Any]) -> str:
    """The table of mean absolute errors, and what is told apart from the mean of the others."""
    keys = found["measured"]
    lines = [
        f"| mean absolute error | {' | '.join(NAMES[key] for key in keys)} |",
        "|---" * (1 + len(keys)) + "|",
    ]
    lines += [
        f"| {name} | {' | '.join(cell(row.get(key)) for key in keys)} |"
        for name, row in found["rows"].items()
    ]
    told = [f"{NAMES[key].partition(',')[0]} by {better(found, key)}" for key in keys]
    return "\n".join(
        [
            *lines,
            "",
            f"Certainly better than `{found['baseline']}`, by the interval of the paired difference: "
            f"{'; '.join(told)}. {found['people']} people, {found['folds']} folds of people, errors averaged "
            f"over {found['seeds']} seeds.",
        ]
    )


def better(found: Mapping[str, Any], key: str) -> str:
    """The rows whose error is certainly below the baseline's."""
    rows = {name: row[key]["gain"]["low"] for name, row in found["rows"].items() if key in row}
    names = [f"`{name}`" for name, low in rows.items() if low is not None and low > 0]
    return ", ".join(names) or "none"


def cell(numbers: Mapping[str, Any] | None) -> str:
    if numbers is None:
        return "-"
    return f"{numbers['value']:.1f} ({numbers['low']:.1f} to {numbers['high']:.1f})"


def picture(found: Mapping[str, Any]) -> Figure:
    """A panel per measurement, a row per way to estimate it."""
    keys, names = found["measured"], list(found["rows"])
    figure = Figure(figsize=(10, 0.9 + 0.3 * len(names)), layout="constrained")
    for axes, key in zip(figure.subplots(1, len(keys), sharey=True), keys, strict=True):
        for place, name in enumerate(reversed(names)):
            numbers = found["rows"][name].get(key)
            if numbers is not None:
                colour = COLOURS["peak" if name == found["baseline"] else "distilled"]
                axes.plot([numbers["low"], numbers["high"]], [place, place], color=colour)
                axes.plot(numbers["value"], place, "o", color=colour)
        axes.axvline(found["rows"][found["baseline"]][key]["value"], color=TRUTH, linewidth=0.8)
        axes.set_title(NAMES[key], weight="bold")
        axes.set_xlabel("mean absolute error")
        axes.set_yticks(range(len(names)), list(reversed(names)))
    return figure
