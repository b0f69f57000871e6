"""GPT-PPG: a causal transformer over patches of a second.

Linear layers start as `torch.nn.Linear` does (uniform, +-1 / sqrt(fan in)), the SEP token as a standard
normal, norm scales at one: the style of the published code. The torch seed alone decides the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .interface import Model, Outputs, as_patches, tap_index

RMS_EPS = 1e-8  # inside the root
ROTARY_BASE = 10000.0


@dataclass(frozen=True)
class GPTConfig:
    """Shape of a GPT-PPG: every number that a weight's shape depends on, and the dropout."""

    n_patches: int  # N, patches in a window
    patch: int = 40  # P, samples in a patch
    channels: int = 1  # C, signals in a patch: the PPG, then the accelerometer's axes
    n_outputs: int = 1
    d_model: int = 128
    n_layers: int = 5
    n_heads: int = 4
    dropout: float = 0.1
    kind: str = "gpt"

    def __post_init__(self) -> None:
        if self.d_model % (4 * self.n_heads):
            raise ValueError(
                f"d_model {self.d_model} and n_heads {self.n_heads} give heads of "
                f"{self.d_model / self.n_heads:g}, expected a multiple of 4 (rotary pairs in half a head)"
            )


def squash(x: Tensor) -> Tensor:
    """[0, 1] -> [0.1, 0.9], where the logit is tame."""
    return 0.8 * x + 0.1


def rms_norm(x: Tensor, scale: Tensor) -> Tensor:
    """x (..., d) over its root mean square, times scale (d)."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + RMS_EPS) * scale


def rotate(x: Tensor, frequencies: Tensor) -> Tensor:
    """Rotary embedding of x (B, H, T, d_head): pairs (0, 1), (2, 3) ... of the first half of each head turn
    by position * frequency; `frequencies` (d_head / 4) in radians per position, SEP is position 0."""
    n = 2 * len(frequencies)
    position = torch.arange(x.shape[2], dtype=frequencies.dtype, device=x.device)
    angle = position[:, None] * frequencies  # (T, d_head/4)
    cos, sin = angle.cos(), angle.sin()
    even, odd = x[..., 0:n:2], x[..., 1:n:2]  # (B, H, T, d_head/4)
    turned = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)
    return torch.cat((turned, x[..., n:]), dim=-1)  # (B, H, T, d_head)


class Attention(nn.Module):
    """Norm, causal self-attention with rotary positions, output projection."""

    rotary: Tensor

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        d = config.d_model
        n_rotary = d // config.n_heads // 2
        self.n_heads = config.n_heads
        self.norm = nn.Parameter(torch.ones(d))
        self.register_buffer("rotary", ROTARY_BASE ** -(torch.arange(0, n_rotary, 2) / n_rotary))
        self.query = nn.Linear(d, d)
        self.key = nn.Linear(d, d)
        self.value = nn.Linear(d, d)
        self.out = nn.Linear(d, d)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        batch, n_tokens, d = x.shape
        heads = (batch, n_tokens, self.n_heads, d // self.n_heads)
        y = rms_norm(x, self.norm)  # (B, T, d)
        q = rotate(self.query(y).view(heads).transpose(1, 2), self.rotary)  # (B, H, T, d_head)
        k = rotate(self.key(y).view(heads).transpose(1, 2), self.rotary)  # (B, H, T, d_head)
        v = self.value(y).view(heads).transpose(1, 2)  # (B, H, T, d_head)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, H, T, d_head), scale 1/sqrt(d_head)
        y = y.transpose(1, 2).reshape(batch, n_tokens, d)  # (B, T, d)
        return self.dropout(self.out(y))  # (B, T, d)


class FeedForward(nn.Module):
    """Norm, up, ReLU, down."""

    def __init__(self, d: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.Parameter(torch.ones(d))
        self.up = nn.Linear(d, 4 * d)
        self.down = nn.Linear(4 * d, d)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = rms_norm(x, self.norm)  # (B, T, d)
        y = F.relu(self.up(y))  # (B, T, 4d)
        return self.dropout(self.down(y))  # (B, T, d)


class Layer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.ffn = FeedForward(config.d_model, config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)  # (B, T, d)
        return x + self.ffn(x)  # (B, T, d)


class Head(nn.Module):
    """All tokens -> outputs."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        width = (config.n_patches + 1) * config.d_model
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, config.n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x.flatten(1))  # (B, T*d)
        return self.linear(F.gelu(y))  # (B, C), exact GELU


class GPT(Model):
    """Windows of N patches -> outputs, with a generative head for pre-training.

    Taps: "embedding" (patch vectors before any layer), "layer.<i>", "last". `feature` is the mean over the
    patch vectors at the tap, `patches` those vectors without SEP.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels * config.patch
        self.patch = nn.Linear(width, config.d_model)
        self.sep = nn.Parameter(torch.randn(config.d_model))
        self.layer = nn.ModuleList(Layer(config) for _ in range(config.n_layers))
        self.head = Head(config)
        self.generative = nn.Linear(config.d_model, 2 * width)

    def hidden_states(self, x: Tensor) -> list[Tensor]:
        """Tokens (B, T, d), T = N + 1: the embedding first, then the output of each layer."""
        config = self.config
        x = as_patches(x, config.n_patches, config.patch, config.channels)  # (B, N, C*P)
        x = self.patch(squash(x))  # (B, N, d)
        sep = self.sep.expand(x.shape[0], 1, -1)  # (B, 1, d)
        x = torch.cat((sep, x), dim=1)  # (B, T, d)
        states = [x]
        for layer in self.layer:
            x = layer(x)  # (B, T, d)
            states.append(x)
        return states

    def tokens(self, x: Tensor, layer: str = "last") -> Tensor:
        """Tokens (B, T, d) at a tap, SEP first."""
        return self.hidden_states(x)[tap_index(layer, self.config.n_layers) + 1]

    def forward(self, x: Tensor, tap: str = "last") -> Outputs:
        index = tap_index(tap, self.config.n_layers)
        states = self.hidden_states(x)
        patches = states[index + 1][:, 1:]  # (B, N, d), SEP removed
        return Outputs(self.head(states[-1]), patches.mean(1), patches)

    def next_patch(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logit-Laplace parameters (mu, log b), each (B, N, C*P), of every patch given those before it.

        The first patch is predicted from SEP; the last token predicts nothing. `losses.logit_laplace` scores
        them against `target_patch(x)`.
        """
        y = self.tokens(x)[:, :-1]  # (B, N, d)
        mu, log_b = self.generative(y).chunk(2, dim=-1)
        return mu, log_b

    def target_patch(self, x: Tensor) -> Tensor:
        """What `next_patch` predicts: the window's patches (B, N, C*P) in [0.1, 0.9]."""
        config = self.config
        return squash(as_patches(x, config.n_patches, config.patch, config.channels)).clamp(0.1, 0.9)
