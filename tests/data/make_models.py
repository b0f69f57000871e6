"""Write one small model of each kind and precision with its answers: `python -m tests.data.make_models`.

The widths are awkward on purpose: no dimension is a multiple of what a kernel likes. Weights are drawn from
a fixed seed; the answers are those of the scalar kernels. The bytes of a released format version never
change: write new files beside the old ones.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

import ppgfast
from ppgfast import format as ppgf
from training.quantize import quantize_tensors

HERE = Path(__file__).resolve().parent
KINDS = ("linear", "mlp", "gpt")
SHAPES = {  # kind: model.* config
    "linear": {"n_outputs": 2, "n_patches": 3, "patch": 5},
    "mlp": {"n_outputs": 2, "n_patches": 4, "patch": 9, "d_hidden": 21},
    "gpt": {"n_outputs": 3, "n_patches": 5, "patch": 7, "d_model": 24, "n_layers": 2, "n_heads": 2},
}
CONTRACTS = {
    "linear": {"input.scaling": 0, "output.task": 0, "output.units": 0, "output.activation": 0},
    "mlp": {"input.scaling": 2, "output.task": 2, "output.units": 2, "output.activation": 1},
    "gpt": {"input.scaling": 1, "output.task": 1, "output.units": 1, "output.activation": 0},
}
WINDOWS = 6


def tensor_shapes(kind: str) -> dict[str, tuple[int, ...]]:
    s = SHAPES[kind]
    L, C = s["n_patches"] * s["patch"], s["n_outputs"]
    if kind == "linear":
        return {"out.weight": (C, L), "out.bias": (C,)}
    if kind == "mlp":
        h = s["d_hidden"]
        batchnorm = {f"hidden.bn.{name}": (h,) for name in ("weight", "bias", "mean", "var")}
        return {
            "hidden.weight": (h, L),
            "hidden.bias": (h,),
            **batchnorm,
            "out.weight": (C, h),
            "out.bias": (C,),
        }
    d, T = s["d_model"], s["n_patches"] + 1
    shapes: dict[str, tuple[int, ...]] = {"patch.weight": (d, s["patch"]), "patch.bias": (d,), "sep": (d,)}
    for i in range(s["n_layers"]):
        layer = f"layer.{i:02d}"
        shapes[f"{layer}.attention.norm"] = shapes[f"{layer}.ffn.norm"] = (d,)
        shapes[f"{layer}.attention.rotary"] = (d // s["n_heads"] // 4,)
        for name in ("query", "key", "value", "out"):
            shapes[f"{layer}.attention.{name}.weight"] = (d, d)
            shapes[f"{layer}.attention.{name}.bias"] = (d,)
        shapes |= {f"{layer}.ffn.up.weight": (4 * d, d), f"{layer}.ffn.up.bias": (4 * d,)}
        shapes |= {f"{layer}.ffn.down.weight": (d, 4 * d), f"{layer}.ffn.down.bias": (d,)}
    shapes |= {"head.norm.weight": (T * d,), "head.norm.bias": (T * d,)}
    return shapes | {"head.linear.weight": (C, T * d), "head.linear.bias": (C,)}


def model(kind: str) -> tuple[dict[str, int | float], dict[str, np.ndarray]]:
    random = np.random.default_rng(20)
    tensors: dict[str, np.ndarray] = {}
    for name, shape in tensor_shapes(kind).items():
        scale = 1.0 / np.sqrt(shape[-1]) if len(shape) > 1 else 0.3
        value = scale * random.standard_normal(shape)
        if name.endswith((".norm", "norm.weight", "bn.weight", "bn.var")):
            value = 1.0 + np.abs(value)
        if name.endswith("rotary"):
            value = 10000.0 ** -(np.arange(shape[0]) / shape[0])
        tensors[name] = value.astype(np.float32)

    s = SHAPES[kind]
    config: dict[str, int | float] = {f"model.{name}": value for name, value in s.items()}
    config |= {"model.kind": KINDS.index(kind), "model.precision": 0}
    config |= {"input.sampling_rate": 40.0, "input.hop": s["patch"]}
    config |= {"input.window": s["n_patches"] * s["patch"], "input.channels": 1, "input.polarity": 1}
    config |= {"input.filter_low": 0.5, "input.filter_high": 8.0, "input.filter_order": 3}
    config |= {"output.mean": 75.0 if kind == "gpt" else 0.0, "output.std": 20.0 if kind == "gpt" else 1.0}
    tensors["note"] = np.frombuffer("Random weights, for tests. µ".encode(), np.uint8)
    return config | CONTRACTS[kind], tensors


def main() -> None:
    for kind, precision in itertools.product(KINDS, ("f32", "s8")):
        config, tensors = model(kind)
        if precision == "s8":
            config["model.precision"] = 1
            tensors = quantize_tensors(kind, tensors)
        s = SHAPES[kind]
        windows = np.random.default_rng(4).random((WINDOWS, s["n_patches"], s["patch"]), np.float32)
        windows[-1] = 0.25  # flat
        scalar = ppgfast.load(ppgf.dumps(config, tensors), isa="scalar")
        tensors |= {"selftest.input": windows, "selftest.output": scalar.predict(windows)}
        ppgf.write(HERE / "models" / f"v1.0_{kind}_{precision}.ppgf", config, tensors)


if __name__ == "__main__":
    main()
