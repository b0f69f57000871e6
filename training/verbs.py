"""How well the verbs do on people: tables of docs/verbs.md.

    python -m training.verbs ../shared/data

Findings of the guard on recordings as they are, upside down and at wrong rates; beats against the heart rate
of an ECG. `training.verbs_peers` writes the other tables.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

import ppgfast
from ppgfast.verbs.guard import KINDS, examine
from ppgfast.verbs.signal import RATES, Signal, signal_of
from training.data.recording import Recording
from training.quality import recordings, simulated, write_tables

Floats = NDArray[np.float64]

SETS = {"BIDMC": "bidmc", "CinC 2015": "cinc2015", "SPC": "ieee_spc2015"}
SHOWN = ("bpm_series", "sampling_rate", "time_scale", "inverted", "clipped", "off_wrist")
FACTORS = (Fraction(1, 4), Fraction(1, 3), Fraction(1, 2), Fraction(2), Fraction(3), Fraction(4))
EVERY = 4  # of a large set, that are turned and played at wrong rates
PAGE = Path(__file__).resolve().parents[1] / "docs" / "verbs.md"


def opened(recording: Recording, factor: float = 1.0, sign: float = 1.0) -> Signal:
    rate = recording.sampling_rate * factor
    return signal_of(sign * recording.ppg[0], sampling_rate=rate, timestamps=None)


def kinds(signal: Signal) -> set[str]:
    return {finding.kind for finding in examine(signal)}


def findings(sets: Mapping[str, Sequence[Recording]]) -> str:
    """Markdown: share of recordings with each finding, as they are."""
    assert set(SHOWN) <= set(KINDS)
    lines = [["recordings as they are", *SHOWN], ["---", *["---:"] * len(SHOWN)]]
    for name, found in sets.items():
        seen = [kinds(opened(recording)) for recording in found]
        shares = [np.mean([kind in each for each in seen]) for kind in SHOWN]
        lines.append([f"{name} ({len(found)})", *(f"{100 * share:.1f} %" for share in shares)])
    return _markdown(lines)


def detected(sets: Mapping[str, Sequence[Recording]]) -> str:
    """Markdown: share of recordings whose fault is found."""
    lines = [["found", "upside down", *(f"rate x {factor}" for factor in FACTORS)]]
    lines.append(["---", *["---:"] * (1 + len(FACTORS))])
    for name, found in sets.items():
        chosen = found[:: EVERY if len(found) > 100 else 1]
        cells = [_share("inverted" in kinds(opened(r, sign=-1.0)) for r in chosen)]
        for factor in FACTORS:
            rated = [r for r in chosen if RATES[0] <= r.sampling_rate * factor <= RATES[1]]
            hit = (kinds(opened(r, float(factor))) & {"sampling_rate", "time_scale"} for r in rated)
            cells.append(_share(bool(each) for each in hit))
        lines.append([f"{name} ({len(chosen)})", *cells])
    return _markdown(lines)


def real_beats(sets: Mapping[str, Sequence[Recording]]) -> str:
    """Markdown: heart rate counted from beats, beside that of the model, in windows of good quality."""
    head = ["quality 0.8 or more", "windows", "model: median, MAE", "beats: median, MAE"]
    lines = [head, ["---", *["---:"] * 3]]
    for name, found in sets.items():
        rows = [row for recording in found for row in _rates(recording)]
        error = np.abs(np.array(rows).reshape(-1, 2))
        cells = [f"{np.median(column):.2f}, {column.mean():.2f}" for column in error.T]
        lines.append([name, f"{len(error):,}", *cells])
    return _markdown(lines)


def _rates(recording: Recording) -> Iterator[tuple[float, float]]:
    """Of each window: error of the model and of the median interval between beats, bpm."""
    _, info = ppgfast.ppg_process(recording.ppg[0], sampling_rate=recording.sampling_rate)
    windows, peaks = info["windows"], info["peaks"]
    start = windows["t_start"]
    truth = np.asarray(recording.labels["hr"].of(start, 8.0)).reshape(-1)[: len(start)]
    good = (windows["quality"] >= 0.8) & np.isfinite(truth)
    for at in np.flatnonzero(good):
        first, last = np.searchsorted(peaks["t"], (start[at], start[at] + 8.0))
        steps = peaks["interval"][first + 1 : last]
        steps = steps[np.isfinite(steps)]
        if len(steps) >= 2:
            yield windows["hr_bpm"][at] - truth[at], 60.0 / steps.mean() - truth[at]


def _share(values: Iterable[bool]) -> str:
    counted = [bool(value) for value in values]
    return f"{100 * np.mean(counted):.0f} %" if counted else "-"


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(
    data: Annotated[Path, typer.Argument(help="Folder with cinc2015/, bidmc/ and ieee_spc2015/.")],
    only: Annotated[list[str] | None, typer.Option(help="A table's name; default all.")] = None,
) -> None:
    """Measure the verbs and write the tables of their page."""
    warnings.simplefilter("ignore", ppgfast.SignalWarning)
    sets = {title: list(recordings(name, data / name)) for title, name in SETS.items()}
    people = {**sets, "simulated": list(simulated())}
    tables: dict[str, Callable[[], str]] = {
        "findings": lambda: findings(people),
        "detected": lambda: detected(people),
        "real-beats": lambda: real_beats(sets),
    }
    write_tables(PAGE, {name: tables[name] for name in only or tables})


if __name__ == "__main__":
    typer.run(main)
