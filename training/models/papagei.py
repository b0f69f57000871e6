"""PaPaGei-S: a one-dimensional pre-activation ResNet.

Weights start as `torch.nn.Conv1d`, `torch.nn.Linear` and `torch.nn.BatchNorm1d` do. The published weights
expect 10 s at 125 Hz, 0.5-12 Hz, z-scored; the network itself takes any length.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convolution import KERNEL, SameConv1d, halve, pool_patches
from .interface import BatchNorm1d, Model, Outputs, as_patches, tap_index

STRIDE_EVERY = 2  # blocks 1, 3, 5 ... halve the length
WIDEN_EVERY = 4  # blocks 4, 8, 12 ... double the channels
N_EXPERTS = 3


@dataclass(frozen=True)
class PaPaGeiConfig:
    """Shape of a PaPaGei.

    `patch_mode` "pooled": patch vectors are an intermediate feature map of one pass, pooled to N positions;
    "isolated": each patch goes through the whole network alone, as published. `published_heads` adds the
    embedding and mixture-of-experts heads of the published pre-training, which the prediction does not use.
    """

    n_patches: int
    patch: int = 40
    channels: int = 1
    n_outputs: int = 1
    base_filters: int = 32
    n_blocks: int = 18
    d_classifier: int = 256
    d_embedding: int = 512
    dropout: float = 0.5
    patch_mode: str = "pooled"
    published_heads: bool = False
    kind: str = "papagei"

    def __post_init__(self) -> None:
        if self.patch_mode not in ("pooled", "isolated"):
            raise ValueError(f"patch_mode is {self.patch_mode!r}, expected 'pooled' or 'isolated'")
        if self.channels != 1:
            raise ValueError(f"PaPaGei takes one channel, got channels={self.channels}")

    def width(self, block: int) -> int:
        """Channels that a block puts out."""
        return self.base_filters * 2 ** (block // WIDEN_EVERY)


class Block(nn.Module):
    """BN, ReLU, dropout, convolution, twice, around an identity that is pooled and zero-padded to fit.

    The first block starts with its convolution: BN and ReLU have just been applied. Its own `bn_1` is in the
    published state but unused.
    """

    def __init__(self, config: PaPaGeiConfig, index: int) -> None:
        super().__init__()
        narrow, wide = config.width(max(index - 1, 0)), config.width(index)
        self.first = index == 0
        self.stride = 2 if index % STRIDE_EVERY == 1 else 1
        self.bn_1 = BatchNorm1d(narrow)
        self.conv_1 = SameConv1d(narrow, wide, KERNEL, stride=self.stride)
        self.bn_2 = BatchNorm1d(wide)
        self.conv_2 = SameConv1d(wide, wide, KERNEL)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.first else self.dropout(F.relu(self.bn_1(x)))  # (B, narrow, l)
        y = self.conv_1(y)  # (B, wide, l')
        y = self.dropout(F.relu(self.bn_2(y)))  # (B, wide, l')
        y = self.conv_2(y)  # (B, wide, l')
        x = halve(x) if self.stride == 2 else x  # (B, narrow, l')
        missing = y.shape[1] - x.shape[1]
        x = F.pad(x, (0, 0, missing // 2, missing - missing // 2))  # (B, wide, l')
        return y + x


class Mixture(nn.Module):
    """Experts' scalars weighted by a softmax gate: (B, d) -> (B, 1)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        half = width // 2
        self.up = nn.ModuleList(nn.Linear(width, half) for _ in range(N_EXPERTS))
        self.down = nn.ModuleList(nn.Linear(half, 1) for _ in range(N_EXPERTS))
        self.gate = nn.Linear(width, N_EXPERTS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        experts = [down(self.dropout(F.relu(up(x)))) for up, down in zip(self.up, self.down, strict=True)]
        return (self.gate(x).softmax(-1) * torch.cat(experts, dim=-1)).sum(-1, keepdim=True)


class PublishedHeads(nn.Module):
    """The embedding (B, d_embedding) and the two mixture heads (B, 1) of the published pre-training."""

    def __init__(self, config: PaPaGeiConfig) -> None:
        super().__init__()
        width = config.width(config.n_blocks - 1)
        self.embedding = nn.Linear(width, config.d_embedding)
        self.mixture_1 = Mixture(width, dropout=0.0)
        self.mixture_2 = Mixture(width, dropout=config.dropout)

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.embedding(feature), self.mixture_1(feature), self.mixture_2(feature)


class Classifier(nn.Module):
    """Dropout, linear, ReLU, dropout, linear."""

    def __init__(self, config: PaPaGeiConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(config.width(config.n_blocks - 1), config.d_classifier)
        self.out = nn.Linear(config.d_classifier, config.n_outputs)

    def forward(self, feature: Tensor) -> Tensor:
        y = F.relu(self.hidden(self.dropout(feature)))  # (B, d_classifier)
        return self.out(self.dropout(y))  # (B, C)


class PaPaGei(Model):
    """Windows of any number of patches -> outputs.

    Taps: "embedding" (after the first convolution), "layer.<i>" (after block i), "last" (after the last BN
    and ReLU). `feature` is the mean over time at the tap. Pooled `patches` come from the same map; at "last",
    which has too few positions, from the deepest block with at least one position per patch.
    """

    def __init__(self, config: PaPaGeiConfig) -> None:
        super().__init__()
        self.config = config
        self.conv = SameConv1d(1, config.base_filters, KERNEL)
        self.bn = BatchNorm1d(config.base_filters)
        self.block = nn.ModuleList(Block(config, i) for i in range(config.n_blocks))
        self.final_bn = BatchNorm1d(config.width(config.n_blocks - 1))
        self.classifier = Classifier(config)
        self.published_heads = PublishedHeads(config) if config.published_heads else None

    def feature_maps(self, x: Tensor) -> list[Tensor]:
        """(B, L) -> maps (B, channels, length): first convolution, each block, last BN and ReLU."""
        x = x[:, None, :]  # (B, 1, L)
        x = F.relu(self.bn(self.conv(x)))  # (B, base_filters, L)
        maps = [x]
        for block in self.block:
            x = block(x)  # (B, channels, length), both per block
            maps.append(x)
        maps.append(F.relu(self.final_bn(x)))  # (B, width, L / 2^(n_blocks/2))
        return maps

    def forward(self, x: Tensor, tap: str = "last") -> Outputs:
        config = self.config
        x = as_patches(x, None, config.patch)  # (B, N, P)
        batch, n_patches, _ = x.shape
        index = len(self.block) + 1 if tap == "last" else tap_index(tap, len(self.block)) + 1
        maps = self.feature_maps(x.flatten(1))
        prediction = self.classifier(maps[-1].mean(-1))  # (B, C)
        feature = maps[index].mean(-1)  # (B, width)
        if config.patch_mode == "isolated":
            alone = self.feature_maps(x.flatten(0, 1))[index].mean(-1)  # (B*N, width)
            return Outputs(prediction, feature, alone.view(batch, n_patches, -1))
        chosen = maps[index]
        if tap == "last":
            chosen = next(m for m in reversed(maps) if m.shape[-1] >= n_patches)
        return Outputs(prediction, feature, pool_patches(chosen, n_patches, tap))
