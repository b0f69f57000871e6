"""What every model shares: the answer it gives, the input it takes, the names of its layers."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Outputs(NamedTuple):
    """What a model answers for a batch of B windows of N patches.

    The widths of `feature` and `patches` may differ (PaPaGei); `widths` tells them.
    """

    prediction: Tensor  # (B, C) raw outputs: standardised heart rate, or one logit per class
    feature: Tensor  # (B, d_feature) one vector per window
    patches: Tensor  # (B, N, d_patch) one vector per patch


class Model(nn.Module):
    """A module that answers `Outputs`; `from_config` rebuilds it from `config`, a frozen dataclass."""

    config: Any

    def forward(self, x: Tensor, tap: str = "last") -> Outputs:
        """x (B, N, channels * P) or (B, L), already scaled; `tap` names the layer of feature and patches."""
        raise NotImplementedError


def as_patches(x: Tensor, n_patches: int | None, patch: int, channels: int = 1) -> Tensor:
    """Windows, already scaled, as (B, N, channels * patch).

    Takes (B, N, channels * patch), or (B, N * patch) when there is one channel. With several channels a patch
    holds `patch` samples of the first channel, then of the second, and so on: `from_channels` makes it.
    `n_patches` None accepts any number of patches.
    """
    width = channels * patch
    n = "N" if n_patches is None else n_patches
    if not x.is_floating_point():
        raise TypeError(f"windows hold {x.dtype}, expected a floating-point tensor: convert with .float()")
    if x.dim() == 2 and channels == 1 and x.shape[1] > 0 and x.shape[1] % patch == 0:
        x = x.reshape(x.shape[0], -1, patch)
    if x.dim() != 3 or x.shape[2] != width or x.shape[1] == 0 or (n_patches and x.shape[1] != n_patches):
        flat = f" or (B, {n} * {patch})" if channels == 1 else " (training.models.from_channels makes it)"
        raise ValueError(f"windows have shape {tuple(x.shape)}, expected (B, {n}, {width}){flat}")
    return x


def from_channels(x: Tensor, patch: int) -> Tensor:
    """(B, C, L) windows of C channels -> (B, L / patch, C * patch) patches."""
    if x.dim() != 3 or x.shape[2] % patch:
        raise ValueError(f"windows have shape {tuple(x.shape)}, expected (B, C, a multiple of {patch})")
    batch, channels, length = x.shape
    x = x.reshape(batch, channels, length // patch, patch)  # (B, C, N, P)
    return x.transpose(1, 2).reshape(batch, length // patch, channels * patch)  # (B, N, C*P)


def tap_index(tap: str, n_layers: int) -> int:
    """Layer whose output is meant: -1 for "embedding", 0..n_layers-1 for "layer.<i>" and "last"."""
    if tap == "embedding":
        return -1
    if tap == "last":
        return n_layers - 1
    prefix, _, number = tap.partition(".")
    if prefix == "layer" and number.isdecimal() and int(number) < n_layers:
        return int(number)
    layers = f", layer.0 ... layer.{n_layers - 1}" if n_layers else ""
    raise ValueError(f"unknown tap {tap!r}: expected embedding, last{layers}")


def widths(module: Model, tap: str = "last") -> tuple[int, int]:
    """Widths (d_feature, d_patch) of what `module` answers at `tap`."""
    config = module.config
    weight = next(module.parameters())
    window = weight.new_zeros(1, config.n_patches, config.channels * config.patch)
    was_training = module.training
    module.eval()
    with torch.no_grad():
        outputs = module(window, tap=tap)
    module.train(was_training)
    return outputs.feature.shape[-1], outputs.patches.shape[-1]


class BatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation that uses its running statistics where a batch holds one value per channel.

    The variance of a single value is zero: a last batch of one would otherwise stop a training run.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)
