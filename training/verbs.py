"""How well the verbs do on people: tables of docs/verbs.md.

    python -m training.verbs ../shared/data

Findings of the guard on recordings as they are, upside down and at wrong rates; beats against simulated
pulses and against the heart rate of an ECG. The table `beside` needs NeuroKit2 (extra `hrv`).
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import numpy as np
import typer
from numpy.typing import NDArray

import ppgfast
from ppgfast.verbs.beats import beats
from ppgfast.verbs.guard import KINDS, examine
from ppgfast.verbs.signal import RATES, Signal, signal_of
from training.data.recording import Recording
from training.progress import write_atomically
from training.quality import MODELS, put, recordings, simulated

Floats = NDArray[np.float64]

SETS = {"BIDMC": "bidmc", "CinC 2015": "cinc2015", "SPC": "ieee_spc2015"}
SHOWN = ("bpm_series", "sampling_rate", "time_scale", "inverted", "clipped", "off_wrist")
FACTORS = (Fraction(1, 4), Fraction(1, 3), Fraction(1, 2), Fraction(2), Fraction(3), Fraction(4))
EVERY = 4  # of a large set, that are turned and played at wrong rates
NEAR = 0.15  # s between a beat and a pulse, behind the usual delay
PEOPLE = 12  # simulated, in each setting
SECONDS = 180.0
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


def matched(times: Floats, pulses: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pulses have a beat, and which beats a pulse; beats come a usual delay behind the pulses' feet."""
    if not len(times) or not len(pulses):
        return np.zeros(len(pulses), bool), np.zeros(len(times), bool)
    after = np.searchsorted(times, pulses).clip(max=len(times) - 1)
    delay = np.median(times[after] - pulses)
    expected = pulses + delay

    def near(a: Floats, b: Floats) -> NDArray[np.bool_]:
        right = np.searchsorted(b, a).clip(1, max(len(b) - 1, 1)).clip(max=len(b) - 1)
        return np.minimum(np.abs(a - b[right]), np.abs(a - b[np.maximum(right - 1, 0)])) < NEAR

    return near(expected, times), near(times, expected)


def simulated_beats() -> str:
    """Markdown: share of the true pulses found and of the found ones true, where nothing disturbs them."""
    from ppgfast.simulate import random_subject

    lines = [
        ["simulated", "pulses", "found", "of those found true", "interval off, ms"],
        ["---", *["---:"] * 4],
    ]
    for setting in ("bed", "daily", "treadmill"):
        for rhythm in ("sinus", "af"):
            hits: list[NDArray[np.bool_]] = []
            right: list[NDArray[np.bool_]] = []
            off: list[Floats] = []
            for seed in range(PEOPLE):
                person = random_subject(7000 + seed, duration=SECONDS, setting=setting, rhythm=rhythm)
                made = person.simulate(duration=SECONDS, sampling_rate=64.0, seed=seed)
                polarity = "inverted" if person.sensor.polarity < 0 else "upright"
                signal = signal_of(made.signal, sampling_rate=64.0, timestamps=None, polarity=polarity)
                table = beats(signal, {})
                clear = _clear(made)
                pulse, beat = matched(table["t"], made.pulse_times)
                hits.append(pulse[clear(made.pulse_times) & (made.pulse_heights > 0.3)])
                right.append(beat[clear(table["t"])])
                true = np.diff(made.pulse_times)
                at = np.searchsorted(made.pulse_times, table["t"]) - 1
                whole = np.append(False, np.diff(at) == 1) & clear(table["t"]) & (at > 0)
                off.append(1000 * np.abs(table["interval"][whole] - true[at[whole] - 1]))
            cells = [f"{sum(map(len, hits)):,}", _share(np.concatenate(hits)), _share(np.concatenate(right))]
            off_ms = float(np.nanmedian(np.concatenate(off)))
            lines.append([f"{setting}, {rhythm}", *cells, f"{off_ms:.1f}"])
    return _markdown(lines)


