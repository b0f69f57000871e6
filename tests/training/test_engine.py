"""The loop on a toy problem: schedule, order, early stop, best epoch, logs and exact resume."""

import csv
import io
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from torch import nn

from training import engine
from training.config import ConfigError, Optimiser

QUIET = Console(quiet=True)
CPU = torch.device("cpu")


class KilledError(Exception):
    """Stands for a kill: nothing after it runs."""


class Toy:
    """A line through noisy points, with dropout (torch's generator) and noise (the step's generator)."""

    monitor = "error"

    def __init__(self, folder: Path, rows: int = 23, kill_at: int | None = None) -> None:
        torch.manual_seed(1)
        self.module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.rows = np.arange(rows)
        self.x = torch.randn(rows, 3)
        self.y = self.x.sum(1, keepdim=True)
        self.folder, self.kill_at, self.steps = folder, kill_at, 0
        self.validations: list[float] = []

    def loss(self, rows, rng):
        if self.steps == self.kill_at:
            raise KilledError
        self.steps += 1
        noise = torch.from_numpy(rng.normal(size=(len(rows), 3)).astype("f4"))
        error = (self.module(self.x[rows] + 0.01 * noise) - self.y[rows]).abs().mean()
        return 2 * error, {"error": error.detach()}

    def validate(self):
        assert not self.module.training
        if self.validations:
            return {"error": self.validations.pop(0)}
        return {"error": (self.module(self.x) - self.y).abs().mean().item()}

    def save_best(self):
        torch.save(self.module.state_dict(), self.folder / "best.pt")


def run(toy: Toy, **values) -> engine.Fit:
    optimiser = Optimiser(**{"batch": 4, "epochs": 3, "checkpoint_steps": 2, **values})
    toy.folder.mkdir(exist_ok=True)
    with engine.reproducible(5, CPU):
        return engine.fit(toy, optimiser, 5, toy.folder, CPU, QUIET)


def test_bfloat16_is_for_the_products_of_a_step_alone(tmp_path):
    toys = [Toy(tmp_path / name) for name in ("whole", "half")]
    seen = []
    toys[1].module[0].register_forward_hook(lambda module, _, y: seen.append((module.training, y.dtype)))
    fits = [run(toy, bfloat16=toy is toys[1]) for toy in toys]
    assert set(seen) == {(True, torch.bfloat16), (False, torch.float32)}
    assert {p.dtype for p in toys[1].module.parameters()} == {torch.float32}
    assert fits[0].best != fits[1].best
    assert fits[1].best == pytest.approx(fits[0].best, rel=0.2)


@given(
    total=st.integers(1, 500),
    warmup=st.floats(0, 1),
    peak=st.floats(1e-4, 1e-2),
)
def test_learning_rate_rises_to_the_peak_then_falls_to_the_end(total, warmup, peak):
    optimiser = Optimiser(learning_rate=peak, start=1e-5, end=1e-6, warmup=warmup)
    rates = np.array([engine.learning_rate(step, total, optimiser) for step in range(total)])
    rise = round(total * warmup)
    assert np.all(np.diff(rates[:rise]) > 0)
    assert np.all(np.diff(rates[rise:]) < 0)
    assert rates.max() <= peak
    assert rates[0] == (1e-5 if rise else peak)
    if rise < total - 1:
        assert rates[rise] == peak
        assert math.isclose(rates[-1], 1e-6)


@given(rows=st.integers(2, 200), size=st.integers(3, 70), epoch=st.integers(0, 3))
def test_batches_hold_each_row_once_and_none_is_alone(rows, size, epoch):
    pieces = engine.batches(np.arange(rows) * 3, size, seed=1, epoch=epoch)
    assert sorted(np.concatenate(pieces)) == list(np.arange(rows) * 3)
    lengths = [len(piece) for piece in pieces]
    assert max(lengths) <= size
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= 2


