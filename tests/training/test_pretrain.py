"""pretrain: the next patch, from windows without labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import QUIET, tiny_windows

from training import checkpoint, inputs
from training.config import PretrainConfig
from training.finetune import predict
from training.inputs import to_tensor
from training.pretrain import pretrain

SMALL = {"name": "gpt50k", "overrides": {"d_model": 16, "n_layers": 2}}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Pretraining on windows none of which has a label."""
    folder = tmp_path_factory.mktemp("pretrain")
    windows = tiny_windows()
    replace(windows, label=np.full(len(windows), np.nan, np.float32)).save(folder / "data")
    optimiser = {"epochs": 6, "batch": 8, "learning_rate": 3e-3, "warmup": 0.1}
    config = PretrainConfig(
        data=folder / "data", out=folder / "run", model=SMALL, optimiser=optimiser, device="cpu"
    )
    return pretrain(config, QUIET)


def test_the_loss_falls_without_any_label(result):
    assert result.history[-1]["train.generative"] < result.history[0]["train.generative"] - 0.1
    scores = [row["validation.generative"] for row in result.history]
    assert result.validation == {"generative": min(scores)}
    assert result.best_epoch == 1 + int(np.argmin(scores))


def test_the_score_is_the_likelihood_of_each_sample_given_the_patches_before_it(result):
    module, meta = checkpoint.load(result.checkpoint)
    windows = tiny_windows()
    names = np.array(inputs.subject_names(windows))
    rows = np.flatnonzero(np.isin(names[windows.subject], meta["subjects"]["validation"]))
    x = to_tensor(windows.ppg[rows], "minmax", torch.device("cpu")).view(len(rows), 8, 40)
    with torch.no_grad():
        mu, log_b = module.next_patch(x)
        later = x.clone()
        later[:, 5:] = 0.5
        for before, after in zip(module.next_patch(later), (mu, log_b), strict=True):
            torch.testing.assert_close(before[:, :6], after[:, :6])  # what comes later plays no part
    samples = (0.8 * x + 0.1).clamp(0.1, 0.9).double()
    laplace = torch.distributions.Laplace(mu.double(), log_b.double().exp())
    likelihood = laplace.log_prob(samples.logit()) - samples.log() - torch.log1p(-samples)
    assert result.validation["generative"] == pytest.approx(-likelihood.mean().item(), rel=1e-4)


def test_predictions_are_in_eval_mode_and_leave_the_mode_alone(result):
    module, meta = checkpoint.load(result.checkpoint)
    windows, rows = tiny_windows(), np.array([3, 60])
    stated = {**meta["contract"], "task": "hr"}
    expected = predict(module, windows, rows, stated, torch.device("cpu"))
    module.train()
    np.testing.assert_array_equal(predict(module, windows, rows, stated, torch.device("cpu")), expected)
    assert module.training
