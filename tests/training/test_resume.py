"""A run that is killed with SIGKILL and started again ends with the same bytes as one that was not."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import QUIET

from training import engine
from training.config import ConfigError, DistillConfig, FinetuneConfig
from training.distill import Distillation, distill
from training.finetune import finetune

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"name": "gpt50k", "overrides": {"d_model": 16, "n_layers": 2}}
SETTINGS = {"batch": 4, "epochs": 6, "patience": 6, "checkpoint_steps": 3}
OUTCOME = ("best.safetensors", "best.json", "log.csv", "result.json")


def finetune_config(data: Path, out: Path) -> FinetuneConfig:
    augment = {"time_scale": 1.1, "noise": 0.05}
    return FinetuneConfig(data=data, out=out, device="cpu", model=SMALL, optimiser=SETTINGS, augment=augment)


def as_flags(config: FinetuneConfig) -> list[str]:
    """The same config for the command line."""
    flags = ["--data", str(config.data[0]), "--out", str(config.out), "--device", "cpu", "--model", "gpt50k"]
    values = {f"optimiser.{key}": value for key, value in SETTINGS.items()}
    values |= {"augment.time_scale": 1.1, "augment.noise": 0.05}
    values |= {"model.overrides.d_model": 16, "model.overrides.n_layers": 2}
    return flags + [text for key, value in values.items() for text in ("--set", f"{key}={value}")]


def same_outcome(a: Path, b: Path) -> None:
    for name in OUTCOME:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name
    assert not (b / engine.STATE).exists()


def kill_after(command: list[str], folder: Path, epochs: int) -> None:
    """Start the command and kill it a moment after that many epochs were logged."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        log = folder / engine.LOG
        if log.exists() and len(log.read_text().splitlines()) > epochs:
            break
        time.sleep(0.002)
    time.sleep(
        random.Random().random() * 0.05
    )  # anywhere in an epoch; whichever step it is, the outcome must not change
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()


def test_finetune_survives_a_kill_bit_for_bit(tiny_hr, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    whole = finetune(finetune_config(tiny_hr, tmp_path / "whole"), QUIET)
    config = finetune_config(tiny_hr, tmp_path / "killed")
    command = [sys.executable, "-m", "training", "finetune", *as_flags(config)]
    kill_after(command, config.out, random.Random().randint(1, 3))
    assert not (config.out / "result.json").exists()
    assert (config.out / engine.STATE).exists()
    resumed = finetune(config, QUIET)
    same_outcome(whole.folder, resumed.folder)
    assert resumed.epochs == whole.epochs == 6


class CutOffError(Exception):
    """Stands for a kill between two steps."""


def test_distill_resumes_with_its_projectors_bit_for_bit(tiny_hr, tmp_path, monkeypatch):
    teacher = finetune(finetune_config(tiny_hr, tmp_path / "teacher"), QUIET)
    settings = {**SETTINGS, "epochs": 2}

    def config(out: str) -> DistillConfig:
        return DistillConfig(
            data=tiny_hr,
            out=tmp_path / out,
            teacher=teacher.folder,
            device="cpu",
            model=SMALL,
            optimiser=settings,
            augment={"time_scale": 1.2, "noise": 0.05},
            copies=2,
        )

    whole = distill(config("whole"), QUIET)
    original = Distillation.loss
    steps = iter(range(20))

    def loss(self, rows, rng):
        if next(steps, None) is None:
            raise CutOffError
        return original(self, rows, rng)

    monkeypatch.setattr(Distillation, "loss", loss)
    with pytest.raises(CutOffError):
        distill(config("cut"), QUIET)
    monkeypatch.setattr(Distillation, "loss", original)
    state = torch.load(tmp_path / "cut" / engine.STATE, weights_only=True)
    assert (state["epoch"], state["step"]) == (1, 6)
    assert any(key.startswith("criterion.feature_map") for key in state["module"])
    same_outcome(whole.folder, distill(config("cut"), QUIET).folder)


def test_a_finished_run_is_not_trained_again(tiny_hr, tmp_path, monkeypatch):
    config = FinetuneConfig(data=tiny_hr, out=tmp_path / "run", model=SMALL, optimiser={"epochs": 1})
    first = finetune(config, QUIET)
    monkeypatch.setattr(engine, "fit", None)
    assert finetune(config, QUIET) == first
    moved = tmp_path / "elsewhere"
    shutil.copytree(first.folder, moved)
    assert (
        finetune(FinetuneConfig(**{**config.model_dump(), "out": moved}), QUIET).validation
        == first.validation
    )


def test_another_run_in_the_folder_is_refused_unless_fresh(tiny_hr, tmp_path):
    small = {"data": tiny_hr, "out": tmp_path / "run", "model": SMALL, "device": "cpu"}
    first = finetune(FinetuneConfig(**small, optimiser={"epochs": 1}), QUIET)
    other = FinetuneConfig(**small, optimiser={"epochs": 2})
    with pytest.raises(ConfigError, match=r"holds another run \(optimiser\.epochs was 1, now 2\)"):
        finetune(other, QUIET)
    assert finetune(other, QUIET, fresh=True).epochs == 2
    assert not first.folder.joinpath(engine.STATE).exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("dear")
    with pytest.raises(ConfigError, match="exists and holds no run"):
        finetune(FinetuneConfig(**{**small, "out": tmp_path / "mine"}), QUIET, fresh=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_run_recorded_before_a_key_was_there_goes_on(tiny_hr, tmp_path, monkeypatch):
    small = {"data": tiny_hr, "out": tmp_path / "run", "model": {"name": "linear"}, "device": "cpu"}
    config = FinetuneConfig(**small, optimiser={"epochs": 1})
    first = finetune(config, QUIET)
    path = first.folder / "run.json"
    record = json.loads(path.read_text())
    del record["config"]["sequence"], record["config"]["augment"]["turn"]  # as if both came later
    path.write_text(json.dumps(record))
    monkeypatch.setattr(engine, "fit", None)
    assert finetune(config, QUIET) == first
    with pytest.raises(ConfigError, match=r"holds another run \(other settings: augment\.turn, sequence\)"):
        finetune(config.model_copy(update={"sequence": 2}), QUIET)
    record["config"]["optimiser"]["patience"] = 7  # as if that had been the default
    path.write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r"holds another run \(optimiser\.patience was 7, now 20\)"):
        finetune(config, QUIET)


def test_a_config_that_cannot_run_leaves_no_folder(tiny_hr, tmp_path):
    with pytest.raises(ConfigError, match=r"model\.name = 'gpt2m': unknown; expected one of gpt19m"):
        finetune(FinetuneConfig(data=tiny_hr, out=tmp_path / "run", model={"name": "gpt2m"}), QUIET)
    assert not (tmp_path / "run").exists()


def test_other_data_in_a_run_is_noticed(tiny_hr, tiny_af, tmp_path):
    small = {
        "out": tmp_path / "run",
        "model": {"name": "linear"},
        "optimiser": {"epochs": 1},
        "device": "cpu",
    }
    finetune(FinetuneConfig(data=tiny_hr, **small), QUIET)
    with pytest.raises(ConfigError, match=r"holds another run \(other data \(signal\)"):
        finetune(FinetuneConfig(data=tiny_af, **small), QUIET)
