"""evaluate and export: who is tested, torch beside C++, thresholds from validation, what the file says."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import QUIET, tiny_windows
from rich.console import Console

import ppgfast
from training import checkpoint, export_model
from training.config import ConfigError, EvaluateConfig, ExportConfig, FinetuneConfig, PretrainConfig
from training.evaluate import evaluate as score
from training.evaluate import table, thresholds
from training.export_model import ExportError, export
from training.finetune import finetune
from training.models import build
from training.pretrain import pretrain

SMALL = {"name": "gpt50k", "overrides": {"d_model": 16, "n_layers": 2}}


def train(data, out, **values):
    settings = {"optimiser": {"epochs": 2, "batch": 8}, "model": SMALL, "device": "cpu", **values}
    return finetune(FinetuneConfig(data=data, out=out, **settings), QUIET).folder


@pytest.fixture(scope="module")
def hr_run(tiny_hr, tmp_path_factory):
    folder = train(tiny_hr, tmp_path_factory.mktemp("hr") / "run")
    export(ExportConfig(model=folder))
    return folder


@pytest.fixture(scope="module")
def af_run(tiny_af, tmp_path_factory):
    folder = train(tiny_af, tmp_path_factory.mktemp("af") / "run")
    export(ExportConfig(model=folder))
    return folder


def run(**values):
    return score(EvaluateConfig(bootstrap=20, **values), QUIET)


def test_torch_and_cpp_stand_beside_the_baseline_on_held_out_subjects(hr_run, tmp_path):
    result = run(models={"student": hr_run}, out=tmp_path / "numbers.json")
    assert [(s.name, s.engine) for s in result.scores] == [
        ("spectral peak", "-"),
        ("student", "torch"),
        ("student", "C++"),
    ]
    peak, torch, cpp = result.scores
    np.testing.assert_allclose(torch.predictions, cpp.predictions, atol=1e-3)
    assert torch.parameters == cpp.parameters
    assert peak.metrics["mae"].value < 1
    record = json.loads((hr_run / "run.json").read_text())
    assert result.subjects == record["subjects"]["test"]
    truth = result.windows.label[result.rows]
    assert torch.metrics["mae"].value == pytest.approx(np.abs(torch.predictions - truth).mean())
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["windows"] == len(truth)
    assert set(numbers["scores"][1]["metrics"]) == {"mae", "median", "p90", "mse", "within_5bpm"}
    assert numbers["scores"][1]["metrics"]["mae"]["value"] == torch.metrics["mae"].value
    console = Console(record=True, width=120, file=io.StringIO())
    console.print(table(result))
    text = console.export_text()
    assert "spectral peak" in text
    assert "MAE@80" not in text
    console.print(table(replace(result, subjects=["one"])))
    assert "of 1 subject that" in " ".join(console.export_text().split())


def test_a_tracker_without_a_distribution_is_said_to_be_left_out(hr_run):
    console = Console(record=True, width=120, file=io.StringIO())
    score(EvaluateConfig(bootstrap=20, models={"student": hr_run}, track=True), console)
    assert "no model answers over bins" in console.export_text()


def test_no_evaluated_window_is_of_a_subject_that_any_model_learned_from(tiny_hr, hr_run, tmp_path):
    other = train(tiny_hr, tmp_path / "other", split={"seed": 8})
    learned = set()
    for folder in (hr_run, other):
        subjects = json.loads((folder / "run.json").read_text())["subjects"]
        learned |= {*subjects["train"], *subjects["validation"]}
    if len(learned) == 6:
        with pytest.raises(ConfigError, match="learned from every labelled subject of tiny"):
            run(models={"a": hr_run, "b": other})
    else:
        assert not learned & set(run(models={"a": hr_run, "b": other}).subjects)
    alone = run(models={"b": other / "best.safetensors"}, data=[tiny_hr])  # the checkpoint knows by itself
    assert alone.subjects == json.loads((other / "run.json").read_text())["subjects"]["test"]


def test_foreign_data_are_tested_as_a_whole(hr_run, tmp_path):
    foreign = tiny_windows(subjects=3, windows=4, seed=5)
    replace(foreign, manifest={**foreign.manifest, "dataset": "foreign"}).save(tmp_path / "foreign")
    result = run(models={"student": hr_run}, data=[tmp_path / "foreign"])
    assert result.subjects == ["foreign/s0", "foreign/s1", "foreign/s2"]
    assert len(result.rows) == 12


def test_thresholds_come_from_the_validation_subjects(af_run, monkeypatch):
    result = run(models={"student": af_run})
    record = json.loads((af_run / "run.json").read_text())
    windows = result.windows
    names = np.array([f"tiny/{name}" for name in windows.manifest["subjects"]])
    rows = np.flatnonzero(np.isin(names[windows.subject], record["subjects"]["validation"]))
    model = ppgfast.load(af_run / "model.ppgf")
    probability = model.predict(np.ascontiguousarray(windows.ppg[rows]))[:, 1]
    best, specific = thresholds(probability, windows.label[rows])
    cpp = result.scores[2]
    assert cpp.limits == (best, specific)
    truth = windows.label[result.rows]
    assert cpp.metrics["accuracy"].value == np.mean((cpp.predictions >= best) == truth)
    assert cpp.metrics["sensitivity_at_95"].value == np.mean(cpp.predictions[truth == 1] >= specific)
    _, meta = checkpoint.load(af_run / "best.safetensors")
    assert meta["threshold"] == pytest.approx(best, abs=1e-5)
    assert f"threshold of the probability: {meta['threshold']:.6g}" in model.info["note"]


def test_without_a_run_there_is_no_threshold_to_report(af_run, tiny_af):
    result = run(models={"file": af_run / "model.ppgf"}, data=[tiny_af])
    assert result.scores[1].limits is None
    assert set(result.scores[1].metrics) == {"auroc", "auprc"}


def test_the_specific_threshold_leaves_95_percent_of_the_others_alone():
    rng = np.random.default_rng(0)
    label = (rng.random(1000) < 0.3).astype(float)
    probability = np.clip(rng.normal(0.4 + 0.2 * label, 0.1), 0, 1)
    _, specific = thresholds(probability, label)
    assert 0.95 <= np.mean(probability[label == 0] < specific) < 0.955
    with pytest.raises(ConfigError, match=r"no validation window is without af; try another split\.seed"):
        thresholds(probability, np.ones(1000))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "evaluate needs windows: give --run, a run folder as a model, or --data"),
        ({"models": {"a": "nowhere.ppgf"}, "data": "DATA"}, "nowhere.ppgf"),
        ({"models": {"a": "nowhere"}, "data": "DATA"}, "nowhere: no checkpoint there"),
        ({"run": "nowhere"}, "nowhere is no run folder"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(tiny_hr, values, message):
    values = {key: tiny_hr if value == "DATA" else value for key, value in values.items()}
    with pytest.raises((ConfigError, ppgfast.ModelFileError), match=message):
        run(**values)


def test_a_model_for_another_task_is_refused(hr_run, tiny_af):
    for path in (hr_run, hr_run / "model.ppgf"):
        with pytest.raises(ConfigError, match="is a model for task hr, the data are for af"):
            run(models={"a": path}, data=[tiny_af])


def test_the_file_states_the_contract_and_where_it_comes_from(hr_run):
    done = export(ExportConfig(model=hr_run, out=hr_run / "again.ppgf", note="for the test"))
    _, meta = checkpoint.load(hr_run / "best.safetensors")
    about = ppgfast.load(done.path).info
    assert about["input"] == {
        "sampling_rate": 40.0,
        "window": 320,
        "hop": 80,
        "channels": 1,
        "polarity": 1,
        "scaling": "minmax",
        "filter": (0.5, 8.0, 2),
    }
    output = {**about["output"]}
    assert (output.pop("mean"), output.pop("std")) == (
        meta["contract"]["label_mean"],
        meta["contract"]["label_std"],
    )
    assert output == {"task": "hr", "units": "bpm", "activation": "none"}
    for text in ("gpt50k for hr", "tiny, Apache-2.0", meta["config_hash"][:16], "4 train", "for the test"):
        assert text in about["note"]
    assert done.parameters == about["parameters"]
    assert done.bytes == done.path.stat().st_size
    assert done.largest_difference < 1e-3


def test_the_self_test_holds_windows_of_held_out_subjects(hr_run):
    stored = ppgfast.format.read(hr_run / "model.ppgf").tensors
    windows = stored["selftest.input"].reshape(8, 320)
    tested = tiny_windows()
    names = np.array([f"tiny/{name}" for name in tested.manifest["subjects"]])
    held_out = json.loads((hr_run / "run.json").read_text())["subjects"]["test"]
    ours = tested.ppg[np.isin(names[tested.subject], held_out)]
    assert all((ours == window).all(1).any() for window in windows)
    answer = ppgfast.load(hr_run / "model.ppgf").predict(windows)
    np.testing.assert_allclose(answer, stored["selftest.output"], atol=1e-3)


def test_a_file_that_answers_otherwise_is_an_error(hr_run, monkeypatch):
    class Other:
        info = {"precision": "f32"}  # noqa: RUF012

        def predict(self, windows):
            return np.full((len(windows), 1), 80.0, np.float32)

    module, meta = checkpoint.load(hr_run / "best.safetensors")
    windows = tiny_windows().ppg
    with pytest.raises(ExportError, match="the file's answers differ from torch's by"):
        export_model.largest_difference(module, meta["contract"], Other(), windows)


def test_what_cannot_be_exported_says_why(tiny_hr, hr_run, tmp_path):
    settings = {"optimiser": {"epochs": 1}, "device": "cpu"}
    generative = pretrain(PretrainConfig(data=tiny_hr, out=tmp_path / "pre", model=SMALL, **settings), QUIET)
    assert generative.validation.keys() == {"generative"}
    with pytest.raises(ConfigError, match="pretrained only and predicts nothing yet; finetune or distil it"):
        export(ExportConfig(model=generative.folder))
    _, meta = checkpoint.load(hr_run / "best.safetensors")
    checkpoint.save(tmp_path / "two", build("mlp", n_patches=8, channels=2), meta)
    with pytest.raises(ConfigError, match=r"two\.safetensors cannot be exported: .*2 channel"):
        export(ExportConfig(model=tmp_path / "two.safetensors"))
    checkpoint.save(tmp_path / "bare", build("mlp", n_patches=8))
    with pytest.raises(ConfigError, match="states no contract"):
        export(ExportConfig(model=tmp_path / "bare.safetensors"))


def test_a_pretrained_body_is_taken_over_and_a_misfit_refused(tiny_hr, tmp_path):
    settings = {"optimiser": {"epochs": 1, "learning_rate": 1e-12, "start": 0, "end": 0}, "device": "cpu"}
    first = pretrain(PretrainConfig(data=tiny_hr, out=tmp_path / "pre", model=SMALL, **settings), QUIET)
    then = FinetuneConfig(
        data=tiny_hr, out=tmp_path / "fine", model={**SMALL, "init": first.folder}, seed=9, **settings
    )
    tuned = finetune(then, QUIET)
    before, after = (checkpoint.load(r.checkpoint)[0].state_dict() for r in (first, tuned))
    np.testing.assert_allclose(before["layer.1.ffn.up.weight"], after["layer.1.ffn.up.weight"], atol=1e-6)
    wide = FinetuneConfig(data=tiny_hr, out=tmp_path / "wide", model={"name": "gpt50k", "init": first.folder})
    with pytest.raises(
        ConfigError, match=r"is \(16,\), expected \(32,\); set model\.name and model\.overrides"
    ):
        finetune(wide, QUIET)


def test_without_its_data_export_asks_for_others(hr_run, tmp_path):
    module, meta = checkpoint.load(hr_run / "best.safetensors")
    meta["data"]["folders"] = [str(tmp_path / "gone")]
    checkpoint.save(tmp_path / "moved", module, meta)
    with pytest.raises(ConfigError, match=r"no windows for the self test \(.*gone.*\); give --data"):
        export(ExportConfig(model=tmp_path / "moved.safetensors"))
    done = export(ExportConfig(model=tmp_path / "moved.safetensors", selftest=0))
    assert done.path == tmp_path / "moved.ppgf"
    assert done.largest_difference is None
