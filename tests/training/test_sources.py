"""What a model learned from is known through the models before it, to the file that is given on."""

import numpy as np
import pytest
from conftest import QUIET, tiny_windows

import ppgfast
from training import checkpoint, sources
from training.config import (
    ConfigError,
    DistillConfig,
    EvaluateConfig,
    ExportConfig,
    FinetuneConfig,
    PretrainConfig,
)
from training.distill import distill
from training.evaluate import evaluate
from training.export_model import export
from training.finetune import finetune
from training.pretrain import pretrain
from training.teacher_cache import write_store

SMALL = {"model": {"name": "tcn5k"}, "optimiser": {"epochs": 1, "batch": 16}, "device": "cpu"}
OFF = {"feature": 0, "morphology": 0, "rhythm": 0}


def data(folder, name, licence, **values):
    windows = tiny_windows(**values)
    windows.manifest.update(dataset=name, licence=licence, citation=f"the {name} paper")
    windows.save(folder / name)
    return folder / name


def test_a_statement_names_each_source_once():
    first = {"dataset": "a+b", "licence": "CC BY 4.0; ODC-BY 1.0", "citation": "A, 2001; B, 2002"}
    second = {"dataset": "b+c", "licence": "ODC-BY 1.0", "citation": "B, 2002; C, 2003"}
    assert sources.joined(first, second) == {
        "dataset": "a+b+c",
        "licence": "CC BY 4.0; ODC-BY 1.0",
        "citation": "A, 2001; B, 2002; C, 2003",
    }


@pytest.mark.parametrize(
    ("licence", "is_open"),
    [
        ("ODC-BY 1.0", True),
        ("ODC-BY 1.0; Apache-2.0, as this program", True),
        ("none stated; research use with citation", False),
        ("CC BY 4.0; none stated", False),
        ("not stated", False),
    ],
)
def test_only_open_licences_are_open(licence, is_open):
    assert (sources.use_of(licence) == "open") == is_open


def test_a_student_has_learned_from_what_its_teacher_and_its_start_have(tmp_path):
    open_data = data(tmp_path, "free", "CC BY 4.0")
    closed = data(tmp_path, "closed", "none stated; research use with citation", seed=1)
    start = finetune(FinetuneConfig(data=closed, out=tmp_path / "start", **SMALL), QUIET).folder
    again = {**SMALL, "model": {"name": "tcn5k", "init": start}}
    teacher = finetune(FinetuneConfig(data=open_data, out=tmp_path / "teacher", **again), QUIET).folder
    asked = DistillConfig(data=open_data, out=tmp_path / "run", teacher=teacher, losses=OFF, **SMALL)
    student = distill(asked, QUIET)
    said = sources.stated(checkpoint.load(student.checkpoint)[1])
    assert said["dataset"] == "free+closed"
    assert sources.use_of(said["licence"]) == sources.RESEARCH
    (kept,) = (tmp_path / "teacher_outputs").iterdir()  # the store alone says it too
    by_store = DistillConfig(data=open_data, out=tmp_path / "b", teacher=kept, losses=OFF, **SMALL)
    assert sources.stated(checkpoint.load(distill(by_store, QUIET).checkpoint)[1]) == said
    note = ppgfast.load(export(ExportConfig(model=student.folder)).path).info["note"]
    assert "data: free+closed, CC BY 4.0; none stated; research use with citation" in note
    assert "use: research only" in note


def test_whom_a_teacher_and_its_start_heard_follows_to_the_student(tmp_path):
    first, second = data(tmp_path, "first", "CC BY 4.0"), data(tmp_path, "second", "CC BY 4.0", seed=1)
    start = finetune(FinetuneConfig(data=first, out=tmp_path / "start", **SMALL), QUIET)
    again = {**SMALL, "model": {"name": "tcn5k", "init": start.folder}}
    teacher = finetune(FinetuneConfig(data=second, out=tmp_path / "teacher", **again), QUIET).folder
    asked = DistillConfig(data=second, out=tmp_path / "run", teacher=teacher, losses=OFF, **SMALL)
    student = distill(asked, QUIET).folder
    heard = sources.people(checkpoint.load(start.checkpoint)[1])
    assert heard
    assert all(name.startswith("first/") for name in heard)
    assert heard <= sources.people(checkpoint.load(student / "best.safetensors")[1])
    tested = evaluate(EvaluateConfig(models={"student": student}, data=first, bootstrap=5), QUIET).subjects
    assert tested
    assert not heard & set(tested)
    other = DistillConfig(
        data=first, out=tmp_path / "next", teacher=student, losses=OFF, split={"seed": 3}, **SMALL
    )
    with pytest.raises(ConfigError, match=r"run learned from first/s\d.*held out for the test here"):
        distill(other, QUIET)


def test_a_start_that_knows_the_labels_of_test_subjects_is_refused(tiny_hr, tmp_path):
    start = finetune(FinetuneConfig(data=tiny_hr, out=tmp_path / "start", **SMALL), QUIET).folder
    again = {**SMALL, "model": {"name": "tcn5k", "init": start}}
    finetune(FinetuneConfig(data=tiny_hr, out=tmp_path / "same", **again), QUIET)
    other = FinetuneConfig(data=tiny_hr, out=tmp_path / "other", split={"seed": 3}, **again)
    with pytest.raises(ConfigError, match=r"start learned from tiny/s\d.*held out for the test here"):
        finetune(other, QUIET)
    gpt = {**SMALL, "model": {"name": "gpt50k", "overrides": {"d_model": 16, "n_layers": 1}}}
    heard = pretrain(PretrainConfig(data=tiny_hr, out=tmp_path / "heard", **gpt), QUIET).folder
    gpt["model"] = {**gpt["model"], "init": heard}
    finetune(FinetuneConfig(data=tiny_hr, out=tmp_path / "b", split={"seed": 3}, **gpt), QUIET)


def test_a_teacher_known_by_its_outputs_alone_is_not_taken_for_open(tmp_path):
    free = data(tmp_path, "free", "CC BY 4.0")
    windows = tiny_windows()
    windows.manifest.update(dataset="free")
    answers = [{"prediction": np.full((len(windows), 1), 80, np.float32)}]
    for name, teacher, use in (
        ("silent", {}, sources.RESEARCH),
        ("told", {"data": {"dataset": "own", "licence": "CC BY 4.0", "citation": "us"}}, "open"),
    ):
        store = write_store(tmp_path / name, windows, answers, "hr", teacher).folder
        asked = DistillConfig(data=free, out=tmp_path / f"run-{name}", teacher=store, losses=OFF, **SMALL)
        meta = checkpoint.load(distill(asked, QUIET).checkpoint)[1]
        assert sources.use_of(sources.stated(meta)["licence"]) == use
