"""The training loop: AdamW, schedule, early stop, logs, checkpoints and exact resume.

A run that was killed and started again ends with the same bits as one that was not: order and augmentation of
each step follow from (seed, epoch, step) alone, everything else that moves is in `state.pt`.
"""

from __future__ import annotations

import csv
import io
import math
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from training.config import ConfigError, Optimiser
from training.progress import bar, write_atomically

STATE = "state.pt"
LOG = "log.csv"


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why and what to change."""


class Trainee(Protocol):
    """What a verb hands to `fit`."""

    @property
    def module(self) -> nn.Module:
        """Everything that is trained: a model, or a model with projectors."""
        ...

    rows: np.ndarray  # window indices to train on
    monitor: str  # key of `validate` that chooses the best epoch; lower is better

    def loss(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Total loss of one batch and its unweighted terms."""
        ...

    def validate(self) -> dict[str, float]:
        """Numbers on the validation subjects, module in eval mode."""
        ...

    def save_best(self) -> None:
        """Write the module as it is now as the run's best checkpoint (atomically)."""
        ...


@dataclass(frozen=True)
class Fit:
    """How a run went."""

    best_epoch: int
    best: float
    monitor: str
    epochs: int
    steps: int
    stopped: str  # "epochs" or "patience"
    history: tuple[dict[str, float], ...]


def fit(
    trainee: Trainee,
    optimiser: Optimiser,
    seed: int,
    folder: Path,
    device: torch.device,
    console: Console | None = None,
) -> Fit:
    """Train until `epochs` or `patience` ends it; continues from `folder/state.pt` if that exists."""
    loop = _Loop(trainee, optimiser, seed, folder, device)
    loop.resume()
    total = optimiser.epochs * loop.steps_per_epoch
    with (
        SummaryWriter(str(folder / "tensorboard"), purge_step=loop.epoch) as writer,
        bar(console, "training", total) as progress,
    ):
        progress.advance(loop.epoch * loop.steps_per_epoch + loop.step)
        while loop.epoch < optimiser.epochs and loop.waited < optimiser.patience:
            loop.train_epoch(progress)
            row = loop.finish_epoch()
            for name, value in row.items():
                writer.add_scalar(name.replace(".", "/"), value, int(row["epoch"]))
            progress.milestone(loop.summary())
    patience_ended_it = loop.epoch < optimiser.epochs
    return Fit(
        loop.best_epoch,
        loop.best,
        trainee.monitor,
        loop.epoch,
        loop.epoch * loop.steps_per_epoch,
        "patience" if patience_ended_it else "epochs",
        tuple(loop.history),
    )


def learning_rate(step: int, total: int, optimiser: Optimiser) -> float:
    """Linear from `start` to `learning_rate` over the warm-up share of steps, then cosine to `end`."""
    rise = round(total * optimiser.warmup)
    if step < rise:
        return optimiser.start + (optimiser.learning_rate - optimiser.start) * step / rise
    fall = (step - rise) / max(1, total - 1 - rise)
    return optimiser.end + (optimiser.learning_rate - optimiser.end) * 0.5 * (1 + math.cos(math.pi * fall))


