"""Small prepared data sets, made in a moment: pulses of known rate, regular or irregular."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from training.data.windows import WindowSet, count

RATE, WINDOW, HOP = 40.0, 320, 80
QUIET = Console(quiet=True)


def pulses(rng: np.random.Generator, bpm: float, seconds: float, irregular: float = 0.0) -> np.ndarray:
    """Samples at RATE of a pulse train of the given rate; `irregular` is the spread of its intervals."""
    intervals = 60 / bpm * np.exp(irregular * rng.standard_normal(int(seconds * bpm / 60) + 20))
    beats = np.cumsum(intervals) - 5
    time = np.arange(int(seconds * RATE)) / RATE
    phase = np.interp(time, beats, np.arange(len(beats)))
    return np.sin(2 * np.pi * phase) + 0.4 * np.sin(4 * np.pi * phase) + 0.05 * rng.standard_normal(len(time))


def tiny_windows(task: str = "hr", subjects: int = 6, windows: int = 12, seed: int = 0) -> WindowSet:
    """`windows` 8 s windows every 2 s of each subject, one heart rate or one rhythm each."""
    rng = np.random.default_rng(seed)
    ppg, label = [], []
    for subject in range(subjects):
        bpm = 55 + 70 * subject / max(1, subjects - 1)
        af = subject % 2 == 1
        x = pulses(
            rng,
            80 if task == "af" else bpm,
            (WINDOW + HOP * windows) / RATE,
            0.3 if task == "af" and af else 0,
        )
        ppg += [x[k * HOP : k * HOP + WINDOW] for k in range(windows)]
        label += [float(af) if task == "af" else bpm] * windows
    subject = np.repeat(np.arange(subjects, dtype=np.int32), windows)
    names = [f"s{k}" for k in range(subjects)]
    values = np.array(label, np.float32)
    manifest = {
        "dataset": "tiny",
        "title": "Pulse trains",
        "task": task,
        "sampling_rate": RATE,
        "window": WINDOW,
        "hop": HOP,
        "filter": {"low": 0.5, "high": 8.0, "order": 2},
        "polarity": 1,
        "units": {"ppg": "arbitrary", "acc": "g", "label": "bpm"},
        "licence": "Apache-2.0",
        "citation": "none",
        "note": "",
        "source": {"sha256": f"{seed}", "files": 0, "bytes": 0},
        "config": {},
        "subjects": names,
        "records": names,
        "activities": {},
        "counts": count(values, subject, names),
        "dropped": {"missing": 0, "flat": 0},
    }
    return WindowSet(
        ppg=np.array(ppg, np.float32),
        label=values,
        subject=subject,
        t_start=np.tile(np.arange(windows) * HOP / RATE, subjects),
        record=subject.copy(),
        manifest=manifest,
    )


@pytest.fixture(scope="session")
def tiny_hr(tmp_path_factory) -> Path:
    """A prepared heart-rate folder: 6 subjects, 12 windows each."""
    folder = tmp_path_factory.mktemp("data") / "hr"
    tiny_windows("hr").save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_af(tmp_path_factory) -> Path:
    """A prepared rhythm folder: 8 subjects, 12 windows each, every second one irregular."""
    folder = tmp_path_factory.mktemp("data") / "af"
    tiny_windows("af", subjects=8).save(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Bits depend on how a sum is split over threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def moving(windows: WindowSet, seed: int = 0) -> WindowSet:
    """The windows with an accelerometer: gravity on one axis, noise on all."""
    acc = np.random.default_rng(seed).normal(0, 0.1, (len(windows), 3, windows.window)).astype(np.float32)
    acc[:, 2] += 1
    return replace(windows, acc=acc)
