"""Copies of windows at other speeds: always the same ones, and a teacher that answers for each."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import QUIET, moving, tiny_windows

from training import checkpoint, inputs
from training.config import ConfigError, DistillConfig, FinetuneConfig
from training.data.signal import resample
from training.distill import Distillation, distill, open_teacher, teacher_identity
from training.finetune import finetune
from training.metrics import spectral_peak
from training.runs import begin
from training.teacher_cache import write_store
from training.time_scale import Copies, successors

SMALL = {"name": "gpt50k", "overrides": {"d_model": 16, "n_layers": 1}}


def test_successors_stay_in_the_record_and_touch_the_window():
    windows = tiny_windows(subjects=2, windows=8)
    found = successors(windows)
    assert list(found[:8]) == [4, 5, 6, 7, 7, 7, 7, 7]  # 8 s windows every 2 s: the fourth next one touches
    assert list(found[8:]) == [12, 13, 14, 15, 15, 15, 15, 15]


def test_copies_are_always_the_same_and_span_the_range_of_speeds():
    windows = tiny_windows()
    rows = np.arange(len(windows))
    copies = Copies(windows, 1.4, 3)
    as_it_is, label = copies.play(rows, 0)
    np.testing.assert_allclose(as_it_is, windows.ppg, atol=1e-7)
    np.testing.assert_array_equal(label, windows.label)
    speeds = np.array([copies.play(rows, k)[1] / windows.label for k in (1, 2, 3)])
    assert (speeds >= 1 / 1.4 - 1e-6).all()
    assert (speeds <= 1.4 + 1e-6).all()
    assert (speeds[0] < 0.9).all()  # the slowest third
    followed = successors(windows) >= rows + 4  # 8 s follow, so it can be sped up
    assert (speeds[2][followed] > 1.1).all()
    again, one_by_one = Copies(windows, 1.4, 3), rows % 4
    mixed, labels = again.play(rows, one_by_one)
    for k in range(4):
        played, label = copies.play(rows[one_by_one == k], k)
        np.testing.assert_array_equal(mixed[one_by_one == k], played)
        np.testing.assert_array_equal(labels[one_by_one == k], label)


@pytest.mark.parametrize("accelerometer", [False, True])
def test_a_set_of_copies_holds_what_is_played(accelerometer):
    windows = moving(tiny_windows(windows=6)) if accelerometer else tiny_windows(windows=6)
    copies, rows = Copies(windows, 1.3, 2), np.arange(len(windows))
    found = copies.windows(2)
    played, label = copies.play(rows, 2)
    np.testing.assert_array_equal(inputs.signals(found, rows), played.astype(np.float32))
    np.testing.assert_array_equal(found.label, label)
    np.testing.assert_allclose(spectral_peak(found.ppg, 40.0), label, atol=3)
    assert inputs.rows_hash(found) == inputs.rows_hash(windows)
    assert inputs.fingerprints(found)["signal"] != inputs.fingerprints(windows)["signal"]


def test_the_same_windows_at_another_rate_are_played_alike():
    windows = tiny_windows(windows=30, subjects=3)
    ppg = resample(windows.ppg, 40.0, 100.0).astype(np.float32)
    manifest = {**windows.manifest, "sampling_rate": 100.0, "window": 800, "hop": 200}
    finer = Copies(replace(windows, ppg=ppg, manifest=manifest), 1.5, 40)
    coarse = Copies(windows, 1.5, 40)
    rows = np.arange(len(windows))
    for k in range(41):
        np.testing.assert_array_equal(finer.play(rows, k)[1], coarse.play(rows, k)[1])
    speed = coarse.play(rows, 30)[0], resample(finer.play(rows, 30)[0], 100.0, 40.0)
    middle = [x[:, 40:-40] for x in speed]
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(*middle, strict=True)]) > 0.99


@pytest.fixture(scope="module")
def teacher(tiny_hr, tmp_path_factory):
    out = tmp_path_factory.mktemp("teacher") / "run"
    optimiser = {"epochs": 1, "batch": 8}
    return finetune(FinetuneConfig(data=tiny_hr, out=out, model=SMALL, optimiser=optimiser), QUIET).folder


def config_of(data, teacher, out, **values):
    defaults = {"model": SMALL, "optimiser": {"epochs": 2, "batch": 16}, "copies": 2}
    asked = {**defaults, "augment": {"time_scale": 1.3}, **values}
    return DistillConfig(data=data, teacher=teacher, out=out, device="cpu", cache_dtype="float32", **asked)


def test_the_student_hears_what_the_teacher_says_of_the_copy_that_it_sees(tiny_hr, teacher, tmp_path):
    config = config_of(tiny_hr, teacher, tmp_path / "run")
    run = begin("distill", config, teacher=teacher_identity(config)[0])
    stores = open_teacher(config, run, QUIET)
    assert len(stores) == 3
    learner = Distillation(run, config, stores[0], stores[1:])
    rows, copy = learner.rows[:9], np.array([2, 0, 1, 1, 0, 2, 2, 1, 0])
    module = checkpoint.load(teacher / "best.safetensors")[0].eval()
    played, _ = Copies(run.windows, 1.3, 2).play(rows, copy)
    with torch.no_grad():
        answer = module(inputs.to_tensor(played, "minmax", torch.device("cpu")))
    known = learner._targets(rows, copy)
    torch.testing.assert_close(known.prediction, answer.prediction, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(known.patches, answer.patches, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(known.patches, learner._targets(rows).patches, atol=1e-2)

    seen = []
    learner._loss = lambda *values: seen.append(values)
    learner.loss(rows, np.random.default_rng(1))
    ((_, signal, label, drawn),) = seen
    assert set(drawn) == {0, 1, 2}
    expected, labels = Copies(run.windows, 1.3, 2).play(rows, drawn)
    np.testing.assert_array_equal(signal, expected.astype(np.float32))
    np.testing.assert_array_equal(label, labels)


def test_a_run_with_copies_ends_and_asks_the_teacher_once(tiny_hr, teacher, tmp_path):
    first = distill(config_of(tiny_hr, teacher, tmp_path / "a"), QUIET)
    assert len(list((tmp_path / "teacher_outputs").iterdir())) == 3
    second = distill(config_of(tiny_hr, teacher, tmp_path / "b"), QUIET)
    assert len(list((tmp_path / "teacher_outputs").iterdir())) == 3
    assert first.history == second.history


def test_a_store_knows_the_windows_as_they_are_alone(tiny_hr, tmp_path):
    windows = tiny_windows()
    store = write_store(tmp_path / "s", windows, [{"prediction": windows.label[:, None]}], "hr").folder
    off = {"feature": 0, "morphology": 0, "rhythm": 0}
    with pytest.raises(ConfigError, match=r"with a store augment\.time_scale must be 1"):
        distill(config_of(tiny_hr, store, tmp_path / "run", losses=off), QUIET)
