"""Distillation: what the student learns from, and the store of teacher outputs."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import QUIET, tiny_windows
from scipy.special import softmax

from training import checkpoint, inputs, teacher_cache
from training.config import ConfigError, DistillConfig, FinetuneConfig
from training.distill import Distillation, align, distill, open_teacher, teacher_identity
from training.finetune import finetune
from training.models import Outputs, build
from training.runs import begin
from training.teacher_cache import NAMES, ensemble, is_store, open_store, teacher_outputs, write_store

SMALL = {"name": "gpt50k", "overrides": {"d_model": 16, "n_layers": 2}}
CPU = torch.device("cpu")
CONTRACT = {
    "sampling_rate": 40.0,
    "hop": 80,
    "polarity": 1,
    "filter": None,
    "scaling": "minmax",
    "task": "hr",
    "label_mean": 90.0,
    "label_std": 12.0,
}


@pytest.fixture(scope="module")
def teacher(tiny_hr, tmp_path_factory):
    """A heart-rate teacher, trained for an epoch."""
    out = tmp_path_factory.mktemp("teacher") / "run"
    config = FinetuneConfig(
        data=tiny_hr, out=out, model=SMALL, optimiser={"epochs": 1, "batch": 8}, device="cpu"
    )
    return finetune(config, QUIET).folder


@pytest.fixture
def config(tiny_hr, teacher, tmp_path):
    """`config(key=value)`: distillation of that teacher."""

    def make(**values) -> DistillConfig:
        defaults = {
            "data": tiny_hr,
            "out": tmp_path / "run",
            "teacher": teacher,
            "device": "cpu",
            "model": SMALL,
        }
        return DistillConfig(**{**defaults, "optimiser": {"epochs": 2, "batch": 16}, **values})

    return make


def student_weights(result) -> dict[str, torch.Tensor]:
    return checkpoint.load(result.checkpoint)[0].state_dict()


def test_a_student_and_its_contract_come_out(config, tiny_hr, teacher):
    result = distill(config(), QUIET)
    _, meta = checkpoint.load(result.checkpoint)
    _, of_teacher = checkpoint.load(teacher / "best.safetensors")
    assert meta["contract"] == of_teacher["contract"]
    assert meta["contract"]["filter"] == [0.5, 8.0, 2]
    assert meta["subjects"] == of_teacher["subjects"]
    assert {
        f"train.{name}" for name in ("supervised", "prediction", "feature", "morphology", "rhythm")
    } <= set(result.history[0])
    assert result.validation["mae_bpm"] > 0


def test_the_store_is_all_that_distill_needs(config, teacher, tmp_path):
    with_teacher = distill(config(out=tmp_path / "a"), QUIET)
    (store,) = (tmp_path / "teacher_outputs").iterdir()
    moved = shutil.copytree(store, tmp_path / "elsewhere")
    with_store = distill(config(out=tmp_path / "b", teacher=moved), QUIET)
    for name, tensor in student_weights(with_teacher).items():
        assert torch.equal(tensor, student_weights(with_store)[name]), name


def test_the_teacher_runs_once(config, tmp_path, monkeypatch):
    distill(config(out=tmp_path / "a"), QUIET)
    monkeypatch.setattr(teacher_cache, "_compute", None)
    distill(config(out=tmp_path / "b", seed=1), QUIET)
    with pytest.raises(TypeError):  # another tap is another store
        distill(config(out=tmp_path / "c", taps={"teacher": "layer.0"}), QUIET)


def test_distillation_moves_the_student_to_the_teacher(config):
    only = {"supervised": 0, "prediction": 1, "feature": 0.1, "morphology": 0.1, "rhythm": 0.1}
    optimiser = {"epochs": 15, "batch": 8, "learning_rate": 3e-3, "warmup": 0.1}
    history = distill(config(losses=only, optimiser=optimiser), QUIET).history
    for name in ("prediction", "feature", "morphology", "rhythm"):
        assert history[-1][f"train.{name}"] < 0.8 * history[0][f"train.{name}"], name


def test_another_teacher_in_a_run_is_noticed(config, tiny_hr, tmp_path):
    distill(config(), QUIET)
    again = FinetuneConfig(data=tiny_hr, out=tmp_path / "t2", model=SMALL, optimiser={"epochs": 1}, seed=5)
    with pytest.raises(ConfigError, match=r"holds another run \(another teacher\)"):
        distill(config(teacher=finetune(again, QUIET).folder), QUIET)


def test_a_teacher_that_knows_the_test_subjects_is_refused(config):
    with pytest.raises(
        ConfigError, match=r"learned from tiny/s\d.*held out for the test here; use the split"
    ):
        distill(config(split={"seed": 3}), QUIET)


def test_teacher_outputs_are_in_bpm_and_compared_in_the_students_units(config, tmp_path):
    windows = tiny_windows()
    torch.manual_seed(0)
    module = build("mlp", n_patches=8).eval()
    checkpoint.save(tmp_path / "mlp", module, {"contract": CONTRACT})
    asked = config(teacher=tmp_path / "mlp.safetensors", cache_dtype="float32")
    run = begin("distill", asked, teacher=teacher_identity(asked)[0])
    (store,) = open_teacher(asked, run, QUIET)
    rows = np.array([3, 40, 7])
    with torch.no_grad():
        raw = module(inputs.to_tensor(windows.ppg[rows], "minmax", CPU))
    np.testing.assert_allclose(store.prediction[rows], raw.prediction.numpy() * 12 + 90, rtol=1e-6)
    np.testing.assert_allclose(store.patches[rows], raw.patches.numpy(), atol=1e-6)
    learner = Distillation(run, asked, store)
    expected = (store.prediction[rows] - run.targets.mean) / run.targets.std
    np.testing.assert_allclose(learner._targets(rows).prediction.numpy(), expected, rtol=1e-5, atol=1e-6)
    projector = learner.criterion.feature_map
    np.testing.assert_allclose(
        projector.mean.numpy(), store.feature[learner.rows].mean(0), rtol=1e-3, atol=1e-4
    )


def test_an_ensemble_averages_what_its_teachers_predict(config, tiny_hr, tmp_path):
    other = FinetuneConfig(data=tiny_hr, out=tmp_path / "t2", model=SMALL, optimiser={"epochs": 1}, seed=5)
    other = finetune(other, QUIET).folder
    asked = config(ensemble=[other])
    identity, learned = teacher_identity(asked)
    run = begin("distill", asked, teacher=identity)
    (both,) = open_teacher(asked, run, QUIET)
    alone = [open_teacher(config(teacher=one), run, QUIET)[0] for one in (asked.teacher, other)]
    mean = (alone[0].prediction + alone[1].prediction) / 2
    np.testing.assert_allclose(both.prediction, mean, rtol=1e-6)
    np.testing.assert_array_equal(both.patches, alone[0].patches)
    assert len(learned) == 2
    assert identity != teacher_identity(config())[0]
    distill(asked, QUIET)
    with pytest.raises(ConfigError, match="another teacher"):
        distill(config(ensemble=[]), QUIET)


def store_of(folder, prediction=None, feature=None, task="af"):
    """A store for the tiny windows, of what is given."""
    known = {"prediction": prediction, "feature": feature}
    batch = {name: values for name, values in known.items() if values is not None}
    return write_store(folder, tiny_windows(), [batch], task)


def test_an_ensemble_of_classes_averages_log_probabilities(tmp_path):
    said = np.random.default_rng(0).normal(size=(2, len(tiny_windows()), 2)).astype(np.float32)
    shifted = said[1] + 7  # logits have no zero
    stores = {Path("a"): store_of(tmp_path / "a", said[0]), Path("b"): store_of(tmp_path / "b", shifted)}
    mean = ensemble(stores).prediction
    chance = np.sqrt(softmax(said[0], 1) * softmax(said[1], 1))
    np.testing.assert_allclose(softmax(mean, 1), chance / chance.sum(1, keepdims=True), rtol=1e-5)


def test_an_ensemble_takes_vectors_of_the_first_and_answers_of_the_others(tmp_path):
    n = len(tiny_windows())
    vectors = store_of(tmp_path / "vectors", feature=np.ones((n, 3), np.float32))
    rates = [store_of(tmp_path / f"{bpm}", np.full(n, bpm, np.float32), task="hr") for bpm in (60, 80)]
    both = ensemble({Path("vectors"): vectors, Path("60"): rates[0], Path("80"): rates[1]})
    np.testing.assert_array_equal(both.prediction, np.full((n, 1), 70))
    np.testing.assert_array_equal(both.feature, vectors.feature)
    with pytest.raises(ConfigError, match="ensemble: vectors holds no prediction; leave it out"):
        ensemble({Path("60"): rates[0], Path("vectors"): vectors})


def test_an_ensemble_needs_heads_of_one_kind(tmp_path):
    n = len(tiny_windows())
    one, two = (
        store_of(tmp_path / "one", np.zeros(n, np.float32)),
        store_of(tmp_path / "two", np.zeros((n, 2))),
    )
    said = r"the teachers' heads differ \(x: one value, y: two classes\)"
    with pytest.raises(ConfigError, match=said):
        ensemble({Path("x"): one, Path("y"): two})


def test_an_ensemble_that_cannot_act_is_refused(config, teacher):
    with pytest.raises(ConfigError, match="is there twice"):
        distill(config(ensemble=[teacher]), QUIET)
    with pytest.raises(ConfigError, match=r"losses\.prediction is 0"):
        distill(config(ensemble=["other"], losses={"prediction": 0}), QUIET)


def test_unlabelled_windows_join_and_have_no_supervised_loss(config, tmp_path):
    windows = tiny_windows()
    label = windows.label.copy()
    label[::2] = np.nan
    replace(windows, label=label).save(tmp_path / "half")
    asked = config(data=tmp_path / "half")
    run = begin("distill", asked)
    (store,) = open_teacher(asked, run, QUIET)
    everyone = Distillation(run, asked, store)
    only = Distillation(run, asked.model_copy(update={"unlabelled": False}), store)
    assert len(everyone.rows) == 2 * len(only.rows)
    assert np.isfinite(label[everyone.validation]).all()
    everyone.student.eval()
    known, unknown = (
        everyone.rows[np.isfinite(label[everyone.rows])],
        everyone.rows[np.isnan(label[everyone.rows])],
    )
    rng = np.random.default_rng(0)
    assert everyone.loss(unknown, rng)[1]["supervised"] == 0
    both = everyone.loss(everyone.rows, rng)[1]["supervised"]
    torch.testing.assert_close(both, everyone.loss(known, rng)[1]["supervised"])
    assert all(np.isfinite(value) for row in distill(asked, QUIET).history for value in row.values())


def test_a_teacher_that_only_predicts_needs_the_other_losses_off(config, tmp_path):
    windows = tiny_windows()
    store = write_store(tmp_path / "answers", windows, [{"prediction": windows.label[:, None]}], "hr")
    with pytest.raises(ConfigError, match=r"holds no feature; set losses\.feature=0"):
        distill(config(teacher=store.folder), QUIET)
    off = {"feature": 0, "morphology": 0, "rhythm": 0}
    result = distill(config(teacher=store.folder, losses=off), QUIET)
    row = result.history[0]
    assert row["train.total"] == pytest.approx(
        row["train.supervised"] + 0.5 * row["train.prediction"], rel=1e-5
    )


def test_a_teacher_of_which_only_features_are_known_needs_the_other_losses_off(config, tmp_path):
    windows = tiny_windows()
    vectors = np.random.default_rng(0).standard_normal((len(windows), 5)).astype(np.float32)
    store = write_store(tmp_path / "vectors", windows, [{"feature": vectors}], "none")
    with pytest.raises(ConfigError, match=r"holds no prediction; set losses\.prediction=0"):
        distill(config(teacher=store.folder), QUIET)
    only = {"prediction": 0, "feature": 1, "morphology": 0, "rhythm": 0}
    optimiser = {"epochs": 8, "batch": 8, "learning_rate": 3e-3, "warmup": 0.1}
    history = distill(config(teacher=store.folder, losses=only, optimiser=optimiser), QUIET).history
    assert history[-1]["train.feature"] < history[0]["train.feature"]
    row = history[0]
    assert row["train.total"] == pytest.approx(row["train.supervised"] + row["train.feature"], rel=1e-5)
    with pytest.raises(ConfigError, match="outputs are \\['embedding'\\], expected some of prediction"):
        write_store(tmp_path / "odd", windows, [{"embedding": vectors}], "none")


def test_a_papagei_teacher_gets_the_windows_at_its_own_rate(config, tmp_path):
    module = build("papagei", n_patches=8, base_filters=4, n_blocks=6).eval()
    contract = {**CONTRACT, "sampling_rate": 125.0, "scaling": "zscore"}
    windows = tiny_windows(windows=2)
    seen = []
    module.register_forward_hook(lambda _, args, out: seen.append(args[0].shape), with_kwargs=False)
    store = teacher_outputs(module, {"contract": contract}, windows, tmp_path, console=QUIET)
    assert {shape[1] for shape in seen} == {1000}
    assert store.patches.shape[0] == len(windows)


def test_unequal_patches_are_averaged_to_the_coarser():
    fine, coarse = torch.randn(2, 16, 3), torch.randn(2, 8, 5)
    mask = torch.ones(2, 16, dtype=torch.bool)
    mask[0, :2] = False
    mask[1, 0] = False
    x = torch.zeros(2, 1)
    student, teacher, pooled = align(Outputs(x, x, fine), Outputs(x, x, coarse), mask)
    torch.testing.assert_close(student.patches[:, 1], fine[:, 2:4].mean(1))
    assert torch.equal(teacher.patches, coarse)
    assert pooled[:, 0].tolist() == [False, True]
    assert pooled[:, 1:].all()
    with pytest.raises(ConfigError, match="16 patches, the teacher 3"):
        align(Outputs(x, x, fine), Outputs(x, x, coarse[:, :3]), mask)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"taps": {"student": "layer.7"}}, "unknown tap 'layer.7'"),
        ({"taps": {"teacher": "layer.7"}}, "unknown tap 'layer.7'"),
        ({"teacher": "nowhere"}, r"nowhere: no checkpoint there; give a run folder"),
        ({"model": {"name": "gpt1m", "patch": 70}}, r"320 samples is no multiple of model\.patch = 70"),
    ],
)
def test_what_does_not_fit_is_one_sentence(config, values, message):
    with pytest.raises(ConfigError, match=message):
        distill(config(**values), QUIET)


# The store


def test_the_documentation_makes_a_store_of_outputs(tmp_path, monkeypatch):
    page = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text()
    (example,) = [
        code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "write_store" in code
    ]
    monkeypatch.chdir(tmp_path)
    windows = tiny_windows()
    windows.save(tmp_path / "data/sim")
    exec(example, {})
    store = open_store(tmp_path / "teachers/outputs", windows)
    assert (store.prediction, store.feature.shape) == (None, (len(windows), 512))


def batches(windows, size=10):
    for start in range(0, len(windows), size):
        n = len(windows.label[start : start + size])
        yield {
            "prediction": np.full((n, 1), start, np.float32),
            "feature": np.full((n, 4), start, np.float32),
            "patches": np.full((n, 8, 4), start, np.float32),
        }


def test_a_store_keeps_rows_and_precision(tmp_path):
    windows = tiny_windows()
    store = write_store(tmp_path / "s", windows, batches(windows), "hr", {"who": "a test"}, np.float16)
    assert isinstance(store.feature, np.memmap)
    assert (store.prediction.dtype, store.feature.dtype, store.patches.dtype) == (
        np.float32,
        np.float16,
        np.float16,
    )
    outputs = store.outputs(np.array([71, 5, 12]), CPU)
    assert outputs.prediction.flatten().tolist() == [70, 0, 10]
    assert outputs.patches.shape == (3, 8, 4)
    assert outputs.patches.dtype == torch.float32
    assert open_store(tmp_path / "s", windows).manifest["teacher"] == {"who": "a test"}


def test_a_store_is_not_written_over_and_not_of_odd_shapes(tmp_path):
    n = len(tiny_windows())
    store = store_of(tmp_path / "kept", np.full(n, 80, np.float32), task="hr")
    assert store.prediction.shape == (n, 1)
    with pytest.raises(ConfigError, match="kept exists; delete it first"):
        store_of(tmp_path / "kept", np.full(n, 90, np.float32), task="hr")
    with pytest.raises(ConfigError, match=r"feature has shape .*expected 2 dimensions"):
        store_of(tmp_path / "odd", feature=np.zeros((n, 2, 3), np.float32))


def test_half_a_store_is_never_read_and_goes_with_the_next(tmp_path):
    windows = tiny_windows()

    def broken():
        yield from list(batches(windows))[:3]
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_store(tmp_path / "s", windows, broken(), "hr")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="gave 30 rows for 72 windows"):
        write_store(tmp_path / "s", windows, list(batches(windows))[:3], "hr")

    gone = process_that_is_over()
    abandoned, running = tmp_path / f".s.{gone}.partial", tmp_path / f".s.{os.getppid()}.partial"
    for folder in (abandoned, running):
        folder.mkdir()
        (folder / "feature.npy").write_bytes(b"half")
    assert not is_store(tmp_path / "s")
    write_store(tmp_path / "s", windows, batches(windows), "hr")
    assert not abandoned.exists()
    assert running.exists()


def process_that_is_over() -> int:
    """The id of a process that is over."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_store_of_other_windows_or_a_damaged_one_is_refused(tmp_path):
    windows = tiny_windows()
    write_store(tmp_path / "s", windows, batches(windows), "hr")
    with pytest.raises(ConfigError, match="72 other windows than the 60 given"):
        open_store(tmp_path / "s", tiny_windows(subjects=5))
    with pytest.raises(ConfigError, match="holds no teacher outputs"):
        open_store(tmp_path)
    path = tmp_path / "s" / "patches.npy"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ConfigError, match=r"patches\.npy is missing or damaged .*delete the folder"):
        open_store(tmp_path / "s", windows)
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    (tmp_path / "s" / "manifest.json").write_text(json.dumps({**manifest, "version": 99}))
    with pytest.raises(ConfigError, match="version 99, expected 1"):
        open_store(tmp_path / "s", windows)


