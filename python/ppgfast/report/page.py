"""`ppg_report`: facts and pictures into the template."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from ppgfast.verbs.signal import Floats
from ppgfast.verbs.table import Table

from . import facts


def ppg_report(
    signals: Table,
    info: Mapping[str, Any],
    *,
    title: str = "Recording",
    metadata: Mapping[str, Any] | None = None,
) -> str:
    """A recording on one page: ``Path("night.html").write_text(ppg_report(signals, info), "utf-8")``.

    Parameters
    ----------
    signals, info : what `ppg_process` returned; with its ``af_model=`` and ``hrv=True`` the page has more.
    title : heading of the page, such as the name of the file.
    metadata : names and values for the part on where the page comes from, such as ``Recording.metadata``; its
        `start` (ISO 8601) gives times of the day.

    Returns
    -------
    HTML that needs no other file and no network; its text is escaped, and no script is in it.

    Raises
    ------
    TypeError, ValueError, ModuleNotFoundError
        for something else, for a recording without a window, and without matplotlib and jinja2 (extra
        ``plot``).
    """
    if not isinstance(signals, Table) or "windows" not in info or "start" not in info:
        raise TypeError(
            "expected signals and info as ppg_process returns them: ppg_report(*ppg_process(...))"
        )
    windows: Table = info["windows"]
    if not len(windows):
        why = "; ".join(finding.message for finding in info["findings"])
        raise ValueError(f"there is no window to report on: {why or 'pass a longer recording'}")
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        from . import pictures
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"ppg_report needs {error.name}, which is not installed: pip install 'ppgfast[plot]'"
        ) from error
    said = dict(metadata or {})
    clock = facts.clock_of(float(info["start"]), said.get("start"))
    time = _times(len(signals), info)
    af = info["af"] if isinstance(info["af"], Table) and len(info["af"]) else None
    likely, judged, episodes = facts.fibrillation(af) if af is not None else (0, 0, [])
    best, worst = (facts.picked(windows, best=best) for best in (True, False))
    step, rows = facts.by_time(windows)
    draw = pictures.drawn
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"thousands": "{:,}".format, "percent": _percent, "lasting": facts.lasting}
    stretches = facts.stretches(windows)
    return environment.get_template("page.html.j2").render(
        title=title,
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        clock=clock,
        overview=facts.overview(windows, float(time[-1] - time[0]) + 1.0 / float(info["sampling_rate"])),
        reasons=facts.reasons(windows),
        meaning=facts.MEANING,
        findings=info["findings"],
        hrv=info.get("hrv"),
        af={"likely": likely, "windows": judged} if af is not None else None,
        stretches=facts.listed([*stretches, *episodes]),
        all_stretches=len(stretches) + len(episodes),
        step=step,
        rows=rows,
        quality={
            "median": float(np.median(windows["quality"])),
            "sure": float((windows["quality"] >= 0.8).mean()),
        },
        trend=draw(pictures.trend, windows, af, clock),
        rates=draw(pictures.rates, windows),
        qualities=draw(pictures.qualities, windows),
        best=draw(pictures.waveforms, "best", best, windows, signals, time, clock) if best else "",
        worst=draw(pictures.waveforms, "worst", worst, windows, signals, time, clock) if worst else "",
        provenance=_provenance(info, said),
    )


def _times(n: int, info: Mapping[str, Any]) -> Floats:
    stamps = info["timestamps"]
    return np.asarray(info["start"] + np.arange(n) / info["sampling_rate"] if stamps is None else stamps)


def _percent(share: float) -> str:
    """Never 100 % of what is not all, nor 0 % of what is there."""
    if 0 < share < 0.0005:
        return "< 0.1 %"
    if 0.9995 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %" if 0 < share < 0.01 or 0.99 < share < 1 else f"{100 * share:.0f} %"


def _provenance(info: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, str]:
    """What made the page, as names and texts."""
    told = {"sampling rate": f"{info['sampling_rate']:g} Hz", "turned over": info["inverted"]}
    models = {"model": info["model"]}
    if isinstance(info["af"], Table):
        models["model for fibrillation"] = info["af"].info["model"]
    everything = {**metadata, **told, **models, "versions": info["versions"]}
    return {name: shown for name, value in everything.items() if (shown := _text(value))}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {shown}" for name, item in value.items() if (shown := _text(item)))
    if isinstance(value, (list, tuple)):
        return "; ".join(_text(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else str(value)
