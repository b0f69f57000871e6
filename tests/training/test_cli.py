"""`python -m training`: help, flags, errors as one sentence, and a recipe from simulation to table."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from training import config as configs
from training import engine
from training.cli import VERBS, app
from training.data import windows as window_sets
from training.data.registry import DATA_SETS

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "training" / "configs"
WIDE = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


def run(*arguments: object, code: int = 0) -> str:
    """Output of the command line, errors included; the exit status must be `code`."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env=WIDE)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("verb", VERBS)
def test_help_lists_every_key_of_a_verb(verb):
    text = run(verb, "--help")
    for key, _ in configs.described_keys(VERBS[verb]):
        assert key in text


def test_prepare_names_the_data_sets_in_its_help():
    text = run("prepare", "--help")
    assert all(name in text for name in DATA_SETS)


def test_help_of_the_program_lists_the_verbs():
    text = run("--help")
    assert all(verb in text for verb in VERBS)


def test_help_does_not_wait_for_torch():
    code = "import sys; sys.argv = ['training', 'finetune', '--help']\n"
    code += (
        "import runpy\ntry:\n    runpy.run_module('training', run_name='__main__')\nexcept SystemExit: pass\n"
    )
    code += "sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["finetune"], "error: finetune: 'data' is not set (prepared data folders; required); give --set"),
        (["finetune", "--data", "nowhere", "--out", "o"], "nowhere holds no manifest.json"),
        (["finetune", "--data", "DATA", "--out", "o", "--model", "gpt2"], "model.name = 'gpt2': unknown"),
        (
            ["finetune", "--data", "DATA", "--out", "o", "--device", "tpu"],
            "'device': Input should be 'auto', 'cpu'",
        ),
        (["finetune", "--set", "optimser.epochs=2"], "did you mean 'optimiser.epochs'?"),
        (["pretrain", "--data", "DATA", "--out", "o", "--model", "mlp"], "'mlp' predicts no next patch"),
        (["pretrain", "--data", "DATA", "--out", "o", "-s", "scaling=zscore"], "use scaling=minmax"),
        (["distill", "--data", "DATA", "--out", "o"], "'teacher' is not set"),
        (["distill", "--data", "DATA", "--out", "o", "--teacher", "DATA"], "no checkpoint there"),
        (["evaluate"], "give --run, a run folder as a model, or --data"),
        (["evaluate", "README.md=nowhere"], "give --run, a run folder as a model, or --data"),
        (["export", "nowhere"], "nowhere: no checkpoint there"),
        (["prepare", "bidmk", "src", "--out", "o"], "unknown data set 'bidmk': choose one of"),
        (["simulate"], "'out' is not set"),
    ],
)
def test_what_a_user_can_mend_is_one_sentence_with_status_2(
    tiny_hr, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    text = run(*(tiny_hr if argument == "DATA" else argument for argument in arguments), code=2)
    assert message in text
    assert "Traceback" not in text
    assert not (tmp_path / "o").exists()


def test_a_run_that_diverges_ends_with_status_1(tiny_hr, tmp_path):
    fast = ["-s", "optimiser.learning_rate=1e30", "-s", "optimiser.start=1e30", "-s", "optimiser.warmup=0"]
    text = run("finetune", "--data", tiny_hr, "--out", tmp_path / "r", "--model", "gpt50k", *fast, code=1)
    assert "lower optimiser.learning_rate or set clip_norm" in text


def test_a_bug_is_not_hidden(tiny_hr, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "fit", None)
    with pytest.raises(TypeError):
        run("finetune", "--data", tiny_hr, "--out", tmp_path / "r", "--model", "linear")


def test_a_stopped_run_says_how_to_go_on(tiny_hr, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "fit", stop)
    text = run("finetune", "--data", tiny_hr, "--out", tmp_path / "r", "--model", "linear", code=130)
    assert "the same command continues from the last checkpoint" in text


def test_flags_files_and_settings_reach_the_run(tiny_hr, tmp_path):
    (tmp_path / "c.toml").write_text("[finetune.optimiser]\nepochs = 1\nbatch = 9\n")
    flags = ["--data", tiny_hr, "--out", tmp_path / "r", "--model", "linear", "--seed", 4, "--device", "cpu"]
    text = run("finetune", *flags, "-c", tmp_path / "c.toml", "-s", "optimiser.batch=10")
    assert (
        f"{tmp_path / 'r' / 'best.safetensors'}: epoch 1 of 1 (all epochs done), validation mae_bpm" in text
    )
    asked = json.loads((tmp_path / "r" / "run.json").read_text())["config"]
    assert (asked["optimiser"]["epochs"], asked["optimiser"]["batch"], asked["seed"]) == (1, 10, 4)
    assert asked["model"]["name"] == "linear"


def test_several_folders_are_joined(tiny_hr, tmp_path):
    second = window_sets.load(tiny_hr)
    renamed = {**second.manifest, "dataset": "other"}
    window_sets.WindowSet(**second.arrays(), manifest=renamed).save(tmp_path / "other")
    out = tmp_path / "r"
    small = ["--model", "linear", "-s", "optimiser.epochs=1"]
    run("finetune", "--data", tiny_hr, "--data", tmp_path / "other", "--out", out, *small)
    subjects = json.loads((out / "run.json").read_text())["subjects"]
    everyone = [name for names in subjects.values() for name in names]
    assert sorted(everyone) == sorted(f"{d}/s{k}" for d in ("tiny", "other") for k in range(6))


@pytest.mark.parametrize("task", ["hr", "af"])
def test_a_recipe_from_simulation_to_table(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = ["-c", CONFIGS / f"{task}.toml", "-c", CONFIGS / "quick.toml"]
    small = ["-s", "optimiser.epochs=1"]
    seconds = 24 if task == "hr" else 60
    run("simulate", *recipe, "--out", "data", "--subjects", 8, "-s", f"seconds={seconds}", "--seed", 1)
    run("finetune", *recipe, *small, "--data", "data", "--out", "teacher")
    run("distill", *recipe, *small, "--data", "data", "--teacher", "teacher", "--out", "student")
    text = run("export", "student")
    assert "C++ and torch agree within" in text
    text = run("evaluate", *recipe, "teacher=teacher", "student=student", "--out", "numbers.json")
    assert "student" in text
    assert "C++" in text
    scores = json.loads(Path("numbers.json").read_text())["scores"]
    assert [(s["name"], s["engine"]) for s in scores[1:]] == [
        ("teacher", "torch"),
        ("student", "torch"),
        ("student", "C++"),
    ]
    key = "mae" if task == "hr" else "auprc"
    values = [s["metrics"][key]["value"] for s in scores[2:]]
    assert np.isclose(*values, atol=1e-3)
    assert window_sets.load("data").manifest["task"] == task
