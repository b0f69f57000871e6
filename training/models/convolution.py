"""Convolutions over time that the convolutional models share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

KERNEL = 3  # taps of every convolution inside a block


class SameConv1d(nn.Conv1d):
    """Convolution with an output of ceil(length / stride); an odd sample of padding goes to the right."""

    def padded(self, x: Tensor) -> Tensor:
        """x (B, C, length) with the zeros around it."""
        length, kernel, stride = x.shape[-1], self.kernel_size[0], self.stride[0]
        padding = max(0, (-(-length // stride) - 1) * stride + kernel - length)
        return F.pad(x, (padding // 2, padding - padding // 2))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.padded(x))


def halve(x: Tensor) -> Tensor:
    """The larger of two neighbours, (B, C, l) -> (B, C, ceil(l / 2)); an odd last one is paired with zero."""
    return F.max_pool1d(F.pad(x, (0, x.shape[-1] % 2)), 2)


def pool_patches(maps: Tensor, n_patches: int, tap: str) -> Tensor:
    """A feature map (B, C, l) with at least one position per patch, as patch vectors (B, N, C)."""
    if maps.shape[-1] < n_patches:
        raise ValueError(
            f"tap {tap!r} has {maps.shape[-1]} positions for {n_patches} patches: take an earlier layer"
        )
    return F.adaptive_avg_pool1d(maps, n_patches).transpose(1, 2)
