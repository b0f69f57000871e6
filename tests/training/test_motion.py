"""Accelerometer and bins through all verbs: finetune, distill, export, evaluate with the tracker."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import QUIET, moving, tiny_windows

from training import checkpoint, inputs, tracker
from training.config import (
    ConfigError,
    DistillConfig,
    EvaluateConfig,
    ExportConfig,
    FinetuneConfig,
    PretrainConfig,
)
from training.distill import Distillation, distill, open_teacher
from training.evaluate import evaluate
from training.export_model import export
from training.finetune import finetune, predict
from training.pretrain import pretrain
from training.runs import begin

SMALL = {"name": "gpt50k", "overrides": {"d_model": 16, "n_layers": 2}}
SHORT = {"epochs": 3, "batch": 8, "learning_rate": 3e-3, "warmup": 0.1}
MOTION = {"channels": 4, "head": "bins", "optimiser": SHORT, "device": "cpu"}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A prepared set with motion, a convolutional teacher over bins with it, and one value without it."""
    folder = tmp_path_factory.mktemp("motion")
    moving(tiny_windows()).save(folder / "data")
    augment = {"time_scale": 1.2, "turn": True, "acc_noise": 0.02}
    teacher = {**MOTION, "model": {"name": "tcn5k"}, "augment": augment}
    finetune(FinetuneConfig(data=folder / "data", out=folder / "teacher", **teacher), QUIET)
    alone = {"model": SMALL, "optimiser": SHORT, "device": "cpu"}
    finetune(FinetuneConfig(data=folder / "data", out=folder / "value", **alone), QUIET)
    return folder


@pytest.fixture(scope="module")
def student(folder):
    config = DistillConfig(
        data=folder / "data", out=folder / "student", teacher=folder / "teacher", model=SMALL, **MOTION
    )
    return distill(config, QUIET)


def test_the_contract_tells_channels_and_bins(folder):
    stated = checkpoint.load(folder / "teacher/best.safetensors")[1]["contract"]
    assert (stated["channels"], stated["activation"], stated["label_mean"], stated["label_std"]) == (
        4,
        "distribution",
        30.0,
        2.0,
    )


def test_motion_takes_part_in_the_answer(folder):
    module, meta = checkpoint.load(folder / "teacher/best.safetensors")
    windows, rows = moving(tiny_windows()), np.arange(8)
    still = replace(windows, acc=np.zeros_like(windows.acc))
    answers = [predict(module, w, rows, meta["contract"], CPU) for w in (windows, still)]
    assert np.abs(answers[0] - answers[1]).max() > 1e-3


def test_files_answer_as_torch_and_the_tracker_follows_both(folder, student):
    done = export(ExportConfig(model=student.folder))
    assert done.largest_difference < 1e-2  # bpm
    config = EvaluateConfig(
        models={"student": student.folder}, out=folder / "numbers.json", track=True, bootstrap=20
    )
    result = evaluate(config, QUIET)
    names = [(score.name, score.engine) for score in result.scores]
    assert names == [
        ("spectral peak", "-"),
        ("student", "torch"),
        ("student", "C++"),
        ("student, tracked", "torch"),
        ("student, tracked", "C++"),
    ]
    _, in_torch, in_core, followed, _ = result.scores
    np.testing.assert_allclose(in_torch.predictions, in_core.predictions, atol=1e-2)
    module, meta = checkpoint.load(student.checkpoint)
    windows = inputs.open_windows([folder / "data"], channels=4)
    targets = inputs.Targets.stated(meta["contract"])
    for record in np.unique(windows.record[result.rows]):
        mine = result.rows[windows.record[result.rows] == record]
        p = targets.distribution(predict(module, windows, mine, meta["contract"], CPU))
        expected = tracker.track(p, hop=2.0)[:, 0]
        np.testing.assert_allclose(followed.predictions[np.isin(result.rows, mine)], expected, atol=1e-3)
    written = json.loads((folder / "numbers.json").read_text())["scores"][1]
    assert written["coverage"]["1.0"] == pytest.approx(written["metrics"]["mae"]["value"])
    assert "mae_80" in written["metrics"]


