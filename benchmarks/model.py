"""The torch side: seeded weights, the float64 answers everything is checked against."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cases import Case
from training.models import build
from training.models.gpt import GPT


def seeded(case: Case) -> GPT:
    """The case's model with random weights, the same ones every time."""
    torch.manual_seed(case.n_patches)
    return cast(GPT, build(case.model, n_patches=case.n_patches, n_outputs=case.n_outputs).eval())


def answers(case: Case, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Outputs (B, C) in float64."""
    with torch.inference_mode():
        return seeded(case).double()(torch.from_numpy(windows).double()).prediction.numpy()
