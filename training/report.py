"""The demo's report: the table, the numbers as JSON, and one HTML file to be read without a network."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from training.figures import COLOURS, FIGURES, STYLE, Answer, Results, duration
from training.metrics import Interval
from training.progress import bar, write_atomically

TEMPLATES = Path(__file__).parent / "templates"


def write(
    path: Path, results: Results, facts: Mapping[str, Any], difference: float, console: Console | None = None
) -> None:
    """Write the page; `difference` (bpm) is the largest between torch and C++."""
    figures = {}
    with bar(console, "figures", len(FIGURES)) as progress, matplotlib.rc_context(STYLE):
        for name, draw in FIGURES.items():
            figures[name] = svg(draw(results))
            progress.advance()
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["thousands"] = "{:,}".format
    environment.filters["duration"] = duration
    text = environment.get_template("report.html.j2").render(
        figures=figures,
        contenders=results.contenders,
        colours=COLOURS,
        facts=facts,
        difference=f"{difference:.1e}",
        gain=results.gain,
        windows=len(results.rows),
        subjects=len(np.unique(results.subject)),
    )
    write_atomically(path, lambda file: file.write(text.encode()))


def svg(figure: Figure) -> str:
    """The figure as an inline SVG element, its text in the font of the page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")), dpi=200)
    drawing = text.getvalue()
    return drawing[drawing.index("<svg") :]


def table(results: Results, difference: float) -> Table:
    """The one table: who, how large, how wrong, how fast; 80 columns wide."""
    subjects, gain = len(np.unique(results.subject)), results.gain
    span = f" (95 % interval {gain.low:+.2f} to {gain.high:+.2f})" if np.isfinite(gain.low) else ""
    shown = Table(
        title=f"Heart rate in {len(results.rows):,} windows of {subjects} subjects that nobody learned from",
        caption=f"MAE: mean absolute error, with its 95 % interval over subjects.\n"
        f"torch and C++ differ by {difference:.1e} bpm at most.\n"
        f"Distilled minus alone: {gain.value:+.2f} bpm{span}; below zero the teacher helped.\n"
        "Time: from one raw window to bpm on one thread, median.",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    shown.add_column("")
    for heading in ("parameters\nfile", "MAE, bpm\ntorch", "MAE, bpm\nC++", "time\ntorch", "time\nC++"):
        shown.add_column(heading, justify="right")
    for one in results.contenders:
        size = f"{one.parameters:,}\n[dim]{one.bytes:,} B[/]" if one.parameters else "-"
        answers = (one.python, one.core)
        shown.add_row(
            f"[{COLOURS[one.key]} bold]{one.name}[/]\n[dim]{one.network}[/]",
            size,
            *(interval(answer.mae) if answer else "-" for answer in answers),
            *(duration(answer.latency.median) if answer else "-" for answer in answers),
        )
    return shown


def interval(value: Interval) -> str:
    """The number, and below it its interval where there is one."""
    bounds = f"\n[dim]{value.low:.1f} - {value.high:.1f}[/]" if np.isfinite(value.low) else ""
    return f"{value.value:.2f}{bounds}"


def as_json(results: Results) -> dict[str, Any]:
    """The rows of the table, and what distillation changed."""

    def span(value: Interval) -> dict[str, Any]:
        bounds = [float(bound) if np.isfinite(bound) else None for bound in (value.low, value.high)]
        return {"value": float(value.value), "95_percent_interval": bounds}

    def said(answer: Answer) -> dict[str, Any]:
        latency = answer.latency
        return {
            "mae_bpm": span(answer.mae),
            "latency_ms": {"median": latency.median, "quartiles": [latency.low, latency.high]},
        }

    rows = [
        {
            "name": one.name,
            "network": one.network,
            "parameters": one.parameters,
            "bytes": one.bytes,
            "python": said(one.python),
            "core": said(one.core) if one.core else None,
            "mae_bpm_by_group": {
                name: float(results.error(one.key)[results.group == k].mean())
                for k, name in enumerate(results.groups)
                if (results.group == k).any()
            },
        }
        for one in results.contenders
    ]
    return {"rows": rows, "distilled_minus_alone_bpm": span(results.gain)}
