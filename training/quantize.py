"""Float weights -> the int8 tensors of an s8 file, on the grid that the C++ kernels compute on exactly."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Tensors = dict[str, NDArray[Any]]

# What cpp/src/kernels/kernels.hpp asks of int8 weights: values within +-127, and neighbours (2i, 2i + 1) of
# one sign within 129 together, so that 254 * 129 fits into the 16 bits that AVX2 sums pairs in.
LARGEST = 127
PAIR_LIMIT = 129

# Linears that stay float32: samples come in and outputs leave there.
FLOAT_LINEARS = ("patch", "head.linear", "stem", "head", "conv", "classifier.out")
BATCHNORM_EPSILON = 1e-5

# BatchNorm of a kind (a regular expression) -> the Linear or convolution it follows and is folded into. One
# with a ReLU between (PaPaGei's bn_1 and final_bn) stays.
FOLDED = {
    "mlp": {r"hidden\.bn": "hidden"},
    "papagei": {r"bn": "conv", r"block\.(\d+)\.bn_2": r"block.\1.conv_1"},
    "tcn": {r"bn": "stem", r"block\.(\d+)\.bn_(\d)": r"block.\1.conv_\2"},
}


def round_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, columns) weights -> whole numbers (rows, columns) as float64, and a float32 scale per row.

    weight ~ q * scale[:, None]. The scale is the smallest that keeps a row within `LARGEST` and `PAIR_LIMIT`.
    """
    rows, columns = weight.shape
    pairs = F.pad(weight.double(), (0, columns % 2)).reshape(rows, -1, 2)
    largest, largest_pair = pairs.abs().amax((1, 2)), pairs.sum(2).abs().amax(1)
    scale = torch.maximum(largest / LARGEST, largest_pair / PAIR_LIMIT).float()

    exact = pairs / torch.where(scale > 0, scale, 1).double()[:, None, None]
    q = exact.round().clamp(-LARGEST, LARGEST)
    # Rounding may push a pair one beyond the limit; the member that was rounded up the most gives it back.
    excess = q.sum(2).abs() > PAIR_LIMIT
    first, second = (q.abs() - exact.abs()).unbind(2)
    gives_back = torch.stack((first >= second, first < second), dim=2) & excess[:, :, None]
    q = q - gives_back * q.sign()
    return q.reshape(rows, -1)[:, :columns], scale


def quantize_weight(weight: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(rows, columns) weights as a file holds them: int8 and one scale per row, of `round_weight`."""
    q, scale = round_weight(torch.from_numpy(np.asarray(weight, dtype=np.float64)))
    return q.numpy().astype(np.int8), scale.numpy()


def quantize_tensors(kind: str, tensors: Tensors) -> Tensors:
    """The tensors of an f32 file of this kind -> those of its s8 twin.

    What can be folded into the weights is, before they are rounded.
    """
    tensors = dict(tensors)
    first = tensors.get({"papagei": "conv.weight", "tcn": "stem.weight"}.get(kind, ""))
    if first is not None and len(first) % 2:
        raise ValueError(
            f"int8 takes inputs in pairs: the {kind} has {len(first)} channels, expected an even number"
        )
    if kind in ("gpt", "streamgpt"):
        _fold_norms(tensors)
    for rule, linear in FOLDED.get(kind, {}).items():
        for norm in [name.removesuffix(".var") for name in tensors if re.fullmatch(rf"{rule}\.var", name)]:
            _fold_batchnorm(tensors, norm, re.sub(rule, linear, norm))
    matrices = [n for n, value in tensors.items() if n.endswith(".weight") and value.ndim == 2]
    for name in [n.removesuffix(".weight") for n in matrices]:
        weight = tensors[f"{name}.weight"]
        if name in FLOAT_LINEARS:
            tensors[f"{name}.weight"] = weight.astype(np.float32)
        else:
            tensors[f"{name}.weight"], tensors[f"{name}.scale"] = quantize_weight(weight)
    return tensors


def _fold_norms(tensors: Tensors) -> None:
    """RMSNorm's scale multiplies the columns of the Linears that follow."""
    layers = {name.split(".")[1] for name in tensors if name.startswith("layer.")}
    for layer in layers:
        for norm, linears in (
            ("attention.norm", ("attention.query", "attention.key", "attention.value")),
            ("ffn.norm", ("ffn.up",)),
        ):
            scale = tensors.pop(f"layer.{layer}.{norm}").astype(np.float64)
            for linear in linears:
                name = f"layer.{layer}.{linear}.weight"
                tensors[name] = tensors[name] * scale


def _fold_batchnorm(tensors: Tensors, norm: str, linear: str) -> None:
    """BatchNorm in eval mode multiplies the rows of the Linear before it and shifts its bias."""
    weight, bias, mean, var = (
        tensors.pop(f"{norm}.{name}").astype(np.float64) for name in ("weight", "bias", "mean", "var")
    )
    gain = weight / np.sqrt(var + BATCHNORM_EPSILON)
    before = tensors.get(f"{linear}.bias", np.zeros_like(mean))
    tensors[f"{linear}.weight"] = tensors[f"{linear}.weight"] * gain[:, None]
    tensors[f"{linear}.bias"] = ((before - mean) * gain + bias).astype(np.float32)
