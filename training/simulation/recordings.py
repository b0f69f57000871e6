"""Recorded and simulated signals in one form, so that every measure is taken on both alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.signal import butter, find_peaks, sosfiltfilt

from ppgfast.simulate import random_subject
from training.data import bidmc, cinc2015, ieee_spc2015, liu2022
from training.data.files import read_csv, read_npz
from training.data.recording import DataSet, Recording

Floats = NDArray[np.float64]
RATE = 125.0  # Hz of all windows but those of the rhythms
RHYTHM_RATE = 100.0
WINDOW, HOP = 8.0, 2.0  # s
FIRST = 5000  # seed of the first simulated person: none of these was looked at while the ranges were tuned
RHYTHMS = {"sinus": 0, "pvc": 1, "pac": 2, "af": 5}  # and their codes in Liu et al. 2022


@dataclass(frozen=True)
class Windows:
    """The labelled windows of one record: ppg (W, L), hr (W,) bpm, acc (W, 3, K) g or None, variation (W,).

    variation: standard deviation over mean of the RR intervals in each window, NaN where unknown.
    """

    ppg: Floats
    hr: Floats
    variation: Floats
    acc: Floats | None = None
    acc_rate: float = RATE

    def take(self, chosen: NDArray[np.bool_]) -> "Windows":
        acc = None if self.acc is None else self.acc[chosen]
        return Windows(self.ppg[chosen], self.hr[chosen], self.variation[chosen], acc, self.acc_rate)


def cut(x: Floats, rate: float, n: int) -> Floats:
    """The first n windows of the last axis of x: (n, ..., samples)."""
    length, hop = round(WINDOW * rate), round(HOP * rate)
    return np.stack([x[..., k * hop : k * hop + length] for k in range(n)])


def count(x: Floats, rate: float) -> int:
    return int((x.shape[-1] - round(WINDOW * rate)) // round(HOP * rate)) + 1


def _read(data_set: DataSet, folder: Path) -> Iterator[Recording]:
    for name, record in data_set.records(folder, None).items():
        if name not in data_set.exclude:
            yield from record.read()


def _windows(recording: Recording, variation: Floats | None = None) -> Windows:
    ppg = recording.ppg[0]
    n = count(ppg, RATE)
    windows = cut(ppg, RATE, n)
    hr = recording.labels["hr"].of(HOP * np.arange(n), WINDOW)
    acc = None if recording.acc is None else cut(recording.acc[0], recording.acc_rate, n)
    known = np.full(n, np.nan) if variation is None else variation[:n].astype(np.float64)
    usable = np.isfinite(windows).all(axis=1) & np.isfinite(hr) & (np.ptp(windows, axis=1) > 0)
    return Windows(windows, hr, known, acc, recording.acc_rate or RATE).take(usable)


def treadmill(data: Path) -> list[Windows]:
    """IEEE SPC 2015, channel PPG1."""
    return [_windows(recording) for recording in _read(ieee_spc2015.DATA_SET, data / "ieee_spc2015")]


def bed(data: Path) -> list[Windows]:
    """CinC 2015 with the RR variation of its two ECG leads."""
    found = []
    for recording in _read(cinc2015.DATA_SET, data / "cinc2015"):
        assert recording.source is not None
        key = f"{recording.name}/rr_cv"
        found.append(_windows(recording, read_npz(recording.source, [key])[key]))
    return [record for record in found if len(record.hr)]


def monitors(data: Path) -> list[Windows]:
    """BIDMC."""
    return [_windows(recording) for recording in _read(bidmc.DATA_SET, data / "bidmc")]


def simulated(setting: str, subjects: int, seconds: float, rhythm: str | None = None) -> Iterator[Windows]:
    """Windows of drawn people, person by person."""
    for seed in range(FIRST, FIRST + subjects):
        person = random_subject(seed, duration=seconds, setting=setting, rhythm=rhythm)
        truth = person.simulate(duration=seconds, sampling_rate=RATE, seed=seed)
        signal = truth.signal.astype(np.float64)
        n = count(signal, RATE)
        acc = cut(truth.acc.T.astype(np.float64), truth.acc_rate, n)
        variation = np.array([_variation(truth.beat_times, HOP * k) for k in range(n)])
        hr = truth.hr(WINDOW, HOP)
        windows = Windows(cut(signal, RATE, n), hr, variation, acc, truth.acc_rate)
        yield windows.take(np.isfinite(hr) & (np.ptp(windows.ppg, axis=1) > 0))


def _variation(beats: Floats, start: float) -> float:
    rr = np.diff(beats[(beats >= start) & (beats < start + WINDOW)])
    return float(rr.std() / rr.mean()) if len(rr) > 1 else float("nan")


def segments(data: Path) -> dict[str, Floats]:
    """Liu et al. 2022: 10 s segments (n, 1000) by rhythm."""
    found: dict[str, list[Floats]] = {name: [] for name in RHYTHMS}
    for recording in _read(liu2022.DATA_SET, data / "liu2022"):
        assert recording.activity is not None
        codes = recording.activity.of(np.zeros(1), 10.0).ravel()
        for name, code in RHYTHMS.items():
            found[name].append(recording.ppg[codes == code])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def simulated_segments(subjects: int, seconds: float) -> dict[str, Floats]:
    """Segments of drawn patients by rhythm: readable, and with the beat that they are named after."""
    found: dict[str, list[Floats]] = {name: [] for name in RHYTHMS}
    for rhythm in RHYTHMS:
        for seed in range(FIRST, FIRST + subjects):
            person = random_subject(seed, duration=seconds, setting="bed", rhythm=rhythm)
            truth = person.simulate(duration=seconds, sampling_rate=RHYTHM_RATE, seed=seed)
            parts = truth.signal.astype(np.float64)[: int(seconds // 10) * 1000].reshape(-1, 1000)
            named = [(truth.beats[(truth.beat_times // 10) == k] == rhythm).any() for k in range(len(parts))]
            good = (truth.quality(10, 10) > 0.8) & np.array(named)
            found[rhythm].append(parts[good])
    return {name: scaled(np.concatenate(parts)) for name, parts in found.items()}


def scaled(segments: Floats) -> Floats:
    low, high = segments.min(axis=1, keepdims=True), segments.max(axis=1, keepdims=True)
    return np.asarray((segments - low) / np.maximum(high - low, 1e-9))


def monitor_intervals(data: Path) -> list[Floats]:
    """RR intervals (s) of each BIDMC record, from its ECG lead II."""
    files = sorted((data / "bidmc").glob("*_Signals.csv"))
    return [rr for rr in map(_intervals, (read_csv(path, ["II"])["II"] for path in files)) if len(rr) > 100]


def _intervals(ecg: Floats) -> Floats:
    band = butter(2, (5.0, 30.0), "bandpass", fs=RATE, output="sos")
    y = sosfiltfilt(band, np.nan_to_num(ecg, nan=float(np.nanmedian(ecg))))
    if -np.percentile(y, 1) > np.percentile(
        y, 99
    ):  # the larger deflection is the R or the S wave: stay with it
        y = -y
    tops, _ = find_peaks(y, height=0.4 * np.percentile(y, 99.5), distance=round(0.33 * RATE))
    before, top, after = y[tops - 1], y[tops], y[tops + 1]
    rr = np.diff(tops + 0.5 * (before - after) / (before - 2 * top + after)) / RATE
    usual = median_filter(rr, 11)
    return np.asarray(rr[np.abs(rr / usual - 1) < 0.2])


def simulated_intervals(subjects: int, seconds: float) -> list[Floats]:
    """RR intervals of drawn patients in sinus rhythm."""
    draw = partial(random_subject, duration=seconds, setting="bed", rhythm="sinus")
    return [
        draw(seed).simulate(duration=seconds, sampling_rate=25, seed=seed).rr_intervals
        for seed in range(FIRST, FIRST + subjects)
    ]
