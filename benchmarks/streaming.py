"""What a stream makes of simulated people: `python -m benchmarks.streaming MODEL` (heart rate, one channel).

Prints the numbers of docs/streaming.md that depend on signals: how long a band-pass settles, what a causal
filter costs a model that was trained with one that runs both ways, and the quality of pulses and of noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import ppgfast
from ppgfast.simulate import SETTINGS, random_subject
from training.data.signal import bandpass, resample

RATE = 64.0
SECONDS = 120
PEOPLE = 40
WINDOW, HOP = 8.0, 2.0


def settling(model: ppgfast.Model, samples: np.ndarray, whole: np.ndarray, periods: float) -> list[float]:
    """RMS of the difference between windows of a new and an old filter, over the windows' deviation."""
    rate, low = model.info["input"]["sampling_rate"], model.info["input"]["filter"][0]
    n, skip = model.info["input"]["window"], round(periods / low * rate)
    found = []
    for start in range(20, 90, 10):
        part = model.prepare(samples[int(start * RATE) :], sampling_rate=RATE)[skip : skip + n]
        old = whole[int(start * rate) + skip :][:n]
        found.append(float(np.sqrt(np.mean((part - old) ** 2)) / old.std()))
    return found


def recordings(folder: Path | None) -> Iterator[tuple[str, np.ndarray, float, np.ndarray]]:
    """(group, samples, Hz, heart rate of the windows that begin every HOP s) of people, NaN where unknown."""
    for seed in range(PEOPLE):
        setting, rhythm = SETTINGS[seed % len(SETTINGS)], "sinus" if seed % 2 else "af"
        person = random_subject(seed, duration=SECONDS, setting=setting, rhythm=rhythm)
        record = person.simulate(duration=SECONDS, sampling_rate=RATE, seed=seed)
        yield f"simulated, {rhythm}", record.signal, RATE, record.hr(WINDOW, HOP)
    for path in sorted(folder.glob("bidmc_*_Signals.csv")) if folder else ():
        ppg = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=2)
        monitor = path.with_name(path.name.replace("Signals", "Numerics"))  # once a second
        rate = np.genfromtxt(monitor, delimiter=",", skip_header=1, usecols=1)
        yield "BIDMC", ppg.astype(np.float32), 125.0, rate[int(WINDOW) :: int(HOP)]


def offline(model: ppgfast.Model, whole: np.ndarray, firsts: list[int]) -> np.ndarray:
    """Heart rates of the windows that begin at samples `firsts`, for a model for streams of one signal."""
    n, hop = model.info["input"]["window"], round(HOP * model.info["input"]["sampling_rate"])
    if model.info["kind"] == "streamgpt":
        places = (np.array(firsts) - firsts[0]) // hop
        return model.predict_sequence(whole[firsts[0] : firsts[-1] + n], hop=HOP)[places, 0]
    return model.predict(np.stack([whole[first : first + n] for first in firsts]))[:, 0]


def errors(model: ppgfast.Model, folder: Path | None) -> dict[tuple[str, str], list[float]]:
    """Absolute errors by group of people and by filter: of a stream, of a stream whose windows are filtered
    backwards too, and of windows cut from the whole recording filtered both ways."""
    contract = model.info["input"]
    fs = contract["sampling_rate"]
    found: dict[tuple[str, str], list[float]] = {}
    for group, samples, rate, truth in recordings(folder):
        whole = bandpass(resample(samples, rate, fs), fs, *contract["filter"]).astype(np.float32)
        for name, both_ways in (("causal", False), ("backwards too", True), ("whole recording", False)):
            if both_ways and model.info["kind"] == "streamgpt":
                continue
            stream = model.stream(
                sampling_rate=rate, hop=HOP, track=False, both_ways=both_ways, min_quality=0, max_hr_std=1e9
            )
            results = [result for result in stream.push(samples) if result.valid]
            answers = np.array([result.hr_bpm for result in results])
            if name == "whole recording":
                answers = offline(model, whole, [round(result.t_start * fs) for result in results])
            for result, answer in zip(results, answers, strict=True):
                k = round(result.t_start / HOP)
                if k < len(truth) and np.isfinite(truth[k]):
                    found.setdefault((group, name), []).append(abs(float(answer) - truth[k]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--bidmc", type=Path, help="folder of the BIDMC data set")
    arguments = parser.parse_args()
    model = ppgfast.load(arguments.model)
    settled: dict[float, list[float]] = {0.0: [], 0.5: [], 1.0: [], 1.5: []}
    quality: dict[str, list[float]] = {}
    for seed in range(PEOPLE):
        setting, rhythm = SETTINGS[seed % len(SETTINGS)], "sinus" if seed % 2 else "af"
        person = random_subject(seed, duration=SECONDS, setting=setting, rhythm=rhythm)
        record = person.simulate(duration=SECONDS, sampling_rate=RATE, seed=seed)
        whole = model.prepare(record.signal, sampling_rate=RATE)
        for periods, found in settled.items():
            found += settling(model, record.signal, whole, periods)
        stream = model.stream(sampling_rate=RATE, hop=HOP, min_quality=0, max_hr_std=1e9, track=False)
        for result in stream.push(record.signal):
            if result.valid:
                quality.setdefault(f"{setting}, {rhythm}", []).append(result.quality)
    noise = np.random.default_rng(0).standard_normal(int(600 * RATE)).astype(np.float32)
    results = model.stream(sampling_rate=RATE, hop=HOP, min_quality=0, max_hr_std=1e9).push(noise)
    quality["noise"] = [r.quality for r in results if r.valid]

    for periods, found in settled.items():
        print(f"settled for {periods:g} periods of the band's edge: {100 * np.median(found):.2f} % apart")
    for (group, name), values in errors(model, arguments.bidmc).items():
        print(f"{group}, filtered {name}: {len(values)} windows, mean error {np.mean(values):.2f} bpm")
    for name, values in sorted(quality.items()):
        low, middle, high = np.quantile(values, (0.05, 0.5, 0.99))
        print(f"quality, {name}: 5 % below {low:.2f}, median {middle:.2f}, 1 % above {high:.2f}")


if __name__ == "__main__":
    main()
