"""A transformer for streams: a new patch costs the same, however long the signal before it was.

A layer looks at the last few patches only, each patch is scaled by what is known when it ends, and an answer
pools the last N patches. So nothing that was computed for a patch changes later, and a stream keeps it. No
answer depends on more than `memory` patches, and none on when the stream began, once it has seen as many.

Weights start as those of gpt.py; what a head adds to a score for each age starts at zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .gpt import FeedForward, rms_norm
from .interface import Model, Outputs, as_patches, tap_index


@dataclass(frozen=True)
class StreamGPTConfig:
    """Shape of a StreamGPT: every number that a weight's shape depends on, and the dropout."""

    n_patches: int  # N, patches behind an answer, and behind the scale of a patch
    patch: int = 40  # P, samples in a patch
    channels: int = 1
    n_outputs: int = 1
    d_model: int = 32
    n_layers: int = 4
    n_heads: int = 2
    reach: int = 8  # W, patches that a layer looks at: a patch and those right before it
    dropout: float = 0.1
    kind: str = "streamgpt"

    def __post_init__(self) -> None:
        if self.d_model % (2 * self.n_heads):
            raise ValueError(
                f"d_model {self.d_model} and n_heads {self.n_heads} give heads of "
                f"{self.d_model / self.n_heads:g}, expected an even number"
            )
        if self.channels != 1:
            raise ValueError(f"channels is {self.channels}: a streamgpt takes the PPG alone, channels=1")

    @property
    def memory(self) -> int:
        """Patches that an answer depends on."""
        return 2 * self.n_patches - 1 + self.n_layers * (self.reach - 1)


def trailing(x: Tensor, n: int) -> Tensor:
    """x (B, T) -> (B, T, n): the n values that end with each, zeros before the first."""
    return F.pad(x, (n - 1, 0)).unfold(1, n, 1)


def scale_patches(x: Tensor, n: int) -> Tensor:
    """x (B, T, P): each patch less the mean of the n patches that end with it, over their deviation.

    At the start those that are there; where all are flat the result is zeros.
    """
    count = torch.arange(1, x.shape[1] + 1, device=x.device).clamp(max=n)  # (T)
    known = torch.arange(n, device=x.device) >= n - count[:, None]  # (T, n)
    means, variances = trailing(x.mean(2), n), trailing(x.var(2, unbiased=False), n)  # (B, T, n)
    mean = means.sum(2) / count  # (B, T)
    variance = ((variances + (means - mean[..., None]).square()) * known).sum(2) / count  # (B, T)
    deviation = variance.sqrt()[..., None]  # (B, T, 1)
    flat = deviation == 0
    return torch.where(flat, 0, (x - mean[..., None]) / torch.where(flat, 1, deviation))


class LocalAttention(nn.Module):
    """Norm, causal attention over the last W patches, output projection."""

    def __init__(self, config: StreamGPTConfig) -> None:
        super().__init__()
        d = config.d_model
        self.n_heads, self.reach = config.n_heads, config.reach
        self.norm = nn.Parameter(torch.ones(d))
        self.age = nn.Parameter(torch.zeros(config.n_heads, config.reach))  # by patches since the key
        self.query = nn.Linear(d, d)
        self.key = nn.Linear(d, d)
        self.value = nn.Linear(d, d)
        self.out = nn.Linear(d, d)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        batch, n_patches, d = x.shape
        heads = (batch, n_patches, self.n_heads, d // self.n_heads)
        y = rms_norm(x, self.norm)  # (B, T, d)
        q = self.query(y).view(heads).transpose(1, 2)  # (B, H, T, d_head)
        k = self.key(y).view(heads).transpose(1, 2)  # (B, H, T, d_head)
        v = self.value(y).view(heads).transpose(1, 2)  # (B, H, T, d_head)
        at = torch.arange(n_patches, device=x.device)
        age = at[:, None] - at  # (T, T), of key j for query i
        bias = self.age[:, age.clamp(0, self.reach - 1)]  # (H, T, T)
        bias = bias.masked_fill((age < 0) | (age >= self.reach), -torch.inf)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)  # (B, H, T, d_head), scale 1/sqrt(d_head)
        y = y.transpose(1, 2).reshape(batch, n_patches, d)  # (B, T, d)
        return self.dropout(self.out(y))  # (B, T, d)


class Layer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, config: StreamGPTConfig) -> None:
        super().__init__()
        self.attention = LocalAttention(config)
        self.ffn = FeedForward(config.d_model, config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)  # (B, T, d)
        return x + self.ffn(x)  # (B, T, d)


class StreamGPT(Model):
    """Signals of any length -> an answer whenever a hop has passed.

    Scales its patches itself: how they were scaled as a whole changes nothing. Taps: "embedding" (before any
    layer), "layer.<i>", "last". `patches` are the vectors of an answer's patches at the tap, `feature` their
    mean.
    """

    def __init__(self, config: StreamGPTConfig) -> None:
        super().__init__()
        self.config = config
        d = config.d_model
        self.patch = nn.Linear(config.patch, d)
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.n_layers))
        self.norm = nn.Parameter(torch.ones(d))
        self.head = nn.Linear(d, config.n_outputs)

    def hidden_states(self, x: Tensor) -> list[Tensor]:
        """(B, T, d) for each of T patches: the embedding first, then the output of each layer."""
        x = as_patches(x, None, self.config.patch)  # (B, T, P)
        x = self.patch(scale_patches(x, self.config.n_patches))  # (B, T, d)
        states = [x]
        for layer in self.layer:
            x = layer(x)  # (B, T, d)
            states.append(x)
        return states

    def sequence(self, x: Tensor, hop: int, tap: str = "last") -> Outputs:
        """Signals x (B, T, P) or (B, T * P) of T >= N patches -> the answers at the end of patch N - 1 and
        every `hop` patches after it, those of a signal side by side: (B * answers, ...)."""
        config = self.config
        states = self.hidden_states(x)
        n = config.n_patches
        if states[0].shape[1] < n:
            raise ValueError(f"signals of {states[0].shape[1]} patches, expected at least {n}")
        last = rms_norm(states[-1], self.norm)  # (B, T, d)
        pooled = last.unfold(1, n, hop).mean(-1).flatten(0, 1)  # (B * answers, d)
        at_tap = states[tap_index(tap, config.n_layers) + 1]
        patches = at_tap.unfold(1, n, hop).flatten(0, 1).transpose(1, 2)  # (B * answers, N, d)
        return Outputs(self.head(pooled), patches.mean(1), patches)

    def forward(self, x: Tensor, tap: str = "last") -> Outputs:
        """One window each, of a signal that begins with it."""
        return self.sequence(as_patches(x, self.config.n_patches, self.config.patch), 1, tap)