def batches(rows: np.ndarray, size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The rows in this epoch's order, cut into batches that differ by one at most.

    Even pieces leave no last batch of one, which batch normalisation cannot train on.
    """
    order = np.random.default_rng((seed, epoch)).permutation(rows)
    return np.array_split(order, math.ceil(len(order) / size))


def pick_device(name: str) -> torch.device:
    """`auto` is cuda where there is one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch sees no CUDA device here; use --device auto or cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seed every generator and ask torch for deterministic algorithms; all is put back as it was after."""
    before, generators = torch.are_deterministic_algorithms_enabled(), _generators(device)
    warn_before = torch.is_deterministic_algorithms_warn_only_enabled()
    if device.type == "cuda":
        # cuBLAS reads this when its first handle is made; without it matrix products may differ between runs.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  for libraries that draw from the global one; ours are local
    random.seed(seed)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_before)
        _set_generators(generators, device)


class _Loop:
    """The moving parts of one run."""

    def __init__(
        self, trainee: Trainee, config: Optimiser, seed: int, folder: Path, device: torch.device
    ) -> None:
        self.trainee, self.config, self.seed, self.folder, self.device = trainee, config, seed, folder, device
        self.optimiser = torch.optim.AdamW(
            trainee.module.parameters(), lr=config.start, weight_decay=config.weight_decay
        )
        self.steps_per_epoch = math.ceil(len(trainee.rows) / config.batch)
        self.epoch = self.step = 0  # epochs done; steps done in the epoch that runs
        self.waited = 0  # epochs since the best one
        self.best, self.best_epoch = math.inf, 0
        self.sums: dict[str, float] = {}  # of each train term over the epoch that runs
        self.history: list[dict[str, float]] = []

    def train_epoch(self, progress: Any) -> None:
        """The rest of the epoch that runs."""
        self.trainee.module.train()
        pieces = batches(self.trainee.rows, self.config.batch, self.seed, self.epoch)
        while self.step < len(pieces):
            self._train_step(pieces[self.step])
            self.step += 1
            progress.advance(1, note=self.note() if self.step % 10 == 0 else None)
            every = self.config.checkpoint_steps
            if every and self.step < len(pieces) and self.step % every == 0:
                self.checkpoint()

    def finish_epoch(self) -> dict[str, float]:
        """Validate, keep the best, log, checkpoint; returns the log's row."""
        self.trainee.module.eval()
        with torch.no_grad():
            numbers = self.trainee.validate()
        self._check_finite(numbers[self.trainee.monitor], f"validation {self.trainee.monitor}")
        row = {"epoch": self.epoch + 1, "learning_rate": self._rate()}
        row |= {f"train.{name}": total / self.step for name, total in self.sums.items()}
        row |= {f"validation.{name}": value for name, value in numbers.items()}
        self.history.append(row)
        self.epoch, self.step, self.sums = self.epoch + 1, 0, {}
        if numbers[self.trainee.monitor] < self.best:
            self.best, self.best_epoch, self.waited = numbers[self.trainee.monitor], self.epoch, 0
            self.trainee.save_best()
        else:
            self.waited += 1
        self._write_log()
        self.checkpoint()
        return row

    def note(self) -> str:
        """What the bar says within an epoch."""
        return f"epoch {self.epoch + 1}/{self.config.epochs} loss {self.sums['total'] / self.step:.4f}"

    def summary(self) -> str:
        """What it says when an epoch is over."""
        row, monitor = self.history[-1], self.trainee.monitor
        now = f"loss {row['train.total']:.4f}, {monitor} {row[f'validation.{monitor}']:.4g}"
        return (
            f"epoch {self.epoch}/{self.config.epochs} {now} (best {self.best:.4g}, epoch {self.best_epoch})"
        )

    def checkpoint(self) -> None:
        """Everything that moves, in one atomic file that loads without running code."""
        state = {
            "epoch": self.epoch,
            "step": self.step,
            "waited": self.waited,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "sums": self.sums,
            "history": self.history,
            "module": self.trainee.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generators": _generators(self.device),
        }
        write_atomically(self.folder / STATE, lambda file: torch.save(state, file))

    def resume(self) -> None:
        """Take up `state.pt` if there is one."""
        path = self.folder / STATE
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.trainee.module.load_state_dict(state["module"])
            self.optimiser.load_state_dict(state["optimiser"])
        except Exception as error:
            raise TrainingError(
                f"{path}: not the state of this run ({error}); use --fresh to start anew"
            ) from error
        for name in ("epoch", "step", "waited", "best", "best_epoch", "sums", "history"):
            setattr(self, name, state[name])
        _set_generators(state["generators"], self.device)

    def _train_step(self, rows: np.ndarray) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        rng = np.random.default_rng((self.seed, self.epoch, self.step))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            total, terms = self.trainee.loss(rows, rng)
        self._check_finite(total.item(), "the loss")
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        if self.config.clip_norm:
            nn.utils.clip_grad_norm_(self.trainee.module.parameters(), self.config.clip_norm)
        self.optimiser.step()
        for name, term in {"total": total, **terms}.items():
            self.sums[name] = self.sums.get(name, 0.0) + term.item()

    def _check_finite(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            where = f"epoch {self.epoch + 1}, step {self.step + 1}"
            raise TrainingError(
                f"{what} is {value} at {where}; lower optimiser.learning_rate or set clip_norm"
            )

    def _rate(self) -> float:
        total = self.config.epochs * self.steps_per_epoch
        return learning_rate(
            min(self.epoch * self.steps_per_epoch + self.step, total - 1), total, self.config
        )

    def _write_log(self) -> None:
        text = io.StringIO()
        log = csv.DictWriter(text, fieldnames=list(self.history[0]), lineterminator="\n")
        log.writeheader()
        log.writerows(self.history)
        write_atomically(self.folder / LOG, lambda file: file.write(text.getvalue().encode()))


def _generators(device: torch.device) -> dict[str, Any]:
    of_numpy = np.random.get_state(legacy=False)  # noqa: NPY002  as above
    # As tensors, because pickling 624 numbers one by one takes longer than a step.
    words = torch.from_numpy(of_numpy["state"]["key"].astype(np.int64))
    version, state, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": {**of_numpy, "state": {**of_numpy["state"], "key": words}},
        "python": [version, torch.tensor(state), gauss],
    }


def _set_generators(state: dict[str, Any], device: torch.device) -> None:
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)
    of_numpy = state["numpy"]
    words = of_numpy["state"]["key"].numpy().astype(np.uint32)
    np.random.set_state({**of_numpy, "state": {**of_numpy["state"], "key": words}})  # noqa: NPY002  as above
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
