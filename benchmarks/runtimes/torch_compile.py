"""torch.compile with frozen weights and a C++ wrapper, its fastest mode on these models."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.cases import CACHE, Case
from benchmarks.runtimes import Predict, Unavailable, torch_tuned

TITLE = "torch.compile"
MODULE = PACKAGE = "torch"
PRECISIONS = ("f32",)
SUFFIX = ".pt"


def convert(case: Case, precision: str, path: Path) -> None:
    if shutil.which("c++") is None:
        raise Unavailable("it needs a C++ compiler: install g++")
    torch_tuned.convert(case, precision, path)


def load(path: Path, case: Case, precision: str) -> Predict:
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(CACHE / "inductor"))
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # no pool of compilers while others are timed
    import torch

    torch.set_num_threads(case.threads)  # compiled into the code
    module = torch.load(path, weights_only=False)  # a file that `convert` wrote
    compiled = torch.compile(module, dynamic=False, options={"freezing": True, "cpp_wrapper": True})

    @torch.inference_mode()
    def predict(windows):
        return compiled(torch.from_numpy(windows)).numpy()

    return predict
