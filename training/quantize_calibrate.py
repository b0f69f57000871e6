"""Calibration: biases that make up for what rounding shifts on average."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from training.models import Model
from training.models.convolution import SameConv1d
from training.quantize_aware import as_int8, int8_layers


@torch.no_grad()
def calibrated(module: Model, windows: Tensor) -> Model:
    """A copy of `module` that computes in int8, each of its products with the mean that it has in float32.

    windows : (B, L) or (B, N, C * P), already scaled, of subjects that the model may learn from.

    The layers are corrected one after the other in a single pass, so a bias also makes up for what the layers
    before it left.
    """
    module = deepcopy(module).eval()
    wanted: dict[str, Tensor] = {}
    hooks = []
    for name, layer, norm in int8_layers(module):

        def measure(_: nn.Module, __: object, y: Tensor, name: str = name, layer: nn.Module = layer) -> None:
            wanted[name] = mean(layer, y)

        hooks.append((norm or layer).register_forward_hook(measure))
    module(windows)
    for hook in hooks:
        hook.remove()

    module = as_int8(module)
    for name, layer, norm in int8_layers(module):
        shift = cast(Tensor, (norm or layer).bias)

        def correct(
            layer: nn.Module, _: object, y: Tensor, name: str = name, shift: Tensor = shift
        ) -> Tensor:
            missing = wanted[name] - mean(layer, y)
            shift += missing
            return y + (missing[:, None] if isinstance(layer, SameConv1d) else missing)

        hooks.append(layer.register_forward_hook(correct))
    module(windows)
    for hook in hooks:
        hook.remove()
    return module


def mean(layer: nn.Module, y: Tensor) -> Tensor:
    """Mean of each output of a layer: (B, n, l) of a convolution, (..., n) of a Linear -> (n)."""
    return y.mean((0, 2)) if isinstance(layer, SameConv1d) else y.flatten(0, -2).mean(0)
