"""The verbs beside other programs on the same recordings in the same process: tables of docs/verbs.md.

    python -m training.verbs_peers runs/hr-tcn5k ../shared/data

Needs `pip install 'ppgfast[bench-verbs]'`. Each program is run as its documentation shows: NeuroKit2 by
`ppg_process`, HeartPy by `filter_signal` and `process`, on a whole recording and, as `process_segmentwise`
does, window by window. Times are those of the processor, on one thread.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

import ppgfast
from ppgfast.verbs.signal import signal_of
from ppgfast.verbs.windows import Windows, cut
from training.data.recording import Recording
from training.metrics import bootstrap, spectral_peak
from training.quality import patients, recordings, write_tables
from training.verbs import PAGE
from training.verbs_day import HEARTPY_BAND, peaks_kept

Floats = NDArray[np.float64]
Answer = Callable[[Recording, Windows], Floats]  # of every window, bpm, NaN where it gives none

WINDOW = 8.0  # s
OURS = "hr-tcn5k-s8, tracked"
DRAWS = 1000
LATEST = 0.6  # s by which a beat can come behind the foot of its pulse
NEAR = 0.15  # s between a beat and a pulse, behind the usual delay
PEOPLE = 12  # simulated, in each setting
SECONDS = 180.0


def neurokit(recording: Recording, windows: Windows) -> Floats:
    """The mean of PPG_Rate in each window."""
    import neurokit2 as nk

    rate = recording.sampling_rate
    found = nk.ppg_process(recording.ppg[0], sampling_rate=rate)[0]["PPG_Rate"].to_numpy()
    first = np.rint(windows.start * rate).astype(int)
    return np.array([found[i : i + round(WINDOW * rate)].mean() for i in first])


def heartpy(recording: Recording, windows: Windows) -> Floats:
    """Of the whole recording: the mean interval between beats of each window that HeartPy accepts."""
    times, accepted = peaks_kept(recording.ppg[0], recording.sampling_rate)
    steps, good = np.diff(times), accepted[1:] & accepted[:-1]
    out = np.full(len(windows.start), np.nan)
    for k, start in enumerate(windows.start):
        inside = good & (times[:-1] >= start) & (times[1:] < start + WINDOW)
        if inside.any():
            out[k] = 60.0 / steps[inside].mean()
    return out


def heartpy_by_window(recording: Recording, windows: Windows) -> Floats:
    """Window by window, NaN where HeartPy says that the signal is bad."""
    import heartpy as hp

    rate = recording.sampling_rate
    clean = hp.filter_signal(recording.ppg[0], HEARTPY_BAND, rate, order=3, filtertype="bandpass")
    out = np.full(len(windows.start), np.nan)
    for k, start in enumerate(windows.start):
        first = round(start * rate)
        try:
            out[k] = hp.process(clean[first : first + round(WINDOW * rate)], rate)[1]["bpm"]
        except hp.exceptions.BadSignalWarning:
            continue
    return out


def peak(recording: Recording, windows: Windows) -> Floats:
    """The spectrum's peak: no learning, and an answer for every window."""
    index = np.arange(len(windows.start))
    return spectral_peak(windows.ppg_at(index), windows.rate)


def ours(recording: Recording, windows: Windows, model: str, track: bool, least: float = 0.0) -> Floats:
    """`ppg_rate`, of windows with a quality of `least` or more."""
    table = ppgfast.ppg_rate(
        recording.ppg[0],
        sampling_rate=recording.sampling_rate,
        model=model,
        track=track,
        min_quality=least,
    )
    return np.where(table["valid"], table["hr_bpm"], np.nan)


METHODS: dict[str, Answer] = {
    "spectral peak": peak,
    "NeuroKit2": neurokit,
    "HeartPy": heartpy,
    "HeartPy, by window": heartpy_by_window,
    "hr-tcn5k-s8": partial(ours, model="hr-tcn5k-s8", track=False),
    OURS: partial(ours, model="hr-tcn5k-s8", track=True),
    "the same, quality 0.5 or more": partial(ours, model="hr-tcn5k-s8", track=True, least=0.5),
    "hr-gpt1m-s8": partial(ours, model="hr-gpt1m-s8", track=False),
    "hr-gpt1m-s8, tracked": partial(ours, model="hr-gpt1m-s8", track=True),
}


class Count:
    """What a method said of one set."""

    def __init__(self) -> None:
        self.error: list[Floats] = []
        self.failed, self.seconds = 0, 0.0


