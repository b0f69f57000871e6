"""What `robustness` found, as sentences, a table and a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.figure import Figure

WORSE = {"hr": 1.0, "af": 0.02}  # bpm of mean error, or of AUROC: what counts as broken
NAMES = {"mae": "mean absolute error in bpm", "auroc": "AUROC"}


def page(found: Mapping[str, Any]) -> str:
    """Sentences on what breaks each model, then the table."""
    return "\n".join([*said(found), "", *table(found)])


def said(found: Mapping[str, Any]) -> Iterator[str]:
    """For each model, the mildest level of each stress that breaks it, and the stresses that do not."""
    limit = f"{WORSE[found['task']]:g}{' bpm' if found['task'] == 'hr' else ''}"
    yield (
        f"Broken: {NAMES[found['headline']]} worse by more than {limit} than on the same windows without "
        "stress, and the 95 % interval of the change, over subjects, holds no 0 (bold in the table). "
        f"{found['windows']:,} windows of {found['subjects']} subjects ({found['dataset']}), spread evenly; "
        f"{found['left_out']:,} labelled windows in which 16 bits would see no signal are left out.\n"
    )
    for model in found["models"]:
        broken, whole = [], []
        for name, stress in found["stresses"].items():
            levels = zip(stress["levels"], stress["scores"], strict=True)
            first = next((level for level, at in levels if breaks(found["task"], at[model]["change"])), None)
            if first is None:
                whole.append(name)
            else:
                broken.append(name if name == "polarity" else f"{name} from {first:g} on")
        parts = [f"broken by {', '.join(broken)}"] if broken else []
        parts += [f"not by {', '.join(whole)}"] if whole else []
        yield f"- `{model}`: {'; '.join(parts)}."


def breaks(task: str, change: Mapping[str, float | None]) -> bool:
    """Whether a change of the first score is more than WORSE, and certain."""
    sign = 1 if task == "hr" else -1
    value, low, high = (change[key] for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return False
    return sign * value > WORSE[task] and min(sign * low, sign * high) > 0


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """A level per row, a model per column: the first score."""
    key, models = found["headline"], list(found["models"])
    yield f"| {NAMES[key]} | {' | '.join(models)} |"
    yield "|---" + "|---:" * len(models) + "|"
    yield row("**no stress**", [cell(found["plain"][model][key], key) for model in models])
    for name, stress in found["stresses"].items():
        yield row(f"**{name}**: {stress['what']}", [""] * len(models))
        for level, at in zip(stress["levels"], stress["scores"], strict=True):
            numbers = [
                f"**{cell(at[model][key], key)}**"
                if breaks(found["task"], at[model]["change"])
                else cell(at[model][key], key)
                for model in models
            ]
            yield row(f"{level:g}", numbers)


def row(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def cell(interval: Mapping[str, float | None], key: str) -> str:
    value = interval["value"]
    return "-" if value is None else f"{value:.{3 if key == 'auroc' else 2}f}"


def picture(found: Mapping[str, Any]) -> Figure:
    """A panel per stress: the first score of each model against the level."""
    key, stresses = found["headline"], found["stresses"]
    columns = 4
    rows = -(-(len(stresses) + 1) // columns)  # the last panel is the legend's
    figure = Figure(figsize=(10, 2.5 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, (name, stress) in zip(grid, stresses.items(), strict=False):
        labels = ["none", *(f"{level:g}" for level in stress["levels"])]
        for model in found["models"]:
            values = [
                found["plain"][model][key]["value"],
                *(at[model][key]["value"] for at in stress["scores"]),
            ]
            style = "--" if found["models"][model] == "-" else "-"
            axes.plot(range(len(labels)), values, style, marker=".", linewidth=1.4, label=model)
        axes.set_xticks(range(len(labels)), labels)
        axes.set_title(name, weight="bold")
    grid[0].set_ylim(bottom=0 if found["task"] == "hr" else None)
    for axes in grid[::columns]:
        axes.set_ylabel(NAMES[key])
    handles, names = grid[0].get_legend_handles_labels()
    for axes in grid[len(stresses) :]:
        axes.set_axis_off()
    grid[len(stresses)].legend(handles, names, loc="center")
    return figure
