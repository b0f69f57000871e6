"""Write one small model of each kind and precision with its answers: `python -m tests.data.make_models`.

Those named `_acc` take the accelerometer too and answer with a distribution over bins.

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
KINDS = ("linear", "mlp", "gpt", "papagei", "tcn", "streamgpt")
SHAPES = {  # kind: model.* config
    "linear": {"n_outputs": 2, "n_patches": 3, "patch": 5},
    "mlp": {"n_outputs": 2, "n_patches": 4, "patch": 9, "d_hidden": 21},
    "gpt": {"n_outputs": 3, "n_patches": 5, "patch": 7, "d_model": 24, "n_layers": 2, "n_heads": 2},
    "papagei": {
        "n_outputs": 2,
        "n_patches": 3,
        "patch": 4,  # 12 samples, halved to 6, 3, 2, 1
        "base_filters": 6,
        "n_blocks": 9,
        "d_classifier": 10,
    },
    "tcn": {"n_outputs": 2, "n_patches": 5, "patch": 9, "d_model": 10, "n_blocks": 3},
    "streamgpt": {
        "n_outputs": 2,
        "n_patches": 5,
        "patch": 7,
        "d_model": 20,
        "n_layers": 2,
        "n_heads": 2,
        "reach": 3,
    },
}
CONTRACTS = {
    "linear": {"input.scaling": 0, "output.task": 0, "output.units": 0, "output.activation": 0},
    "mlp": {"input.scaling": 2, "output.task": 2, "output.units": 2, "output.activation": 1},
    "gpt": {"input.scaling": 1, "output.task": 1, "output.units": 1, "output.activation": 0},
    "papagei": {"input.scaling": 2, "output.task": 1, "output.units": 1, "output.activation": 0},
    "tcn": {"input.scaling": 1, "output.task": 2, "output.units": 2, "output.activation": 1},
    "streamgpt": {"input.scaling": 0, "output.task": 1, "output.units": 1, "output.activation": 0},
}
WITH_ACCELEROMETER = ("gpt", "tcn")
OVER_BINS = {
    "output.task": 1,
    "output.units": 1,
    "output.activation": 2,
    "output.mean": 40.0,
    "output.std": 10.0,
}
N_BINS = 17
WINDOWS = 6
Shapes = dict[str, tuple[int, ...]]


def linear_shapes(s: dict[str, int]) -> Shapes:
    L, C = s["n_patches"] * s["patch"], s["n_outputs"]
    return weight_and_bias("out", C, L)


def mlp_shapes(s: dict[str, int]) -> Shapes:
    L, C, h = s["n_patches"] * s["patch"], s["n_outputs"], s["d_hidden"]
    return {**weight_and_bias("hidden", h, L), **batchnorm("hidden.bn", h), **weight_and_bias("out", C, h)}


def gpt_shapes(s: dict[str, int]) -> Shapes:
    d, T, C = s["d_model"], s["n_patches"] + 1, s["n_outputs"]
    shapes = {**weight_and_bias("patch", d, s.get("channels", 1) * s["patch"]), "sep": (d,)}
    shapes |= layer_shapes(s, "rotary", (d // s["n_heads"] // 4,))
    shapes |= {"head.norm.weight": (T * d,), "head.norm.bias": (T * d,)}
    return shapes | weight_and_bias("head.linear", C, T * d)


def streamgpt_shapes(s: dict[str, int]) -> Shapes:
    d = s["d_model"]
    shapes = weight_and_bias("patch", d, s["patch"]) | layer_shapes(s, "age", (s["n_heads"], s["reach"]))
    return shapes | {"norm": (d,)} | weight_and_bias("head", s["n_outputs"], d)


def layer_shapes(s: dict[str, int], place: str, place_shape: tuple[int, ...]) -> Shapes:
    d = s["d_model"]
    shapes: Shapes = {}
    for i in range(s["n_layers"]):
        layer = f"layer.{i:02d}"
        shapes[f"{layer}.attention.norm"] = shapes[f"{layer}.ffn.norm"] = (d,)
        shapes[f"{layer}.attention.{place}"] = place_shape
        for name in ("query", "key", "value", "out"):
            shapes |= weight_and_bias(f"{layer}.attention.{name}", d, d)
        shapes |= weight_and_bias(f"{layer}.ffn.up", 4 * d, d) | weight_and_bias(
            f"{layer}.ffn.down", d, 4 * d
        )
    return shapes


def papagei_shapes(s: dict[str, int]) -> Shapes:
    width = s["base_filters"]
    shapes = weight_and_bias("conv", width, 3) | batchnorm("bn", width)
    for i in range(s["n_blocks"]):
        block, narrow, width = f"block.{i:02d}", width, s["base_filters"] << i // 4
        shapes |= weight_and_bias(f"{block}.conv_1", width, 3 * narrow) | batchnorm(f"{block}.bn_2", width)
        shapes |= weight_and_bias(f"{block}.conv_2", width, 3 * width)
        if i > 0:
            shapes |= batchnorm(f"{block}.bn_1", narrow)
    shapes |= batchnorm("final_bn", width) | weight_and_bias("classifier.hidden", s["d_classifier"], width)
    return shapes | weight_and_bias("classifier.out", s["n_outputs"], s["d_classifier"])


def tcn_shapes(s: dict[str, int]) -> Shapes:
    d = s["d_model"]
    shapes = {"stem.weight": (d, 9 * s.get("channels", 1)), **batchnorm("bn", d)}
    shapes |= weight_and_bias("head", s["n_outputs"], d)
    for i, k in itertools.product(range(s["n_blocks"]), (1, 2)):
        shapes |= {f"block.{i:02d}.conv_{k}.weight": (d, 3 * d), **batchnorm(f"block.{i:02d}.bn_{k}", d)}
    return shapes


def weight_and_bias(name: str, n: int, k: int) -> Shapes:
    return {f"{name}.weight": (n, k), f"{name}.bias": (n,)}


def batchnorm(name: str, n: int) -> Shapes:
    return {f"{name}.{part}": (n,) for part in ("weight", "bias", "mean", "var")}


TENSORS = {
    "linear": linear_shapes,
    "mlp": mlp_shapes,
    "gpt": gpt_shapes,
    "papagei": papagei_shapes,
    "tcn": tcn_shapes,
    "streamgpt": streamgpt_shapes,
}


def model(kind: str, channels: int = 1) -> tuple[dict[str, int | float], dict[str, np.ndarray]]:
    random = np.random.default_rng(20)
    s = SHAPES[kind] if channels == 1 else SHAPES[kind] | {"n_outputs": N_BINS}
    tensors: dict[str, np.ndarray] = {}
    for name, shape in TENSORS[kind](s | {"channels": channels}).items():
        scale = 1.0 / np.sqrt(shape[-1]) if len(shape) > 1 else 0.3
        value = scale * random.standard_normal(shape)
        if name.endswith(("norm", ".var")) or (name.endswith(".weight") and len(shape) == 1):
            value = 1.0 + np.abs(value)
        if name.endswith("rotary"):
            value = 10000.0 ** -(np.arange(shape[0]) / shape[0])
        tensors[name] = value.astype(np.float32)

    config: dict[str, int | float] = {f"model.{name}": value for name, value in s.items()}
    config |= {"model.kind": KINDS.index(kind), "model.precision": 0}
    config |= {"input.sampling_rate": 40.0, "input.hop": s["patch"]}
    config |= {"input.window": s["n_patches"] * s["patch"], "input.channels": channels, "input.polarity": 1}
    config |= {"input.filter_low": 0.5, "input.filter_high": 8.0, "input.filter_order": 3}
    is_hr = CONTRACTS[kind]["output.task"] == 1
    config |= {"output.mean": 75.0 if is_hr else 0.0, "output.std": 20.0 if is_hr else 1.0}
    tensors["note"] = np.frombuffer("Random weights, for tests. µ".encode(), np.uint8)
    return config | CONTRACTS[kind] | (OVER_BINS if channels > 1 else {}), tensors


def write(kind: str, precision: str, channels: int = 1) -> None:
    config, tensors = model(kind, channels)
    if precision == "s8":
        config["model.precision"] = 1
        tensors = quantize_tensors(kind, tensors)
    n_patches, patch = SHAPES[kind]["n_patches"], SHAPES[kind]["patch"]
    one = (n_patches, patch) if channels == 1 else (channels, n_patches * patch)
    windows = np.random.default_rng(4).random((WINDOWS, *one), np.float32)
    windows[-1] = 0.25  # flat
    scalar = ppgfast.load(ppgf.dumps(config, tensors), isa="scalar")
    tensors |= {"selftest.input": windows, "selftest.output": scalar.predict(windows)}
    name = kind if channels == 1 else f"{kind}_acc"
    ppgf.write(HERE / "models" / f"v1.0_{name}_{precision}.ppgf", config, tensors)


def main() -> None:
    for precision in ("f32", "s8"):
        for kind in KINDS:
            write(kind, precision)
        for kind in WITH_ACCELEROMETER:
            write(kind, precision, channels=4)


if __name__ == "__main__":
    main()
