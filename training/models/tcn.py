"""A tiny convolutional student, for microcontrollers.

A strided stem brings the window down to a quarter of its samples, residual blocks see ever longer stretches
(3.6 s at 40 Hz in the last), their mean over time is the feature. All BatchNorms follow a convolution, so
at inference they are part of its weights. Weights start as `torch.nn.Conv1d` and `torch.nn.Linear` do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .convolution import KERNEL, SameConv1d, halve, pool_patches
from .interface import BatchNorm1d, Model, Outputs, as_patches, tap_index

STEM_KERNEL = 9
STEM_STRIDE = 4
HALVINGS = 2  # the first blocks halve the length


@dataclass(frozen=True)
class TCNConfig:
    """Shape of a TCN."""

    n_patches: int
    patch: int = 40
    channels: int = 1
    n_outputs: int = 1
    d_model: int = 16  # channels of every map
    n_blocks: int = 3
    kind: str = "tcn"


class Block(nn.Module):
    """Convolution, BN, ReLU, convolution, BN, the identity added, ReLU; the first two blocks halve."""

    def __init__(self, config: TCNConfig, index: int) -> None:
        super().__init__()
        d = config.d_model
        self.stride = 2 if index < HALVINGS else 1
        self.conv_1 = SameConv1d(d, d, KERNEL, stride=self.stride, bias=False)
        self.bn_1 = BatchNorm1d(d)
        self.conv_2 = SameConv1d(d, d, KERNEL, bias=False)
        self.bn_2 = BatchNorm1d(d)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn_1(self.conv_1(x)))  # (B, d, l')
        y = self.bn_2(self.conv_2(y))  # (B, d, l')
        x = halve(x) if self.stride == 2 else x  # (B, d, l')
        return F.relu(x + y)


class TCN(Model):
    """Windows of N patches -> outputs.

    Taps: "embedding" (after the stem), "layer.<i>" (after block i), "last". `feature` is the mean over time
    at the tap, `patches` the same map pooled to N positions; at "last", where it may have too few, from the
    deepest map with at least one position per patch.
    """

    def __init__(self, config: TCNConfig) -> None:
        super().__init__()
        self.config = config
        d = config.d_model
        self.stem = SameConv1d(config.channels, d, STEM_KERNEL, stride=STEM_STRIDE, bias=False)
        self.bn = BatchNorm1d(d)
        self.block = nn.ModuleList(Block(config, i) for i in range(config.n_blocks))
        self.head = nn.Linear(d, config.n_outputs)

    def feature_maps(self, x: Tensor) -> list[Tensor]:
        """(B, channels, L) -> maps (B, d, length): stem, then each block."""
        x = F.relu(self.bn(self.stem(x)))  # (B, d, L / 4)
        maps = [x]
        for block in self.block:
            x = block(x)  # (B, d, length)
            maps.append(x)
        return maps

    def forward(self, x: Tensor, tap: str = "last") -> Outputs:
        config = self.config
        index = tap_index(tap, config.n_blocks) + 1
        x = as_patches(x, config.n_patches, config.patch, config.channels)  # (B, N, C*P)
        x = x.unflatten(2, (config.channels, config.patch)).transpose(1, 2).flatten(2)  # (B, C, L)
        maps = self.feature_maps(x)
        prediction = self.head(maps[-1].mean(-1))  # (B, n_outputs)
        chosen = maps[index]
        if tap == "last":
            chosen = next((m for m in reversed(maps) if m.shape[-1] >= config.n_patches), chosen)
        return Outputs(prediction, maps[index].mean(-1), pool_patches(chosen, config.n_patches, tap))
