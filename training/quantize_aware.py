"""quantize: a trained model learns to answer in int8 as it did in float32.

`as_int8` lets a module compute as its s8 file does: the weights of that file, activations rounded row by row
as the core rounds them. So it is trained for a few epochs, its own float32 answers as the teacher; gradients
pass straight through the rounding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

from training import checkpoint, engine
from training.config import ConfigError, DistillConfig, QuantizeConfig, Training, build
from training.distill import Distillation, open_teacher, teacher_identity
from training.finetune import finish
from training.inputs import check_unseen
from training.models import GPT, Model, StreamGPT, gpt, streamgpt
from training.models.convolution import SameConv1d
from training.quantize import BATCHNORM_EPSILON, FLOAT_LINEARS, FOLDED, LARGEST, round_weight
from training.runs import Run, RunResult, begin, find_checkpoint, read_run
from training.sources import people
from training.teacher_cache import weights_hash

ROW_LOWEST = 1e-30  # a row whose largest |x| is not above it becomes zero
EXACT_IN_FLOAT32 = 2**24 // LARGEST**2  # columns whose sum of products is a whole number that float32 holds


def round_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (..., k) -> whole numbers in [-127, 127] and a scale per row (...): kernels.hpp, QuantizeS8."""
    largest = x.abs().amax(-1)
    usable = largest > ROW_LOWEST
    full = torch.full_like(largest, LARGEST)  # a tensor, since by a number torch may multiply by 1 / 127
    inverse = torch.where(usable, full / largest, 0)
    scale = torch.where(usable, largest / full, 0)
    return (x * inverse[..., None]).clamp(-LARGEST, LARGEST).round(), scale


