"""robustness: every model on the same windows, while the signal gets worse one way at a time.

Torch runs, checkpoints and files run by the C++ core stand beside the baseline that learns nothing. The error
at each level stands beside that without stress, with the interval of the change over the same draws of
subjects. What "worse" means: `stresses`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from training import metrics
from training.config import RobustnessConfig
from training.data.windows import WindowSet
from training.evaluate import Entry, contenders
from training.inputs import subjects_of
from training.progress import bar, write_json
from training.stresses import STRESSES, Stress, stressed, with_signal

# task -> the score that a page shows first, and the others
SCORES: dict[str, dict[str, metrics.Metric]] = {
    "hr": {
        "mae": metrics.mae,
        "median": partial(metrics.error_percentile, percent=50),
        "within_5bpm": metrics.share_within,
    },
    "af": {"auroc": metrics.auroc},
}


def robustness(config: RobustnessConfig, console: Console | None = None) -> dict[str, Any]:
    """Score every model without stress and at every level of every stress; writes `config.out` if set.

    The windows are those of `evaluate`: of subjects that no model learned from, without those that hold no
    signal, at most `config.windows` of them, spread evenly. Raises ConfigError for models or data that do not
    fit each other.
    """
    entries, windows, rows, _ = contenders(config)
    seen = with_signal(windows, rows)
    rows, left_out = seen[:: max(1, math.ceil(len(seen) / config.windows))], len(rows) - len(seen)
    task = windows.manifest["task"]
    plain = stressed(windows, rows, None)
    known = {entry.name: answers(entry, plain) for entry in entries}
    found: dict[str, Any] = {
        "kind": "robustness",
        "task": task,
        "headline": next(iter(SCORES[task])),
        "dataset": windows.manifest["dataset"],
        "windows": len(rows),
        "subjects": len(subjects_of(windows, rows)),
        "left_out": left_out,
        "models": {entry.name: entry.engine for entry in entries},
        "plain": {name: scores(answer, plain, config) for name, answer in known.items()},
        "stresses": {},
    }
    chosen = {name: stress for name, stress in STRESSES.items() if name in (config.stresses or STRESSES)}
    with bar(console, "robustness", sum(len(stress.levels) for stress in chosen.values())) as progress:
        for name, stress in chosen.items():
            levels = []
            for level in stress.levels:
                levels.append(at_level(stress, level, entries, windows, rows, known, config))
                progress.advance(note=f"{name} {level:g}")
            found["stresses"][name] = {"what": stress.what, "levels": list(stress.levels), "scores": levels}
    if config.out is not None:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(config.out, found)
    return found


def at_level(
    stress: Stress,
    level: float,
    entries: list[Entry],
    windows: WindowSet,
    rows: NDArray,
    known: dict[str, NDArray],
    config: RobustnessConfig,
) -> dict[str, Any]:
    """Model -> its scores, and `change` of the first one against no stress."""
    worse = stressed(windows, rows, stress, level, config.seed)
    headline = next(iter(SCORES[windows.manifest["task"]].values()))
    found = {}
    for entry in entries:
        answer = answers(entry, worse)
        change = metrics.paired_bootstrap(
            headline, answer, known[entry.name], worse.label, subjects=worse.subject, n=config.bootstrap
        )
        found[entry.name] = {**scores(answer, worse, config), "change": rounded(change)}
    return found


def answers(entry: Entry, windows: WindowSet) -> NDArray[np.float32]:
    """(n,) bpm or probability of all windows."""
    answer = entry.predict(windows, np.arange(len(windows)))
    return answer if answer.ndim == 1 else answer[:, 0]


def scores(answer: NDArray, windows: WindowSet, config: RobustnessConfig) -> dict[str, Any]:
    """Each score with its interval over subjects."""
    return {
        key: rounded(
            metrics.bootstrap(metric, answer, windows.label, subjects=windows.subject, n=config.bootstrap)
        )
        for key, metric in SCORES[windows.manifest["task"]].items()
    }


def rounded(interval: metrics.Interval) -> dict[str, float | None]:
    """As JSON has it: NaN is None."""
    return {
        key: round(value, 4) if math.isfinite(value) else None for key, value in interval._asdict().items()
    }
