"""docs/results.md and its pictures from docs/results/*.json: `python -m training.results`.

Another folder gets a page beside it: `python -m training.results my/results` writes my/results.md. Each file
is of a kind: what `evaluate --out` writes (models side by side on the same windows), `ablate` (arms of a
study), `robustness --out` and so on. A file `<name>.md` beside a JSON file is its introduction, `findings.md`
that of the page. No number is typed by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import typer
from matplotlib.figure import Figure

from training import results_family, results_outputs, results_robustness
from training.config import ConfigError
from training.figures import COLOURS, STYLE
from training.progress import write_atomically

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "results"
HEAD = """# What do the models reach?

Made by `python -m training.results` from the files in `{folder}/` beside this page; the commands behind them
stand with each. In brackets: 95 % interval from drawing whole subjects. HR errors in bpm; MAE@80 is the mean
error of the 80 % of windows that the model is most certain of; tracked is the mean error behind the causal
tracker. No model has learned from a subject that it is tested on here.
"""
SCORED = {
    "mae": "MAE",
    "median": "median",
    "mae_80": "MAE@80",
    "mae_tracked": "tracked",
    "within_5bpm": "in 5 bpm",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "f1": "F1",
    "sensitivity_at_95": "sens@95",
    "gain": "gain",
}
TITLES = {"study": "Study {study}", "robustness": "What breaks models for {task}: {dataset}"}
STUDY_NOTE = (
    "gain: relative improvement of {what} over {reference}, same folds and seeds, the same drawn subjects "
    "on both sides. {windows:,} windows of {subjects} subjects, {parts}averaged over seeds."
)


def write(folder: Path) -> Path:
    """Write `<folder>.md` and one picture per JSON file into the folder; returns the page's path.

    Raises ConfigError for a folder without results, or with JSON files of something else.
    """
    if not any(folder.glob("*.json")):
        raise ConfigError(f"{folder} holds no .json file; name the folder that results were written to")
    parts = [HEAD.format(folder=folder.name)]
    findings = folder / "findings.md"
    if findings.exists():
        parts.append(findings.read_text().strip() + "\n")
    for path in sorted(folder.glob("*.json")):
        found = json.loads(path.read_text())
        kind = kind_of(found)
        if kind not in KINDS:
            raise ConfigError(f"{path} is no table of results; name the folder that holds those")
        table, figure_of = KINDS[kind]
        title = found.get("title") or TITLES.get(kind, path.stem).format(**found)
        parts.append(f"## {title}\n")
        words = path.with_suffix(".md")
        if words.exists():
            # Their links start in their own folder, one below the page's.
            parts.append(words.read_text().strip().replace("](../", "](") + "\n")
        parts.append(table(found) + "\n")
        picture = path.with_suffix(".svg")
        with matplotlib.rc_context(STYLE):
            figure = figure_of(found)
        if figure is not None:
            save(figure, picture)
            parts.append(f"![{title}]({folder.name}/{picture.name})\n")
    text = "\n".join(parts)
    page = folder.with_name(f"{folder.name}.md")
    write_atomically(page, lambda file: file.write(text.encode()))
    return page


def kind_of(found: Any) -> str | None:
    """What a file says it is, or its shape does; None for what is no table, such as one run of a study."""
    if not isinstance(found, dict):
        return None
    if "kind" in found:
        return str(found["kind"])
    if "arms" in found:
        return "study"
    return "evaluation" if isinstance(found.get("scores"), list) else None


def study(found: dict[str, Any]) -> str:
    """The table of a study: an arm per row."""
    arms = found["arms"]
    keys = [key for key in SCORED if any(key in row for row in arms.values())]
    overs = {row["over"] for row in arms.values() if "over" in row} or {found["reference"]}
    several = ["over"] if len(overs) > 1 else []
    lines = [header(["arm", "seeds", *(SCORED[key] for key in keys), *several])]
    for arm, row in arms.items():
        numbers = [cell(row.get(key), key) for key in keys]
        lines.append(line([arm, str(row["seeds"]), *numbers, *(row.get(key, "-") for key in several)]))
    what = "the mean absolute error" if found["task"] == "hr" else "1 - AUROC"
    reference = "the arm in the last column" if several else f"`{overs.pop()}`"
    parts = (
        f"{found['folds']} folds of subjects, scores pooled over folds and " if found["folds"] else "scores "
    )
    words = {**found, "what": what, "reference": reference, "parts": parts}
    weights = [
        f"Weights of `{name}`, SHA-256: {', '.join(f'`{digest[:16]}`' for digest in digests)}."
        for name, digests in found.get("teacher_weights_sha256", {}).items()
    ]
    took = ["{runs} runs, {hours} h one after the other.".format(**found)] if "hours" in found else []
    return "\n".join([*lines, "", STUDY_NOTE.format(**words), *took, *weights, *contrasts(found)])


def contrasts(found: dict[str, Any]) -> list[str]:
    """The table of arms against others than their reference; nothing where the study asked for none."""
    rows = found.get("contrasts", [])
    if not rows:
        return []
    cells = [[row["arm"], row["over"], str(row["paired_seeds"]), cell(row["gain"], "gain")] for row in rows]
    said = "Arms against each other, the seeds that both have:"
    return ["", said, "", header(["arm", "over", "seeds", "gain"]), *map(line, cells)]


def evaluation(found: dict[str, Any]) -> str:
    """The table of an evaluation: a model and what runs it per row."""
    rows = found["scores"]
    keys = [key for key in SCORED if any(key in row["metrics"] for row in rows)]
    lines = [header(["model", "by", "weights", "bytes", *(SCORED[key] for key in keys)])]
    for row in rows:
        size = [f"{row[key]:,}" if row[key] else "" for key in ("parameters", "bytes")]
        numbers = [cell(row["metrics"].get(key), key) for key in keys]
        lines.append(line([row["name"], row["engine"], *size, *numbers]))
    about = f"{found['windows']:,} windows of {len(found['subjects'])} subjects ({found['dataset']})."
    return "\n".join([*lines, "", about])


def header(names: list[str]) -> str:
    return line(names) + "\n" + "|---" * len(names) + "|"


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def cell(interval: dict[str, float | None] | None, key: str) -> str:
    """Value and interval, in % for a gain."""
    if interval is None or interval["value"] is None:
        return "-"
    factor, digits, unit = (100, 1, " %") if key == "gain" else (1, 3 if key in SHARES else 2, "")
    value = f"{factor * interval['value']:.{digits}f}{unit}"
    if interval["low"] is None or interval["high"] is None:
        return value
    return f"{value} ({factor * interval['low']:.{digits}f} to {factor * interval['high']:.{digits}f})"


SHARES = ("within_5bpm", "auroc", "auprc", "f1", "sensitivity_at_95")


def coverage(found: dict[str, Any]) -> Figure | None:
    """Error against the share of windows kept; None where no model tells its doubt."""
    curves = {row["name"]: row["coverage"] for row in found["scores"] if "coverage" in row}
    if not curves:
        return None
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        axes.plot([100 * float(share) for share in curve], list(curve.values()), marker=".", label=name)
    axes.set(xlabel="windows kept, the most certain first (%)", ylabel="mean error (bpm)", ylim=(0, None))
    axes.legend()
    return figure


def gains(found: dict[str, Any]) -> Figure | None:
    """The gain of each arm over the reference with its interval."""
    rows = {arm: row["gain"] for arm, row in found["arms"].items() if "gain" in row}
    if not rows:
        return None
    figure = Figure(figsize=(6.4, 0.8 + 0.35 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for place, gain in enumerate(reversed(rows.values())):
        colour = COLOURS["distilled"]
        if gain["low"] is not None:
            axes.plot([100 * gain["low"], 100 * gain["high"]], [place, place], color=colour)
        axes.plot(100 * gain["value"], place, "o", color=colour)
    axes.axvline(0, color=COLOURS["peak"], linewidth=1)
    axes.set_yticks(range(len(rows)), list(reversed(rows)))
    overs = {row.get("over", found["reference"]) for row in found["arms"].values() if "gain" in row}
    axes.set_xlabel(f"improvement over {overs.pop() if len(overs) == 1 else 'its reference'} (%)")
    return figure


KINDS: dict[str, tuple[Callable[[Any], str], Callable[[Any], Figure | None]]] = {
    "study": (study, gains),
    "evaluation": (evaluation, coverage),
    "robustness": (results_robustness.page, results_robustness.picture),
    "family": (results_family.page, results_family.picture),
    "outputs-only": (results_outputs.page, results_outputs.picture),
}


def save(figure: Figure, path: Path) -> None:
    """The same picture gives the same bytes."""
    with matplotlib.rc_context(STYLE):
        write_atomically(path, lambda file: figure.savefig(file, format="svg", metadata={"Date": None}))


def main(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Folder of JSON files; FOLDER.md is written.")
    ] = FOLDER,
) -> None:
    """Make a page and its pictures from the JSON files of `evaluate`, `ablate`, `robustness` and `family`."""
    try:
        print(write(folder.resolve()))
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None


if __name__ == "__main__":
    typer.run(main)