class Int8Product(torch.autograd.Function):
    """x (..., k), weight (n, k), bias (n) -> (..., n): kernels.hpp, LinearS8.

    Sums are exact, the multiply-add after them rounds once, to the bits of the core. Backward is that of the
    product of the rounded values.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            q, x_scale = round_rows(x.float())
            w, w_scale = round_weight(weight)
            exact = torch.float32 if x.shape[-1] <= EXACT_IN_FLOAT32 else torch.float64
            sums = F.linear(q.to(exact), w.to(exact)).float()
            y = sums.double() * (x_scale[..., None] * w_scale).double() + bias.double()
        ctx.save_for_backward(q, x_scale, w.float(), w_scale)
        return y.float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, x_scale, w, w_scale = ctx.saved_tensors
        grad = grads[0].float()
        d_x = grad @ (w * w_scale[:, None])
        d_weight = grad.flatten(0, -2).T @ (q * x_scale[..., None]).flatten(0, -2)
        return d_x, d_weight.double(), grad.flatten(0, -2).sum(0)


def folded(layer: nn.Linear | SameConv1d, norm: nn.BatchNorm1d | None) -> tuple[Tensor, Tensor]:
    """Weights (n, k) in float64, taps first, and bias (n), with the BatchNorm behind the layer in them."""
    weight = layer.weight.double()
    if weight.dim() == 3:
        weight = weight.transpose(1, 2).flatten(1)
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.double()
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        gain = norm.weight.double() / (norm.running_var.double() + BATCHNORM_EPSILON).sqrt()
        weight, bias = weight * gain[:, None], (bias - norm.running_mean) * gain + norm.bias
    return weight, bias.float()


def linear(layer: nn.Linear, norm: nn.BatchNorm1d | None, x: Tensor) -> Tensor:
    """(..., k) -> (..., n)"""
    return Int8Product.apply(x, *folded(layer, norm))


def convolution(layer: SameConv1d, norm: nn.BatchNorm1d | None, x: Tensor) -> Tensor:
    """(B, C, l) -> (B, n, l'): a product whose rows are the inputs of a position, taps first."""
    rows = layer.padded(x).unfold(2, layer.kernel_size[0], layer.stride[0])  # (B, C, l', taps)
    rows = rows.permute(0, 2, 3, 1).flatten(2)  # (B, l', taps * C)
    return Int8Product.apply(rows, *folded(layer, norm)).transpose(1, 2)


def running(norm: nn.BatchNorm1d, x: Tensor) -> Tensor:
    """BatchNorm as at inference, also while training."""
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def identity(x: Tensor) -> Tensor:
    """For dropout, and a BatchNorm that is in the weights before it."""
    return x


def as_int8(module: Model) -> Model:
    """Let `module` compute as its s8 file does; changes it in place and returns it.

    Parameters keep their names and places, so its checkpoints are ordinary ones. RMSNorm's scales move into
    the Linears that follow and stay 1; statistics of BatchNorms stay as they are, dropout is off.
    """
    if isinstance(module, GPT | StreamGPT):
        for layer in module.layer:
            _fold_norms(cast(gpt.Layer | streamgpt.Layer, layer))
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            _compute(part, partial(running, part))
        elif isinstance(part, nn.Dropout):
            _compute(part, identity)
    for _, product, norm in int8_layers(module):
        as_rows: Any = linear if isinstance(product, nn.Linear) else convolution
        _compute(product, partial(as_rows, product, norm))
        if norm is not None:
            _compute(norm, identity)
    return module


def int8_layers(module: Model) -> Iterator[tuple[str, nn.Linear | SameConv1d, nn.BatchNorm1d | None]]:
    """What an s8 file holds in int8, in the order of computation, with the BatchNorm that is folded in."""
    norms = {}
    for name, norm in module.named_modules():
        if isinstance(norm, nn.BatchNorm1d):
            in_file = f"hidden.{name}" if module.config.kind == "mlp" else name
            for rule, before in FOLDED.get(module.config.kind, {}).items():
                if re.fullmatch(rule, in_file):
                    norms[re.sub(rule, before, in_file)] = norm
    for name, layer in module.named_modules():
        unused = name.startswith(("generative", "published_heads"))
        if isinstance(layer, nn.Linear | SameConv1d) and name not in FLOAT_LINEARS and not unused:
            yield name, layer, norms.get(name)


def _compute(layer: nn.Module, forward: Callable[..., Tensor]) -> None:
    layer.forward = forward


@torch.no_grad()
def _fold_norms(layer: gpt.Layer | streamgpt.Layer) -> None:
    """RMSNorm's scale multiplies the columns of the Linears that follow."""
    attention, ffn = layer.attention, layer.ffn
    for linear in (attention.query, attention.key, attention.value):
        linear.weight *= attention.norm
    ffn.up.weight *= ffn.norm
    for norm in (attention.norm, ffn.norm):
        norm.fill_(1).requires_grad_(False)


def quantize(config: QuantizeConfig, console: Console | None = None, fresh: bool = False) -> RunResult:
    """Train the model of a finetune or distill run as its int8 self; returns how it went, measured in int8.

    Continues the run in `config.out` if it was cut off, and returns its result if it is over.
    Raises ConfigError for a source that is no such run or learned from the test subjects of its data.
    """
    folder = config.source if config.source.is_dir() else config.source.parent
    record, source = read_run(folder), find_checkpoint(config.source)
    if record["verb"] == "pretrain":
        raise ConfigError(
            f"{folder} was pretrained only and predicts nothing yet; finetune or distil it first"
        )
    asked = settings(config, record)
    module, meta = checkpoint.load(source)
    of_teacher, learned = teacher_identity(asked)
    begun = begin("quantize", asked, fresh, weights_hash(module) + of_teacher, (meta, *learned))
    run = Int8Run(**vars(begun), source=source)
    if run.result:
        return run.result
    (teacher,) = open_teacher(asked, run, console)
    check_unseen(people(meta), run.record["subjects"]["test"], str(folder))
    with engine.reproducible(config.seed, run.device):
        learner = Distillation(run, asked, teacher)
        learner.monitor = "total"  # the answers to keep choose the epoch, not the labels
        run.start()
        fit = engine.fit(learner, config.optimiser, config.seed, run.folder, run.device, console)
        return finish(run, fit, learner.validation)


def settings(config: QuantizeConfig, record: dict[str, Any]) -> DistillConfig:
    """The source run's config with a new schedule, and with the outputs of a teacher to learn from."""
    values = {key: value for key, value in record["config"].items() if key in Training.model_fields}
    values |= config.model_dump(include={"out", "seed", "device", "optimiser"})
    values["data"] = config.data or record["data"]["folders"]
    values["teacher"] = config.teacher or config.source
    values["losses"] = {**config.losses.model_dump(), "feature": 0, "morphology": 0, "rhythm": 0}
    values["augment"] = {**values["augment"], "time_scale": 1.0}  # one store is enough
    return build(DistillConfig, values, "quantize")


@dataclass(frozen=True)
class Int8Run(Run):
    """A run whose modules compute in int8."""

    source: Path = Path()  # checkpoint that it starts from

    def network(self) -> Model:
        return as_int8(checkpoint.load(self.source)[0]).to(self.device)

    def best(self) -> Model:
        return as_int8(super().best())
