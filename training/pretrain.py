"""pretrain: a GPT learns the next patch of unlabelled windows, as a logit-Laplace of each sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from training import engine
from training.augment import Augmenter
from training.config import ConfigError, PretrainConfig
from training.inputs import chunks, to_tensor
from training.losses import logit_laplace
from training.models import GPT
from training.runs import Run, RunResult, begin

BATCH = 512


def pretrain(config: PretrainConfig, console: Console | None = None, fresh: bool = False) -> RunResult:
    """Train on every window of the training subjects, with or without a label; returns how it went.

    Continues the run in `config.out` if it was cut off, and returns its result if it is over.
    """
    if config.scaling != "minmax":
        raise ConfigError(
            f"scaling = {config.scaling}: the next patch is scored in [0, 1]; use scaling=minmax"
        )
    if config.channels != 1:
        raise ConfigError(
            "channels = 4: the next patch is that of the PPG; a model with motion can start from it"
        )
    if config.augment.time_scale > 1:
        raise ConfigError("augment.time_scale is for finetune and distill; leave it at 1 in pretrain")
    run = begin("pretrain", config, fresh)
    if run.result:
        return run.result
    with engine.reproducible(config.seed, run.device):
        learner = Pretraining(run)
        run.start()
        fit = engine.fit(learner, config.optimiser, config.seed, run.folder, run.device, console)
    best = fit.history[fit.best_epoch - 1]
    return run.finish(fit, {"generative": best["validation.generative"]})


class Pretraining:
    """Generative training of one GPT."""

    monitor = "generative"

    def __init__(self, run: Run) -> None:
        self.run = run
        self.rows = run.parts.train
        self.augmenter = Augmenter(run.config.augment, run.windows)
        module = run.network()
        if not isinstance(module, GPT):
            raise ConfigError(
                f"model.name = '{run.config.model.name}' predicts no next patch; use a gpt model"
            )
        self.module = module

    def loss(self, rows: NDArray, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        signal, _ = self.augmenter(rows, rng)
        term = self._score(signal)
        return term, {"generative": term}

    def validate(self) -> dict[str, float]:
        rows = self.run.parts.validation
        total = sum(
            self._score(self.run.windows.ppg[piece]).item() * len(piece) for piece in chunks(rows, BATCH)
        )
        return {"generative": total / len(rows)}

    def save_best(self) -> None:
        self.run.save_best(self.module)

    def _score(self, signal: NDArray) -> Tensor:
        x = to_tensor(signal, self.run.config.scaling, self.run.device)
        mu, log_b = self.module.next_patch(x)  # (B, N, P) each
        return logit_laplace(mu.float(), log_b.float(), self.module.target_patch(x))
