"""What is measured: a model, the shape of its input, the threads it may use."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "benchmarks"  # converted graphs, the compiled peak program
PATCH = 40  # P, samples in a patch: one second

MODELS = {"gpt1m": (128, 5), "gpt19m": (512, 6)}  # name -> d, layers


class Case(NamedTuple):
    """`batch` windows of `n_patches` patches through one model on `threads` threads."""

    n_patches: int
    batch: int = 1
    threads: int = 1
    model: str = "gpt1m"

    @property
    def n_outputs(self) -> int:
        """Heart rate from windows of 8 s, two classes (atrial fibrillation or not) from longer ones."""
        return 1 if self.n_patches == 8 else 2

    @property
    def graph(self) -> str:
        """Name of the converted graph: threads are a setting of the runtime, not of the graph."""
        return f"{self.model}-n{self.n_patches}-b{self.batch}"

    def windows(self, seed: int = 0) -> NDArray[np.float32]:
        """(B, N, P) samples in [0, 1], the same ones every time."""
        shape = (self.batch, self.n_patches, PATCH)
        return np.random.default_rng(seed).random(shape, dtype=np.float32)

    def macs(self) -> int:
        """Multiply-accumulates of one call: the products, and attention below the diagonal."""
        d, n_layers = MODELS[self.model]
        tokens = self.n_patches + 1
        layer = 12 * d * d * tokens + d * tokens * (tokens + 1)
        embedding, head = PATCH * d * self.n_patches, self.n_outputs * d * tokens
        return self.batch * (n_layers * layer + embedding + head)


LATENCY = (Case(8), Case(10), Case(30))
THROUGHPUT = tuple(Case(n, batch=64, threads=threads) for n in (8, 30) for threads in (1, 2))
TEACHER = Case(30, model="gpt19m")
