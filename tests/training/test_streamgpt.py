"""The model for streams: what an answer depends on, and how it learns from windows as one signal."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import HOP, QUIET, WINDOW, tiny_windows

import ppgfast
from training import checkpoint
from training.augment import Augmenter
from training.config import (
    Augment,
    ConfigError,
    DistillConfig,
    EvaluateConfig,
    ExportConfig,
    FinetuneConfig,
)
from training.distill import Distillation, distill, open_teacher
from training.evaluate import evaluate
from training.export_model import export
from training.finetune import finetune
from training.models import build, streamgpt
from training.models.streamgpt import scale_patches
from training.runs import begin
from training.sequences import Sequences

TINY = {"d_model": 16, "n_layers": 2, "reach": 3, "n_patches": 4, "patch": 10}


def small(**options):
    torch.manual_seed(0)
    module = build("stream50k", **{**TINY, **options}).eval()
    with torch.no_grad():
        for layer in module.layer:
            layer.attention.age.normal_()
    return module


@torch.no_grad()
def test_an_answer_depends_on_the_memory_alone():
    module = small()
    memory = module.config.memory
    assert memory == 4 + 3 + 2 * 2
    x = torch.randn(1, 40, 10)
    long = module.sequence(x, 1).prediction
    torch.testing.assert_close(module.sequence(x[:, -memory:], 1).prediction[-1], long[-1])
    changed = x.clone()
    changed[:, -memory] *= 3
    assert (module.sequence(changed, 1).prediction[-1] - long[-1]).abs() > 1e-4
    changed = x.clone()
    changed[:, -memory - 1] *= 3
    torch.testing.assert_close(module.sequence(changed, 1).prediction[-1], long[-1], rtol=0, atol=0)


@torch.no_grad()
def test_no_patch_sees_the_future():
    module = small()
    x = torch.randn(2, 20, 10)
    changed = x.clone()
    changed[:, 12] += 1
    for before, after in zip(module.hidden_states(x), module.hidden_states(changed), strict=True):
        assert torch.equal(before[:, :12], after[:, :12])
        assert (before[:, 12] != after[:, 12]).any(-1).all()


@torch.no_grad()
def test_a_window_is_a_signal_that_begins_with_it():
    module = small(n_outputs=3)
    x = torch.randn(5, 12, 10)
    whole = module.sequence(x, 2)
    assert whole.prediction.shape == (5 * 5, 3)
    torch.testing.assert_close(module(x[:, :4]).prediction, whole.prediction[::5])
    torch.testing.assert_close(
        module.sequence(x[:, :8], 2).patches, whole.patches.unflatten(0, (5, 5))[:, :3].flatten(0, 1)
    )
    one, two = (module.sequence(x, 2, tap) for tap in ("layer.1", "last"))
    for a, b in zip(one, two, strict=True):
        assert torch.equal(a, b)


def test_patches_are_scaled_by_what_is_known_when_they_end():
    x = torch.randn(3, 9, 10, dtype=torch.float64) * 2 + 100
    got = scale_patches(x, 4)
    for t in range(9):
        known = x[:, max(0, t - 3) : t + 1].flatten(1)
        expected = (x[:, t] - known.mean(1, keepdim=True)) / known.std(1, unbiased=False, keepdim=True)
        torch.testing.assert_close(got[:, t], expected)
    torch.testing.assert_close(scale_patches(3 * x - 7, 4), got)
    step = torch.cat((x, 1e6 * x, x), dim=1)
    torch.testing.assert_close(scale_patches(step, 4)[:, 21:], scale_patches(x, 4)[:, 3:], rtol=1e-9, atol=0)


def test_a_flat_signal_is_zeros_and_trains():
    assert torch.equal(scale_patches(torch.full((1, 5, 10), 0.25), 4), torch.zeros(1, 5, 10))
    module = small().train()
    module(torch.full((2, 40), 0.25)).prediction.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 4}, "channels is 4: a streamgpt takes the PPG alone"),
        ({"n_heads": 3}, r"d_model 16 and n_heads 3 give heads of 5\.33333, expected an even number"),
        ({"reach": 0}, "reach is 0, expected a positive whole number"),
    ],
)
def test_impossible_shapes(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_a_signal_shorter_than_an_answer():
    with pytest.raises(ValueError, match="signals of 3 patches, expected at least 4"):
        small().sequence(torch.zeros(1, 30), 1)


def test_sequences_are_the_recording_again():
    windows = tiny_windows()  # 6 records of 12 windows
    sequences = Sequences(windows, 5)
    rows = np.arange(len(windows))
    starts = sequences.starts(rows)
    assert list(starts[:3]) == [0, 5, 7]  # the last begins so that none is left out
    assert set(sequences.members(starts)) == set(rows)
    signal = sequences.signals(starts)
    assert signal.shape == (18, WINDOW + 4 * HOP)
    cut = sequences.cut(torch.from_numpy(signal)).numpy()
    np.testing.assert_array_equal(cut, windows.ppg[sequences.members(starts)])
    assert list(Sequences(windows, 6).starts(rows)[:3]) == [0, 6, 12]


def test_sequences_stop_at_a_gap_a_record_and_a_window_that_is_not_asked_for():
    windows = tiny_windows(subjects=3, windows=8)
    windows.t_start[5:8] += 0.5
    rows = np.delete(np.arange(24), 12)
    starts = Sequences(windows, 4).starts(rows)
    assert list(starts) == [0, 1, 8, 16, 20]
    with pytest.raises(ConfigError, match="sequence = 9: no 9 windows of tiny follow each other"):
        Sequences(windows, 9).starts(rows)


def test_augmentation_changes_a_sequence_as_one():
    windows = tiny_windows()
    augmenter = Augmenter(Augment(polarity=1.0), windows, Sequences(windows, 3))
    signal, label = augmenter(np.array([0, 12]), np.random.default_rng(0))
    np.testing.assert_array_equal(signal, -Sequences(windows, 3).signals(np.array([0, 12])))
    np.testing.assert_array_equal(label, windows.label[[0, 1, 2, 12, 13, 14]])


@pytest.fixture(scope="module")
def teacher(tiny_hr, tmp_path_factory):
    out = tmp_path_factory.mktemp("teacher") / "run"
    asked = {"optimiser": {"epochs": 1, "batch": 8}, "device": "cpu"}
    return finetune(FinetuneConfig(data=tiny_hr, out=out, model={"name": "tcn5k"}, **asked), QUIET).folder


def test_every_window_of_a_sequence_meets_its_own_targets(tiny_hr, teacher, tmp_path, monkeypatch):
    """The loss of a sequence is that of its windows, when no patch has anything to remember."""
    monkeypatch.setattr(streamgpt, "scale_patches", lambda x, n: x)
    model = {"name": "stream50k", "overrides": {"reach": 1, "dropout": 0.0}}
    config = DistillConfig(data=tiny_hr, out=tmp_path / "run", teacher=teacher, device="cpu", model=model)
    run = begin("distill", config)
    run = replace(run, config=config.model_copy(update={"scaling": "none"}))
    torch.manual_seed(0)
    learner = Distillation(run, config, *open_teacher(config, run, QUIET))
    members = learner.sequences.members(learner.rows[:2])
    assert len(members) == 16
    windows = run.windows
    as_one = learner._loss(members, learner.sequences.signals(learner.rows[:2]), windows.label[members])
    alone = learner._loss(members, windows.ppg[members], windows.label[members])
    for name, term in as_one[1].items():
        torch.testing.assert_close(term, alone[1][name])


def test_distill_and_finetune_state_that_patches_scale_themselves(tiny_hr, teacher, tmp_path):
    asked = {"data": tiny_hr, "device": "cpu", "model": {"name": "stream50k"}}
    optimiser = {"epochs": 3, "batch": 2}
    distilled = distill(
        DistillConfig(out=tmp_path / "d", teacher=teacher, optimiser=optimiser, **asked), QUIET
    )
    tuned = finetune(FinetuneConfig(out=tmp_path / "f", optimiser=optimiser, **asked), QUIET)
    for result in (distilled, tuned):
        module, meta = checkpoint.load(result.checkpoint)
        assert (module.config.kind, meta["contract"]["scaling"]) == ("streamgpt", "none")
        assert result.history[2]["train.supervised"] < result.history[0]["train.supervised"]


@pytest.mark.parametrize("head", ["value", "bins"])
def test_evaluate_tells_windows_from_a_stream(tmp_path, head):
    windows = tiny_windows()
    windows.label[1::4] = np.nan  # not scored, and still part of the signal
    windows.save(tmp_path / "data")
    asked = {"data": tmp_path / "data", "device": "cpu", "model": {"name": "stream50k"}, "head": head}
    asked["sequence"] = 1
    run = finetune(FinetuneConfig(out=tmp_path / "f", optimiser={"epochs": 2, "batch": 2}, **asked), QUIET)
    export(ExportConfig(model=run.folder))
    result = evaluate(EvaluateConfig(models={"s": run.folder}, bootstrap=5), QUIET)
    told = {(score.name, score.engine): score.predictions for score in result.scores}
    streamed, single = told["s, streamed", "C++"], told["s", "C++"]
    first = np.flatnonzero(result.windows.t_start[result.rows] == 0)
    np.testing.assert_array_equal(streamed[first], single[first])  # nothing came before them
    assert (np.delete(streamed, first) != np.delete(single, first)).all()
    windows = result.windows
    record = np.flatnonzero(windows.record == windows.record[result.rows[0]])
    signal = Sequences(windows, len(record)).signals(record[:1])[0]
    answers = ppgfast.load(run.folder / "model.ppgf").predict_sequence(signal, hop=2.0)
    scored = np.isfinite(windows.label[record])
    np.testing.assert_array_equal(streamed[: scored.sum()], answers[scored, 0])


def test_what_sequences_cannot_do_is_said(tiny_hr, tmp_path):
    def tune(**values):
        asked = {
            "data": tiny_hr,
            "out": tmp_path / f"run{len(str(values))}",
            "model": {"name": "stream50k"},
            "device": "cpu",
        }
        finetune(FinetuneConfig(**{**asked, **values}), QUIET)

    with pytest.raises(ConfigError, match=r"augment\.time_scale plays single windows; set sequence=1"):
        tune(augment={"time_scale": 1.2})
    with pytest.raises(ConfigError, match=r"80 samples apart, no multiple of model\.patch = 64"):
        tune(model={"name": "stream50k", "patch": 64})
    folder = tmp_path / "sparse"
    windows = tiny_windows(windows=4)
    replace(windows, t_start=windows.t_start * 2).save(folder)
    with pytest.raises(ConfigError, match="sequence = 8: no 8 windows of tiny follow each other"):
        tune(data=folder)
