"""PyTorch, the model as it was trained."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import Case
from benchmarks.runtimes import Predict

TITLE = "PyTorch eager"
MODULE = PACKAGE = "torch"
PRECISIONS = ("f32",)
SUFFIX = ".pt"


def convert(case: Case, precision: str, path: Path) -> None:
    import torch

    from benchmarks.model import seeded

    torch.save(seeded(case).state_dict(), path)


def load(path: Path, case: Case, precision: str) -> Predict:
    import torch

    from training.models import build

    torch.set_num_threads(case.threads)
    module = build(case.model, n_patches=case.n_patches, n_outputs=case.n_outputs).eval()
    module.load_state_dict(torch.load(path, weights_only=True))

    @torch.inference_mode()
    def predict(windows):
        return module(torch.from_numpy(windows)).prediction.numpy()

    return predict