def test_the_tracker_spreads_where_windows_are_missing(folder, student, tmp_path):
    whole = moving(tiny_windows())
    names = checkpoint.load(student.checkpoint)[1]["subjects"]["test"]
    owner = np.array(inputs.subject_names(whole))[whole.subject]
    lost = np.isin(owner, names) & (whole.t_start == 8.0)
    whole.subset(np.flatnonzero(~lost)).save(tmp_path / "gap")
    config = EvaluateConfig(
        models={"student": student.folder}, data=tmp_path / "gap", track=True, bootstrap=20
    )
    result = evaluate(config, QUIET)
    answer = next(score.predictions for score in result.scores if score.name == "student, tracked")
    module, meta = checkpoint.load(student.checkpoint)
    mine = result.rows[result.windows.record[result.rows] == result.windows.record[result.rows[0]]]
    raw = predict(module, result.windows, mine, meta["contract"], CPU)
    p = np.insert(inputs.Targets.stated(meta["contract"]).distribution(raw), 4, np.nan, axis=0)
    np.testing.assert_allclose(answer[: len(mine)], np.delete(tracker.track(p)[:, 0], 4), atol=1e-3)


@pytest.mark.parametrize(("teacher", "head"), [("value", "bins"), ("teacher", "value")])
def test_teachers_and_students_need_not_share_a_head(folder, tmp_path, teacher, head):
    values = {**MOTION, "head": head, "model": SMALL}
    config = DistillConfig(data=folder / "data", out=tmp_path / "run", teacher=folder / teacher, **values)
    run = begin("distill", config)
    learner = Distillation(run, config, *open_teacher(config, run))
    rows = np.array([1, 30, 50])
    told = learner._targets(rows).prediction
    module, meta = checkpoint.load(folder / teacher / "best.safetensors")
    windows = run.windows if teacher == "teacher" else inputs.open_windows([folder / "data"])
    raw = predict(module, windows, rows, meta["contract"], CPU)
    bpm = inputs.Targets.stated(meta["contract"]).decode(raw)
    np.testing.assert_allclose(run.targets.decode(told.numpy()), bpm, atol=0.1)


def test_a_student_for_ppg_alone_learns_from_a_teacher_that_hears_motion(folder, tmp_path):
    values = {
        "data": folder / "data",
        "out": tmp_path / "run",
        "head": "bins",
        "model": SMALL,
        "device": "cpu",
    }
    config = DistillConfig(teacher=folder / "teacher", **values)
    run = begin("distill", config)
    assert run.windows.acc is None
    (store,) = open_teacher(config, run)
    module, meta = checkpoint.load(folder / "teacher/best.safetensors")
    rows = np.array([1, 30, 50])
    raw = predict(module, inputs.open_windows([folder / "data"], 4), rows, meta["contract"], CPU)
    np.testing.assert_allclose(store.prediction[rows], raw, atol=1e-4)
    Distillation(run, config, store).loss(rows, np.random.default_rng(0))


def test_the_accelerometer_is_part_of_the_signals_hash():
    windows = moving(tiny_windows())
    still = replace(windows, acc=0 * windows.acc)
    assert inputs.fingerprints(windows)["signal"] != inputs.fingerprints(still)["signal"]
    assert inputs.fingerprints(windows)["rows"] == inputs.fingerprints(still)["rows"]


def test_a_model_for_ppg_alone_can_start_one_with_motion(folder, tmp_path):
    model = {**SMALL, "init": folder / "value"}
    config = FinetuneConfig(data=folder / "data", out=tmp_path / "run", model=model, **MOTION)
    module = begin("finetune", config).network().eval()
    source, _ = checkpoint.load(folder / "value/best.safetensors")
    x = torch.from_numpy(inputs.signals(moving(tiny_windows()), np.array([2, 9])))
    x[:, 0] = torch.rand_like(x[:, 0])
    patches = inputs.to_tensor(x.numpy(), "none", CPU)
    with torch.no_grad():
        answers = module(patches).patches, source.eval()(patches[..., :40].contiguous()).patches
    torch.testing.assert_close(*answers)


def test_pretraining_is_for_the_ppg(folder, tmp_path):
    with pytest.raises(ConfigError, match="channels = 4: the next patch is that of the PPG"):
        pretrain(PretrainConfig(data=folder / "data", out=tmp_path / "run", channels=4), QUIET)
