"""PyTorch eager, the graph that the other runtimes get."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases import Case
from benchmarks.runtimes import Predict

TITLE = "PyTorch eager, tuned graph"
MODULE = PACKAGE = "torch"
PRECISIONS = ("f32",)
SUFFIX = ".pt"


def convert(case: Case, precision: str, path: Path) -> None:
    import torch

    from benchmarks.tuned import tuned

    torch.save(tuned(case), path)


def load(path: Path, case: Case, precision: str) -> Predict:
    import torch

    torch.set_num_threads(case.threads)
    module = torch.load(path, weights_only=False)  # a file that `convert` wrote

    @torch.inference_mode()
    def predict(windows):
        return module(torch.from_numpy(windows)).numpy()

    return predict
