"""The student as a graph that every runtime runs best: everything constant folded, shapes fixed, no gathers.

Folded in float64 before export: the input's affine map into the patch embedding, RMSNorm scales and
1 / sqrt(d_head) into the products that follow them. Queries, keys and values are one product; the channels of
queries and keys are permuted so that rotary pairs lie in two halves: slices instead of strided gathers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.cases import Case
from benchmarks.model import seeded
from training.models.gpt import GPT, RMS_EPS, Layer


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def rms_norm(x: Tensor) -> Tensor:
    """x (..., d) over its root mean square; the scale lives in the next product."""
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + RMS_EPS)


class TunedLayer(nn.Module):
    """One transformer layer; the input x is (B * T, d)."""

    mask: Tensor
    cos: Tensor
    sin: Tensor

    def __init__(self, layer: Layer, batch: int, n_tokens: int) -> None:
        super().__init__()
        attention, ffn = layer.attention, layer.ffn
        d, n_heads = attention.out.weight.shape[0], attention.n_heads
        d_head, n_pairs = d // n_heads, len(attention.rotary)
        self.heads = (batch, n_tokens, 3 * n_heads, d_head)
        self.n_heads, self.n_pairs = n_heads, n_pairs

        pairs = torch.arange(2 * n_pairs).view(n_pairs, 2).T.flatten()  # even channels, then odd ones
        order = torch.cat((pairs, torch.arange(2 * n_pairs, d_head)))  # of one head
        order = (torch.arange(n_heads)[:, None] * d_head + order).flatten()  # (d)
        query, key, value = attention.query, attention.key, attention.value
        weight = torch.cat((query.weight[order] / d_head**0.5, key.weight[order], value.weight))
        bias = torch.cat((query.bias[order] / d_head**0.5, key.bias[order], value.bias))
        self.qkv = linear(weight * attention.norm, bias)
        self.out = linear(attention.out.weight, attention.out.bias)
        self.up = linear(ffn.up.weight * ffn.norm, ffn.up.bias)
        self.down = linear(ffn.down.weight, ffn.down.bias)

        angle = torch.arange(n_tokens)[:, None] * attention.rotary  # (T, n_pairs)
        self.register_buffer("cos", angle.cos().float())
        self.register_buffer("sin", angle.sin().float())
        self.register_buffer("mask", torch.full((n_tokens, n_tokens), -1e9).triu(1))

    def rotate(self, x: Tensor) -> Tensor:
        """x (B, 2H, T, d_head): rotary positions of queries and keys at once."""
        n = self.n_pairs
        even, odd, rest = x[..., :n], x[..., n : 2 * n], x[..., 2 * n :]
        return torch.cat((even * self.cos - odd * self.sin, odd * self.cos + even * self.sin, rest), dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.qkv(rms_norm(x)).view(self.heads).transpose(1, 2)  # (B, 3H, T, d_head)
        qk = self.rotate(y[:, : 2 * self.n_heads])  # (B, 2H, T, d_head)
        q, k, v = qk[:, : self.n_heads], qk[:, self.n_heads :], y[:, 2 * self.n_heads :]
        scores = q @ k.transpose(-1, -2) + self.mask  # (B, H, T, T)
        y = scores.softmax(-1) @ v  # (B, H, T, d_head)
        x = x + self.out(y.transpose(1, 2).reshape(x.shape))  # (B * T, d)
        return x + self.down(F.relu(self.up(rms_norm(x))))  # (B * T, d)


class TunedGPT(nn.Module):
    """Windows (B, N, P) -> outputs (B, C), for one B; the same numbers as `gpt(x).prediction`."""

    sep: Tensor

    def __init__(self, gpt: GPT, batch: int) -> None:
        super().__init__()
        gpt = gpt.double().eval()
        d, n_tokens = gpt.config.d_model, gpt.config.n_patches + 1
        self.rows, self.window = (batch * n_tokens, d), (batch, n_tokens * d)
        self.patch = linear(0.8 * gpt.patch.weight, gpt.patch.bias + 0.1 * gpt.patch.weight.sum(1))
        self.register_buffer("sep", gpt.sep.detach().float().expand(batch, 1, d).clone())
        layers = cast(Iterable[Layer], gpt.layer)
        self.layers = nn.ModuleList(TunedLayer(layer, batch, n_tokens) for layer in layers)
        self.norm = gpt.head.norm.float()
        self.head = gpt.head.linear.float()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat((self.sep, self.patch(x)), dim=1).view(self.rows)  # (B * T, d)
        for layer in self.layers:
            x = layer(x)
        return self.head(F.gelu(self.norm(x.view(self.window))))  # (B, C)


def tuned(case: Case) -> TunedGPT:
    """The tuned graph of a case's model."""
    return TunedGPT(seeded(case), case.batch).eval()
