"""A monitor and a browser that looks at it, for tests, screenshots and the measurement of its cost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import ppgfast

RATE = 128
NAMES = ("chromium", "chromium-browser", "google-chrome")
ENDED = "body[data-status=ended]"


def missing() -> str:
    """What this needs and cannot find, by name; empty if it is all there."""
    try:
        import bokeh  # noqa: F401
        import playwright  # noqa: F401
        import tornado  # noqa: F401
    except ModuleNotFoundError as error:
        return f"the Python package {error.name}: pip install '.[monitor,dev]'"
    return "" if any(map(shutil.which, NAMES)) else "the program chromium: apt-get install chromium"


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a screen; `new_page()` of it opens one."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, NAMES)))
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@contextmanager
def monitor(*arguments: Any, **process: Any) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`ppgfast monitor` with these arguments on a free port: the address it says, and the process."""
    command = [sys.executable, "-m", "ppgfast", "monitor", *map(str, arguments), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, **process) as started:
        assert started.stdout is not None
        try:
            yield json.loads(started.stdout.readline())["address"], started
        finally:
            started.terminate()


def simulated(folder: Path, *, seconds: float, bad: float = 20.0, seed: int = 4) -> Path:
    """A walk at 128 Hz with the accelerometer of the same arm; from `bad` s on 8 s without a pulse to see."""
    made = ppgfast.ppg_simulate(duration=seconds, sampling_rate=RATE, seed=seed, motion="walk", heart_rate=75)
    signal = made.signal.copy()
    noise = np.random.default_rng(seed).normal(signal.mean(), signal.std(), 8 * RATE)
    signal[int(bad * RATE) : int(bad * RATE) + len(noise)] = noise
    path = folder / "walk.npz"
    np.savez(path, signal=signal, sampling_rate=RATE, acc=made.acc, acc_rate=made.acc_rate, acc_units="g")
    return path
