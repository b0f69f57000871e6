"""The two smallest models: a multi-layer perceptron and a linear map of the samples.

Weights start as `torch.nn.Linear` and `torch.nn.BatchNorm1d` do. Neither has contextual patch vectors:
`patches` are what each patch adds to the first linear layer: their sum plus the bias is that layer's output.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .interface import BatchNorm1d, Model, Outputs, as_patches, tap_index


@dataclass(frozen=True)
class MLPConfig:
    """Shape of an MLP."""

    n_patches: int
    patch: int = 40
    channels: int = 1
    n_outputs: int = 1
    d_hidden: int = 128
    dropout: float = 0.2
    kind: str = "mlp"


@dataclass(frozen=True)
class LinearConfig:
    """Shape of a linear model."""

    n_patches: int
    patch: int = 40
    channels: int = 1
    n_outputs: int = 1
    kind: str = "linear"


def patch_parts(x: Tensor, linear: nn.Linear) -> Tensor:
    """What each patch of x (B, N, C*P) adds to `linear` (width h) of the flattened window: (B, N, h)."""
    weight = linear.weight.view(linear.out_features, x.shape[1], x.shape[2])  # (h, N, C*P)
    return (x.transpose(0, 1) @ weight.permute(1, 2, 0)).transpose(0, 1)  # (B, N, h)


class MLP(Model):
    """Samples -> hidden -> outputs.

    `feature` is the hidden vector after ReLU at tap "last" (the same as "layer.0"), and the first linear
    layer's output at "embedding".
    """

    def __init__(self, config: MLPConfig) -> None:
        super().__init__()
        self.config = config
        self.hidden = nn.Linear(config.n_patches * config.patch * config.channels, config.d_hidden)
        self.bn = BatchNorm1d(config.d_hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.d_hidden, config.n_outputs)

    def forward(self, x: Tensor, tap: str = "last") -> Outputs:
        config = self.config
        index = tap_index(tap, 1)
        x = as_patches(x, config.n_patches, config.patch, config.channels)  # (B, N, C*P)
        patches = patch_parts(x, self.hidden)  # (B, N, h)
        embedding = self.hidden(x.flatten(1))  # (B, h)
        hidden = F.relu(self.bn(embedding))  # (B, h)
        prediction = self.out(self.dropout(hidden))  # (B, C)
        return Outputs(prediction, embedding if index < 0 else hidden, patches)


class Linear(Model):
    """Samples -> outputs. `feature` is the prediction itself; taps are "embedding" and "last", the same."""

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.config = config
        self.out = nn.Linear(config.n_patches * config.patch * config.channels, config.n_outputs)

    def forward(self, x: Tensor, tap: str = "last") -> Outputs:
        config = self.config
        tap_index(tap, 0)
        x = as_patches(x, config.n_patches, config.patch, config.channels)  # (B, N, C*P)
        prediction = self.out(x.flatten(1))  # (B, C)
        return Outputs(prediction, prediction, patch_parts(x, self.out))