def asked(found: Sequence[Recording]) -> tuple[dict[str, Count], NDArray[np.int64], float]:
    """Errors (bpm, NaN without an answer) by method, whose windows they are, and the hours of signal."""
    about = ppgfast.load("hr-tcn5k-s8").info["input"]
    counts = {name: Count() for name in METHODS}
    whose: list[NDArray[np.int64]] = []
    hours = 0.0
    for number, recording in enumerate(found):
        samples = signal_of(recording.ppg[0], sampling_rate=recording.sampling_rate, timestamps=None)
        windows = cut(samples, about)
        truth = np.asarray(recording.labels["hr"].of(windows.start, WINDOW)).reshape(-1)[: len(windows.start)]
        judged = windows.whole & np.isfinite(truth)
        whose.append(np.full(int(judged.sum()), number))
        hours += samples.duration / 3600.0
        for name, answer in METHODS.items():
            start, rates = time.process_time(), np.full(len(truth), np.nan)
            try:
                rates = answer(recording, windows)
            except Exception as error:  # whatever a program raises is counted, and told
                counts[name].failed += 1
                print(f"{name}: {recording.name}: {error!r}"[:200], file=sys.stderr, flush=True)
            counts[name].seconds += time.process_time() - start
            counts[name].error.append(np.abs(rates - truth)[judged])
    return counts, np.concatenate(whose), hours


def peers(sets: Mapping[str, Sequence[Recording]]) -> str:
    """Markdown: coverage, errors and time of every method on every set."""
    lines = [["", "answered", "failed", "median", "mean error, bpm", f"{OURS}, there", "s per hour"]]
    lines.append(["---", *["---:"] * (len(lines[0]) - 1)])
    for title, found in sets.items():
        counts, whose, hours = asked(found)
        people = len({recording.subject for recording in found})
        lines.append([f"**{title}**, {len(whose):,} windows of {people}", *[""] * (len(lines[0]) - 1)])
        own = np.concatenate(counts[OURS].error)
        for name, count in counts.items():
            error = np.concatenate(count.error)
            told = np.isfinite(error)
            mean = bootstrap(lambda e: float(e.mean()), error[told], subjects=whose[told], n=DRAWS)
            lines.append(
                [
                    name,
                    f"{100 * told.mean():.0f} %",
                    f"{count.failed}" if count.failed else "-",
                    f"{np.median(error[told]):.2f}",
                    f"{mean.value:.2f} ({mean.low:.1f} to {mean.high:.1f})",
                    f"{own[told].mean():.2f}",
                    f"{count.seconds / hours:.1f}",
                ]
            )
    return _markdown(lines)


