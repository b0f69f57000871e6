"""What a stream makes of simulated people: `python -m benchmarks.streaming MODEL` (heart rate, one channel).

Prints the numbers of docs/streaming.md that depend on signals: how long a band-pass settles, what a causal
filter costs a model that was trained with one that runs both ways, and the quality of pulses and of noise.
"""

from __future__ import annotations

import argparse

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    model = ppgfast.load(parser.parse_args().model)
    contract = model.info["input"]
    rate, n = contract["sampling_rate"], contract["window"]
    settled: dict[float, list[float]] = {0.0: [], 0.5: [], 1.0: [], 1.5: []}
    quality: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {"causal": [], "both ways": []}
    for seed in range(PEOPLE):
        setting, rhythm = SETTINGS[seed % len(SETTINGS)], "sinus" if seed % 2 else "af"
        person = random_subject(seed, duration=SECONDS, setting=setting, rhythm=rhythm)
        record = person.simulate(duration=SECONDS, sampling_rate=RATE, seed=seed)
        whole = model.prepare(record.signal, sampling_rate=RATE)
        for periods, found in settled.items():
            found += settling(model, record.signal, whole, periods)
        both_ways = bandpass(resample(record.signal, RATE, rate), rate, *contract["filter"])
        truth = record.hr(WINDOW, HOP)
        stream = model.stream(sampling_rate=RATE, hop=HOP, min_quality=0, max_hr_std=1e9, track=False)
        for result in stream.push(record.signal):
            k, first = round(result.t_start / HOP), round(result.t_start * rate)
            if not result.valid or not np.isfinite(truth[k]):
                continue
            quality.setdefault(f"{setting}, {rhythm}", []).append(result.quality)
            errors["causal"].append(abs(result.hr_bpm - truth[k]))
            window = np.ascontiguousarray(both_ways[first : first + n], dtype=np.float32)
            errors["both ways"].append(abs(float(model.predict(window).ravel()[0]) - truth[k]))
    noise = np.random.default_rng(0).standard_normal(int(600 * RATE)).astype(np.float32)
    results = model.stream(sampling_rate=RATE, hop=HOP, min_quality=0, max_hr_std=1e9).push(noise)
    quality["noise"] = [r.quality for r in results if r.valid]

    for periods, found in settled.items():
        print(f"settled for {periods:g} periods of the band's edge: {100 * np.median(found):.2f} % apart")
    for name, values in errors.items():
        print(f"filtered {name}: mean absolute error {np.mean(values):.1f} bpm")
    for name, values in sorted(quality.items()):
        low, middle, high = np.quantile(values, (0.05, 0.5, 0.99))
        print(f"quality, {name}: 5 % below {low:.2f}, median {middle:.2f}, 1 % above {high:.2f}")


if __name__ == "__main__":
    main()