def _clear(made: ppgfast.Simulation) -> Callable[[Floats], NDArray[np.bool_]]:
    """times -> whether no artefact is within a second and the filter's edges are away."""
    total = np.append(0, np.cumsum(made.artefact))

    def clear(times: Floats) -> NDArray[np.bool_]:
        first, last = (np.clip(((times + by) * 64).astype(int), 0, len(made.artefact)) for by in (-1.0, 1.0))
        return (total[last] == total[first]) & (times > 2.0) & (times < SECONDS - 2.0)

    return clear


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


DAY = """
import resource, sys, time
import numpy as np
import ppgfast
from ppgfast.simulate import random_subject
hour = random_subject(3, duration=3600).simulate(duration=3600, sampling_rate=64, seed=3).signal
day = np.tile(hour, 24)
start = time.perf_counter()
_, info = ppgfast.ppg_process(day, sampling_rate=64, model=sys.argv[1])
seconds = time.perf_counter() - start
print(len(day), len(info["windows"]), seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def day() -> str:
    """Markdown: time and memory of a process that has 24 h at 64 Hz through `ppg_process`, on one thread."""
    lines = [["`ppg_process` of 24 h at 64 Hz", "samples", "windows", "s", "peak memory, MiB"]]
    lines.append(["---", *["---:"] * 4])
    for model in MODELS:
        made = subprocess.run(
            [sys.executable, "-c", DAY, model], capture_output=True, text=True, check=True
        ).stdout.split()
        samples, windows, seconds, mebibytes = (float(value) for value in made)
        lines.append(
            [f"`{model}`", f"{samples:,.0f}", f"{windows:,.0f}", f"{seconds:.1f}", f"{mebibytes:.0f}"]
        )
    return _markdown(lines)


def beside(sets: Mapping[str, Sequence[Recording]]) -> str:
    """Markdown: `ppg_process` beside NeuroKit2's on the same recordings in the same process."""
    import neurokit2 as nk

    head = ["all windows", "windows", "ppgfast: median, MAE", "NeuroKit2: median, MAE", "s", "NeuroKit2, s"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, found in sets.items():
        first = found[0].ppg[0][: round(60.0 * found[0].sampling_rate)]
        for warm_up in (ppgfast.ppg_process, nk.ppg_process):
            warm_up(first, sampling_rate=found[0].sampling_rate)
        errors: list[tuple[float, float]] = []
        seconds = np.zeros(2)
        for recording in found:
            ppg, rate = recording.ppg[0], recording.sampling_rate
            start = time.perf_counter()
            _, info = ppgfast.ppg_process(ppg, sampling_rate=rate)
            middle = time.perf_counter()
            theirs = nk.ppg_process(ppg, sampling_rate=rate)[0]["PPG_Rate"].to_numpy()
            seconds += (middle - start, time.perf_counter() - middle)
            windows = info["windows"]
            truth = np.asarray(recording.labels["hr"].of(windows["t_start"], 8.0)).reshape(-1)
            for at in np.flatnonzero(np.isfinite(windows["hr_bpm"]) & np.isfinite(truth[: len(windows)])):
                begin = round(windows["t_start"][at] * rate)
                rates = windows["hr_bpm"][at], theirs[begin : begin + round(8.0 * rate)].mean()
                errors.append((abs(rates[0] - truth[at]), abs(rates[1] - truth[at])))
        cells = [f"{np.median(column):.2f}, {column.mean():.2f}" for column in np.array(errors).T]
        lines.append([name, f"{len(errors):,}", *cells, *(f"{value:.1f}" for value in seconds)])
    return _markdown(lines)


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
        "simulated-beats": simulated_beats,
        "real-beats": lambda: real_beats(sets),
        "day": day,
        "beside": lambda: beside({name: sets[name] for name in ("BIDMC", "SPC")}),
    }
    page = PAGE.read_text(encoding="utf-8")
    for name in only or tables:
        text = tables[name]()
        page = put(page, name, text)
        print(text, end="\n\n", flush=True)
        write_atomically(PAGE, partial(_write, page.encode()))


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)


if __name__ == "__main__":
    typer.run(main)