def test_order_differs_between_epochs_and_seeds_only():
    first = np.concatenate(engine.batches(np.arange(50), 8, seed=1, epoch=0))
    assert np.array_equal(first, np.concatenate(engine.batches(np.arange(50), 8, seed=1, epoch=0)))
    assert not np.array_equal(first, np.concatenate(engine.batches(np.arange(50), 8, seed=1, epoch=1)))
    assert not np.array_equal(first, np.concatenate(engine.batches(np.arange(50), 8, seed=2, epoch=0)))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    toy = Toy(tmp_path_factory.mktemp("whole"))
    return toy, run(toy)


@pytest.mark.parametrize("step", range(18))
def test_a_run_killed_at_any_step_ends_with_the_same_bits(uninterrupted, tmp_path, step):
    whole, result = uninterrupted
    with pytest.raises(KilledError):
        run(Toy(tmp_path, kill_at=step))
    resumed = Toy(tmp_path)
    assert run(resumed) == result
    assert resumed.steps < 18 or step < 2
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, resumed.module.state_dict()[name]), name
    assert (tmp_path / engine.LOG).read_bytes() == (whole.folder / engine.LOG).read_bytes()


def test_early_stop_keeps_the_best_epoch(tmp_path):
    toy = Toy(tmp_path)
    toy.validations = [3.0, 1.0, 2.0, 1.5, 0.1]
    result = run(toy, epochs=50, patience=2)
    assert (result.best_epoch, result.best, result.epochs, result.stopped) == (2, 1.0, 4, "patience")
    best = torch.load(tmp_path / "best.pt")
    assert not torch.equal(best["0.weight"], toy.module.state_dict()["0.weight"])
    assert run(Toy(tmp_path), epochs=50, patience=2) == result  # started again: already over


def test_logs_hold_each_term_of_each_epoch(tmp_path):
    result = run(Toy(tmp_path))
    with (tmp_path / engine.LOG).open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert set(rows[0]) == {"epoch", "learning_rate", "train.total", "train.error", "validation.error"}
    assert float(rows[1]["train.total"]) == pytest.approx(2 * float(rows[1]["train.error"]))
    assert float(rows[-1]["validation.error"]) == result.history[-1]["validation.error"]
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_without_a_terminal_each_epoch_is_a_line(tmp_path):
    text = io.StringIO()
    optimiser = Optimiser(batch=4, epochs=3)
    with engine.reproducible(5, CPU):
        result = engine.fit(Toy(tmp_path), optimiser, 5, tmp_path, CPU, Console(file=text, width=200))
    lines = [line for line in text.getvalue().splitlines() if line.startswith("epoch")]
    assert len(lines) == 3
    assert f"error {result.history[1]['validation.error']:.4g}" in lines[1]


def test_cuda_is_asked_for_in_vain_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert engine.pick_device("auto").type == "cpu"
    with pytest.raises(ConfigError, match="torch sees no CUDA device here; use --device auto or cpu"):
        engine.pick_device("cuda")


def test_a_loss_that_is_not_finite_says_where_and_what_to_do(tmp_path):
    toy = Toy(tmp_path)
    toy.y[:] = math.nan
    with pytest.raises(engine.TrainingError, match=r"nan at epoch 1, step 1; lower optimiser\.learning_rate"):
        run(toy)


def test_a_foreign_state_is_refused(tmp_path):
    (tmp_path / engine.STATE).write_bytes(b"not a state")
    with pytest.raises(engine.TrainingError, match=r"state\.pt: not the state of this run"):
        run(Toy(tmp_path))


def test_reproducible_puts_torch_back_as_it_was():
    before = torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    drawn = torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    with engine.reproducible(0, CPU):
        assert torch.are_deterministic_algorithms_enabled()
        first = torch.rand(3)
    assert torch.are_deterministic_algorithms_enabled() == before
    assert (torch.rand(1).item(), np.random.rand(), random.random()) == drawn  # noqa: NPY002
    with engine.reproducible(0, CPU):
        assert torch.equal(first, torch.rand(3))