def test_outputs_that_are_no_numbers_are_refused(tmp_path):
    windows = tiny_windows(windows=1)
    one = {name: np.zeros((6, 1), np.float32) for name in NAMES}
    with pytest.raises(
        ConfigError, match="feature is not finite in float16; check the teacher, or cache_dtype=float32"
    ):
        write_store(tmp_path / "s", windows, [{**one, "feature": np.full((6, 1), 1e6, np.float32)}], "hr")


def test_the_key_follows_windows_weights_contract_tap_and_precision(tmp_path):
    windows = tiny_windows(windows=1)
    torch.manual_seed(0)
    module, other = build("gpt50k", n_patches=8), build("gpt50k", n_patches=8)
    meta = {"contract": CONTRACT}

    def folder(module=module, meta=meta, windows=windows, **values):
        return teacher_outputs(module, meta, windows, tmp_path, console=QUIET, **values).folder

    base = folder()
    assert folder() == base
    changed = {
        folder(module=other),
        folder(meta={"contract": {**CONTRACT, "scaling": "zscore"}}),
        folder(windows=replace(windows, ppg=windows.ppg + 1)),
        folder(windows=replace(windows, t_start=windows.t_start + 1)),
        folder(tap="embedding"),
        folder(dtype="float32"),
    }
    assert base not in changed
    assert len(changed) == 6
    assert folder(windows=replace(windows, label=windows.label + 1)) == base
