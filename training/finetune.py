"""finetune: a teacher, or a student without a teacher, learns from labels.

Heart rate is standardised with the mean and standard deviation of the training labels; both go into the
checkpoint, so that every later user of it gets bpm. With `head = "bins"` it is a distribution over bins,
learned from one around each label. Atrial fibrillation is a two-class softmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from training import engine, losses
from training.augment import Augmenter
from training.config import FinetuneConfig
from training.data.windows import WindowSet
from training.inputs import as_contracted, chunks, to_tensor
from training.metrics import choose_threshold
from training.models import Model
from training.runs import Run, RunResult, begin

BATCH = 512  # windows predicted at a time


def finetune(config: FinetuneConfig, console: Console | None = None, fresh: bool = False) -> RunResult:
    """Train on the labelled windows of the training subjects; returns how it went.

    Continues the run in `config.out` if it was cut off, and returns its result if it is over.
    Raises ConfigError or DataError for what a user can mend, TrainingError if the loss is no longer finite.
    """
    run = begin("finetune", config, fresh)
    if run.result:
        return run.result
    with engine.reproducible(config.seed, run.device):
        learner = Finetuning(run)
        run.start()
        fit = engine.fit(learner, config.optimiser, config.seed, run.folder, run.device, console)
        return finish(run, fit, learner.validation)


class Finetuning:
    """Supervised training of one module."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.sequences = run.sequences
        self.rows = self.sequences.starts(run.rows("train"))
        self.validation = run.rows("validation")
        self.monitor = monitor(run)
        self.augmenter = Augmenter(run.config.augment, run.windows, self.sequences)
        self.module: Model = run.network()

    def loss(self, rows: NDArray, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        run = self.run
        signal, label = self.augmenter(rows, rng)
        x = to_tensor(signal, run.config.scaling, run.device, run.config.model.patch)
        prediction = self.sequences.answers(self.module, x).prediction.float()  # (B, C)
        target = run.targets.encode(label).to(run.device)
        term = losses.supervised(prediction, target, run.targets.kind)
        return term, {"supervised": term}

    def validate(self) -> dict[str, float]:
        return numbers(self.run, self.module, self.validation)

    def save_best(self) -> None:
        self.run.save_best(self.module)


def monitor(run: Run) -> str:
    """The validation number that chooses the best epoch."""
    return "mae_bpm" if run.targets.task == "hr" else "cross_entropy"


def predict(
    module: Model, windows: WindowSet, rows: NDArray, stated: Mapping[str, Any], device: torch.device
) -> NDArray[np.float32]:
    """Raw outputs (n, C) of the windows `rows`, in eval mode; `stated` is the module's contract."""

    def raw(piece: NDArray) -> NDArray[np.float32]:
        signal = as_contracted(windows, piece, stated)  # (B, L) or (B, 4, L)
        x = to_tensor(signal, stated["scaling"], device, module.config.patch)
        return module(x).prediction.cpu().numpy()  # (B, C)

    was_training = module.training
    module.eval()
    with torch.no_grad():
        answers = [raw(piece) for piece in chunks(rows, BATCH)]
    module.train(was_training)
    return np.concatenate(answers)


def numbers(run: Run, module: Model, rows: NDArray) -> dict[str, float]:
    """Validation numbers: error in bpm (hr), cross-entropy and accuracy (af)."""
    raw = predict(module, run.windows, rows, run.contract, run.device)
    label = run.windows.label[rows]
    if run.targets.task == "hr":
        error = np.abs(run.targets.decode(raw) - label)
        return {"mae_bpm": float(error.mean()), "median_bpm": float(np.median(error))}
    target = run.targets.encode(label)
    entropy = losses.supervised(torch.from_numpy(raw), target, "af").item()
    return {"cross_entropy": entropy, "accuracy": float(np.mean(raw.argmax(1) == label))}


def finish(run: Run, fit: engine.Fit, rows: NDArray) -> RunResult:
    """Numbers of the best epoch on the validation subjects, and for af the threshold they choose."""
    module = run.best()
    if run.targets.task == "af":
        probability = run.targets.decode(predict(module, run.windows, rows, run.contract, run.device))
        run.save_best(module, choose_threshold(probability, run.windows.label[rows]))
    return run.finish(fit, numbers(run, module, rows))