def matched(times: Floats, pulses: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pulses have a beat, and which beats a pulse; beats come a usual delay behind the pulses' feet."""
    if not len(times) or not len(pulses):
        return np.zeros(len(pulses), bool), np.zeros(len(times), bool)
    after = np.searchsorted(times, pulses).clip(max=len(times) - 1)
    late = times[after] - pulses
    prompt = late[(late >= 0.0) & (late < LATEST)]
    expected = pulses + (np.median(prompt) if len(prompt) else 0.0)

    def near(a: Floats, b: Floats) -> NDArray[np.bool_]:
        right = np.searchsorted(b, a).clip(1, max(len(b) - 1, 1)).clip(max=len(b) - 1)
        return np.minimum(np.abs(a - b[right]), np.abs(a - b[np.maximum(right - 1, 0)])) < NEAR

    return near(expected, times), near(times, expected)


def undisturbed(made: ppgfast.Simulation) -> Callable[[Floats], NDArray[np.bool_]]:
    """times -> whether no artefact is within a second and the filter's edges are away."""
    total = np.append(0, np.cumsum(made.artefact))

    def clear(times: Floats) -> NDArray[np.bool_]:
        first, last = (np.clip(((times + by) * 64).astype(int), 0, len(made.artefact)) for by in (-1.0, 1.0))
        return (total[last] == total[first]) & (times > 2.0) & (times < SECONDS - 2.0)

    return clear


def neurokit_beats(ppg: Floats, rate: float) -> Floats:
    import neurokit2 as nk

    clean = nk.ppg_clean(ppg, sampling_rate=rate)
    return np.asarray(nk.ppg_findpeaks(clean, sampling_rate=rate)["PPG_Peaks"]) / rate


def heartpy_beats(ppg: Floats, rate: float) -> Floats:
    times, accepted = peaks_kept(ppg, rate)
    return times[accepted]


BEATS: dict[str, Callable[[Floats, float], Floats]] = {
    "`ppg_peaks`": lambda ppg, rate: ppgfast.ppg_peaks(ppg, sampling_rate=rate)["t"],
    "NeuroKit2, Elgendi": neurokit_beats,
    "HeartPy": heartpy_beats,
}


def peer_beats() -> str:
    """Markdown: pulses found, beats that are true and intervals, of people simulated with exact times."""
    lines = [["simulated", "", "pulses", "found", "of those found true", "interval off, ms", "s per hour"]]
    lines.append(["---", "---", *["---:"] * 5])
    for setting in ("bed", "daily", "treadmill"):
        for rhythm in ("sinus", "af"):
            people = [simulation(setting, rhythm, seed) for seed in range(PEOPLE)]
            for name, find in BEATS.items():
                find(people[0][0], 64.0)  # imports what it needs
                lines.append([f"{setting}, {rhythm}", name, *found_by(find, people)])
    return _markdown(lines)


def simulation(setting: str, rhythm: str, seed: int) -> tuple[Floats, ppgfast.Simulation]:
    """The samples, upright, and the truth."""
    from ppgfast.simulate import random_subject

    person = random_subject(7000 + seed, duration=SECONDS, setting=setting, rhythm=rhythm)
    made = person.simulate(duration=SECONDS, sampling_rate=64.0, seed=seed)
    return made.signal.astype(np.float64) * (-1.0 if person.sensor.polarity < 0 else 1.0), made


def found_by(
    find: Callable[[Floats, float], Floats], people: Sequence[tuple[Floats, ppgfast.Simulation]]
) -> list[str]:
    """The cells of one method."""
    hits, right, off, spent = [], [], [], 0.0
    for samples, made in people:
        start = time.process_time()
        times = find(samples, 64.0)
        spent += time.process_time() - start
        near, true = matched(times, made.pulse_times)
        whole = undisturbed(made)
        hits.append(near[whole(made.pulse_times) & (made.pulse_heights > 0.3)])
        right.append(true[whole(times)])
        off.append(_off(times, made.pulse_times, whole))
    shares = [f"{100 * np.concatenate(part).mean():.1f} %" for part in (hits, right)]
    late = f"{1000 * np.median(np.concatenate(off)):.1f}"
    return [f"{sum(map(len, hits)):,}", *shares, late, f"{spent / (len(people) * SECONDS / 3600):.1f}"]


def _off(times: Floats, pulses: Floats, whole: Callable[[Floats], NDArray[np.bool_]]) -> Floats:
    """How far (s) intervals between beats are from those between their pulses, where no beat is missed."""
    if len(times) < 2:
        return np.empty(0)
    true = np.diff(pulses)
    at = np.searchsorted(pulses, times) - 1
    both = (np.diff(at) == 1) & whole(times[1:]) & (at[1:] > 0)
    return np.abs(np.diff(times)[both] - true[at[1:][both] - 1])


def day(limit: int) -> str:
    """Markdown: each program alone in a process with the same 24 h."""
    lines = [["24 h at 64 Hz, 5,529,600 samples", "s", "peak memory, MiB"], ["---", "---:", "---:"]]
    for method in ("hr-tcn5k-s8", "hr-gpt50k-s8", "hr-gpt1m-s8", "NeuroKit2", "HeartPy"):
        command = [sys.executable, "-m", "training.verbs_day", method, str(limit)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        name = f"`ppg_process`, `{method}`" if method.startswith("hr-") else method
        if made.returncode:
            late = made.returncode == -signal.SIGXCPU
            lines.append([name, f"more than {limit}" if late else f"failed ({made.returncode})", "-"])
            continue
        seconds, mebibytes = json.loads(made.stdout)
        lines.append([name, f"{seconds:.1f}", f"{mebibytes:,.0f}"])
    return _markdown(lines)


def warm(sets: Mapping[str, Sequence[Recording]]) -> str:
    """The table `peers`, after a recording that no clock counts: what is imported late is there then."""
    asked(next(iter(sets.values()))[:1])
    return peers(sets)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def held_out(run: Path, data: Path) -> Iterator[tuple[str, list[Recording]]]:
    """People whom no bundled model learned from."""
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    yield "SPC, running", list(recordings("ieee_spc2015", data / "ieee_spc2015"))
    yield "BIDMC, intensive care", list(recordings("bidmc", data / "bidmc"))
    yield "CinC 2015, alarms in intensive care, test", patients(about, data, "test")


def main(
    run: Annotated[Path, typer.Argument(help="Run folder whose subjects are kept apart.")],
    data: Annotated[Path, typer.Argument(help="Folder with cinc2015/, bidmc/ and ieee_spc2015/.")],
    only: Annotated[list[str] | None, typer.Option(help="A table's name; default all.")] = None,
    limit: Annotated[int, typer.Option(help="s of the processor that a program has for a day.")] = 900,
) -> None:
    """Measure all programs and write the tables."""
    warnings.simplefilter("ignore")
    tables: dict[str, Callable[[], str]] = {
        "peers": lambda: warm(dict(held_out(run, data))),
        "peer-beats": peer_beats,
        "day": lambda: day(limit),
    }
    write_tables(PAGE, {name: tables[name] for name in only or tables})


if __name__ == "__main__":
    typer.run(main)
