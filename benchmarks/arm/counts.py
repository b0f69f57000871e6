"""Instructions of one prediction, counted by an emulator's plugin."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import torch

import ppgfast
from benchmarks.cases import ROOT
from training.export import to_ppgf
from training.models import build

HERE = Path(__file__).resolve().parent
CPUS = {"neon": "cortex-a53", "neon_dot": "cortex-a76"}  # kernel table -> a CPU of qemu that chooses it
SHAPES = tuple((name, n) for name in ("gpt1m", "gpt50k") for n in (8, 30))


@dataclass(frozen=True)
class Count:
    """One window through one model on one CPU."""

    model: str
    n_patches: int
    precision: str
    isa: str
    multiply_adds: int  # in its linear layers
    instructions: int

    @property
    def name(self) -> str:
        return f"{self.model} N={self.n_patches} {self.precision} {self.isa}"

    @property
    def cost(self) -> float:
        return self.instructions


def counts(library: Path, work: Path) -> list[Count]:
    """All of them, with the static library of an aarch64 build; programs and models go to `work`."""
    program, plugin = _programs(library, work)
    found = []
    for name, n_patches in SHAPES:
        for precision in ("f32", "s8"):
            model = _model(name, n_patches, precision, work)
            products = int(ppgfast.load(model).info["multiply_adds"])
            for isa in CPUS:
                one, three = (_run(program, plugin, model, isa, times) for times in (1, 3))
                found.append(Count(name, n_patches, precision, isa, products, (three - one) // 2))
    return found


def _programs(library: Path, work: Path) -> tuple[Path, Path]:
    program, plugin = work / "predict", work / "icount.so"
    warnings = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]
    cross = ["aarch64-linux-gnu-gcc", *warnings, f"-I{ROOT / 'cpp' / 'include'}", "-static"]
    subprocess.run([*cross, "-o", program, HERE / "predict.c", library, "-lstdc++", "-lm"], check=True)
    host = ["cc", *warnings, "-fvisibility=hidden", "-shared", "-fPIC"]
    subprocess.run([*host, "-o", plugin, HERE / "icount.c"], check=True)
    return program, plugin


def _model(name: str, n_patches: int, precision: str, work: Path) -> Path:
    """A model of that shape, random weights, the same ones every time."""
    path = work / f"{name}-n{n_patches}-{precision}.ppgf"
    torch.manual_seed(0)
    to_ppgf(build(name, n_patches=n_patches).eval(), path, precision=precision, scaling="minmax", task="hr")
    return path


def _run(program: Path, plugin: Path, model: Path, isa: str, times: int) -> int:
    """Instructions of the whole program."""
    command = ["qemu-aarch64", "-cpu", CPUS[isa], "-plugin", *map(str, (plugin, program, model, times))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    counted = re.search(r"^instructions (\d+)$", done.stderr, re.MULTILINE)
    if done.stdout.strip() != isa or counted is None:
        raise RuntimeError(f"{CPUS[isa]} answered {done.stdout!r}, expected {isa}: {done.stderr}")
    return int(counted[1])
