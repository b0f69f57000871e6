"""A hop of a model that takes its signal patch by patch, against a whole window: time and multiply-adds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

import ppgfast
from benchmarks.timing import interleave, pinned, stopwatch

torch = pytest.importorskip("torch", reason="the models are built with torch")

from training.export import to_ppgf  # noqa: E402
from training.models import build  # noqa: E402

N_PATCHES = 30  # of a window
HOP = 2  # patches
HOPS = 200  # of the signal that a hop's time is taken from
NAMES = ("hop", "window", "gpt50k_window")


def models(precision: str, folder: str) -> dict[str, ppgfast.Model]:
    """Models of random weights, by what is timed."""
    torch.manual_seed(0)
    found = {}
    for name, student, n in (
        ("hop", "stream50k", HOP),  # the network has no weight that depends on a window's length
        ("window", "stream50k", N_PATCHES),
        ("gpt50k_window", "gpt50k", N_PATCHES),
    ):
        path = f"{folder}/{name}-{precision}.ppgf"
        to_ppgf(build(student, n_patches=n).eval(), path, precision=precision, sampling_rate=40.0)
        found[name] = ppgfast.load(path)
    return found


@cache
def race(precision: str, folder: str, rounds: int) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Samples in ns and multiply-adds of each contestant; a hop's are those of a signal over its answers."""
    by_name = models(precision, folder)
    signal = np.random.default_rng(0).standard_normal(40 * (N_PATCHES + HOP * HOPS)).astype(np.float32)
    window = signal[: 40 * N_PATCHES]
    hop = HOP * 40 / 40.0  # s
    calls: dict[str, Callable[[], object]] = {
        "hop": lambda: by_name["window"].predict_sequence(signal, hop=hop),
        "window": lambda: by_name["window"].predict(window),
        "gpt50k_window": lambda: by_name["gpt50k_window"].predict(window),
    }
    with pinned(1):
        samples = interleave({name: stopwatch(call) for name, call in calls.items()}, rounds)
    samples["hop"] = samples["hop"] / (HOPS + 1)
    return samples, {name: int(model.info["multiply_adds"]) for name, model in by_name.items()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["f32", "s8"])
def test_streaming(
    precision: str,
    name: str,
    rounds: int,
    record: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
):
    folder = str(tmp_path_factory.getbasetemp())
    samples, macs = race(precision, folder, max(1, rounds // 5))
    record("streaming", samples[name], runtime=name, precision=precision, macs=macs[name])
