"""A trained module -> one PPGF model file, which the C++ core runs."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

import ppgfast
from ppgfast import format as ppgf
from training.models import Model
from training.quantize import quantize_tensors

PRECISIONS = {"f32": 0, "s8": 1}
# Signals in a window that the core runs: the PPG, and with it the accelerometer's axes.
CHANNELS = {"linear": (1,), "mlp": (1,), "gpt": (1, 4), "papagei": (1,), "tcn": (1, 4), "streamgpt": (1,)}
KINDS = {"linear": 0, "mlp": 1, "gpt": 2, "papagei": 3, "tcn": 4, "streamgpt": 5}
SCALINGS = {"none": 0, "minmax": 1, "zscore": 2}
TASKS = {"none": 0, "hr": 1, "af": 2}
UNITS = {"none": 0, "bpm": 1, "probability": 2}
ACTIVATIONS = {"none": 0, "softmax": 1, "distribution": 2}

# Config values that describe a kind's shape beyond those all kinds have.
SHAPES: dict[str, tuple[str, ...]] = {
    "gpt": ("d_model", "n_layers", "n_heads"),
    "papagei": ("base_filters", "n_blocks", "d_classifier"),
    "tcn": ("d_model", "n_blocks"),
    "streamgpt": ("d_model", "n_layers", "n_heads", "reach"),
    "mlp": ("d_hidden",),
    "linear": (),
}

# Name in the state dict (a regular expression) -> name in the file; None is left out on purpose: the
# generative head predicts samples, not outputs, PaPaGei's published heads are of its pre-training and the
# first norm of its first block is never used, and the count of batches only matters to training.
GPT_TENSORS: dict[str, str | None] = {
    r"generative\.(weight|bias)": None,
    r"(sep|patch\.weight|patch\.bias)": r"\1",
    r"layer\.(\d+)\.(attention\.(?:norm|rotary))": r"layer.\1.\2",
    r"layer\.(\d+)\.(attention\.(?:query|key|value|out)\.(?:weight|bias))": r"layer.\1.\2",
    r"layer\.(\d+)\.(ffn\.(?:norm|(?:up|down)\.(?:weight|bias)))": r"layer.\1.\2",
    r"(head\.(?:norm|linear)\.(?:weight|bias))": r"\1",
}
PAPAGEI_TENSORS: dict[str, str | None] = {
    r"published_heads\..*": None,
    r"block\.0\.bn_1\..*": None,
    r".*\.num_batches_tracked": None,
    r"((?:conv|block\.\d+\.conv_[12]|classifier\.(?:hidden|out))\.(?:weight|bias))": r"\1",
    r"((?:bn|final_bn|block\.\d+\.bn_[12])\.(?:weight|bias))": r"\1",
    r"(bn|final_bn|block\.\d+\.bn_[12])\.running_(mean|var)": r"\1.\2",
}
TCN_TENSORS: dict[str, str | None] = {
    r".*\.num_batches_tracked": None,
    r"((?:stem|block\.\d+\.conv_[12])\.weight|head\.(?:weight|bias))": r"\1",
    r"((?:bn|block\.\d+\.bn_[12])\.(?:weight|bias))": r"\1",
    r"(bn|block\.\d+\.bn_[12])\.running_(mean|var)": r"\1.\2",
}
STREAMGPT_TENSORS: dict[str, str | None] = {
    r"(norm|(?:patch|head)\.(?:weight|bias))": r"\1",
    r"layer\.(\d+)\.(attention\.(?:norm|age))": r"layer.\1.\2",
    r"layer\.(\d+)\.(attention\.(?:query|key|value|out)\.(?:weight|bias))": r"layer.\1.\2",
    r"layer\.(\d+)\.(ffn\.(?:norm|(?:up|down)\.(?:weight|bias)))": r"layer.\1.\2",
}
MLP_TENSORS: dict[str, str | None] = {
    r"bn\.num_batches_tracked": None,
    r"((?:hidden|out)\.(?:weight|bias))": r"\1",
    r"bn\.(weight|bias)": r"hidden.bn.\1",
    r"bn\.running_(mean|var)": r"hidden.bn.\1",
}
LINEAR_TENSORS: dict[str, str | None] = {r"(out\.(?:weight|bias))": r"\1"}
TENSORS = {
    "gpt": GPT_TENSORS,
    "papagei": PAPAGEI_TENSORS,
    "tcn": TCN_TENSORS,
    "streamgpt": STREAMGPT_TENSORS,
    "mlp": MLP_TENSORS,
    "linear": LINEAR_TENSORS,
}


@dataclass(frozen=True)
class Contract:
    """What goes into the model and what comes out. The defaults claim nothing: outputs as the module returns.

    sampling_rate : Hz; 0 = not stated.
    hop : samples between windows of a stream; 0 = not stated.
    channels : signals in a window: 1, or 4 with the accelerometer's x, y and z in g.
    polarity : 1, or -1 where the training signals fall with the pulse.
    scaling : what the core does to each window: "none", "minmax" or "zscore".
    filter : (low Hz, high Hz, order) that the training signals went through, or None.
    task : "none", "hr" or "af".
    units : "none", "bpm" or "probability"; follows from the task when not given.
    label_mean, label_std : prediction = output * label_std + label_mean; of a distribution, bin k stands for
        k * label_std + label_mean.
    activation : "none", "softmax" or "distribution" (over bins); softmax for probabilities when not given.
    """

    sampling_rate: float = 0.0
    hop: int = 0
    channels: int = 1
    polarity: int = 1
    scaling: str = "none"
    filter: tuple[float, float, int] | None = None
    task: str = "none"
    units: str | None = None
    label_mean: float = 0.0
    label_std: float = 1.0
    activation: str | None = None

    def __post_init__(self) -> None:
        if self.units is None:
            units = {"hr": "bpm", "af": "probability"}.get(self.task, "none")
            object.__setattr__(self, "units", units)
        if self.activation is None:
            activation = "softmax" if self.units == "probability" else "none"
            object.__setattr__(self, "activation", activation)
        for name, known in (
            ("scaling", SCALINGS),
            ("task", TASKS),
            ("units", UNITS),
            ("activation", ACTIVATIONS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}")
        if not (math.isfinite(self.sampling_rate) and self.sampling_rate >= 0):
            raise ValueError(
                f"sampling_rate is {self.sampling_rate}, expected Hz, or 0 where it is not known"
            )
        if self.hop < 0:
            raise ValueError(f"hop is {self.hop}, expected a number of samples, or 0 where it is not known")
        if self.polarity not in (1, -1):
            raise ValueError(f"polarity is {self.polarity}, expected 1 or -1")
        if not (math.isfinite(self.label_mean) and math.isfinite(self.label_std) and self.label_std > 0):
            raise ValueError(
                f"label_mean {self.label_mean} and label_std {self.label_std}: expected finite numbers, "
                "the deviation above 0"
            )
        if self.activation == "softmax" and (self.label_mean, self.label_std) != (0.0, 1.0):
            raise ValueError("softmax follows the raw outputs: leave label_mean at 0 and label_std at 1")
        if self.filter is not None:
            low, high, order = self.filter
            if not (0 < low < high < math.inf and order >= 1 and int(order) == order):
                raise ValueError(
                    f"filter is {self.filter}, expected (low Hz, high Hz, order) with low < high"
                )

    def config(self) -> dict[str, int | float]:
        """The file's config values, but for the window."""
        low, high, order = self.filter or (0.0, 0.0, 0)
        return {
            "input.sampling_rate": float(self.sampling_rate),
            "input.hop": self.hop,
            "input.channels": self.channels,
            "input.polarity": self.polarity,
            "input.scaling": SCALINGS[self.scaling],
            "input.filter_low": float(low),
            "input.filter_high": float(high),
            "input.filter_order": int(order),
            "output.task": TASKS[self.task],
            "output.units": UNITS[str(self.units)],
            "output.mean": float(self.label_mean),
            "output.std": float(self.label_std),
            "output.activation": ACTIVATIONS[str(self.activation)],
        }


def to_ppgf(
    module: Model,
    path: str | os.PathLike[str],
    *,
    precision: str = "f32",
    note: str = "",
    selftest: ArrayLike | None = None,
    **contract: Any,
) -> None:
    """Writes `module` as a PPGF file.

    Parameters
    ----------
    module : any model; with several channels a gpt or tcn. Of a PaPaGei, the pooled patches take no part in a
        prediction.
    precision : "f32", or "s8": int8 weights, and activations rounded to int8 as they come.
    note : provenance: data, commit, licence. Shown to people, never parsed.
    selftest : (B, N, P), (B, L) or (B, channels, L) windows as a user would pass them, unscaled; stored with
        the answers of the scalar kernels, which every device must give bit for bit.
    contract : fields of `Contract`. With none, the file scales nothing and its outputs are the module's own.
    """
    stated = Contract(**contract)
    shape = module.config
    if shape.channels != stated.channels:
        raise ValueError(
            f"the model takes {shape.channels} channel(s) and the contract states {stated.channels}: "
            "state as many"
        )
    if shape.channels not in CHANNELS[shape.kind]:
        raise ValueError(
            f"the {shape.kind} takes {shape.channels} channels, and the core runs one of that kind with "
            f"{' or '.join(map(str, CHANNELS[shape.kind]))}"
        )
    if shape.kind == "streamgpt" and (stated.scaling != "none" or stated.hop % shape.patch):
        raise ValueError(
            f"scaling is {stated.scaling!r} and hop {stated.hop}: a streamgpt scales its patches itself and "
            f"answers at the end of one; state scaling='none' and a multiple of {shape.patch}"
        )
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    config = {
        "model.kind": KINDS[shape.kind],
        "model.precision": PRECISIONS[precision],
        "input.window": shape.n_patches * shape.patch,
        **{f"model.{name}": getattr(shape, name) for name in ("n_outputs", "n_patches", "patch")},
        **{f"model.{name}": getattr(shape, name) for name in SHAPES[shape.kind]},
        **stated.config(),
    }
    tensors = _tensors(module)
    if precision == "s8":
        tensors = quantize_tensors(shape.kind, tensors)
    if note:
        tensors["note"] = np.frombuffer(note.encode(), dtype=np.uint8)
    if selftest is not None:
        windows = np.array(selftest, dtype=np.float32)
        one = (
            (shape.n_patches, shape.patch)
            if shape.channels == 1
            else (shape.channels, shape.n_patches * shape.patch)
        )
        outputs = ppgfast.load(ppgf.dumps(config, tensors), isa="scalar").predict(windows)
        tensors["selftest.input"] = windows.reshape(-1, *one)
        tensors["selftest.output"] = outputs.reshape(-1, outputs.shape[-1])
    ppgf.write(path, config, tensors)


def _tensors(module: Model) -> dict[str, NDArray[Any]]:
    """Every weight under its name in the file. One that no rule knows is an error."""
    rules = TENSORS[module.config.kind]
    tensors: dict[str, NDArray[Any]] = {}
    for key, value in module.state_dict().items():
        rule = next((r for r in rules if re.fullmatch(r, key)), None)
        if rule is None:
            raise ValueError(
                f"no place in a {module.config.kind} file for the weight {key!r}: {tuple(value.shape)}"
            )
        name = rules[rule]
        if name is None:
            continue
        if not torch.isfinite(value).all():
            raise ValueError(f"weight {key!r} holds NaN or infinity: the training diverged, train again")
        name = re.sub(rule, name, key)
        name = re.sub(r"^(layer|block)\.(\d+)\.", lambda m: f"{m[1]}.{int(m[2]):02d}.", name)
        if value.dim() == 3:  # a convolution (out, in, taps): the core stores time first, so taps come first
            value = value.transpose(1, 2).flatten(1)
        tensors[name] = value.detach().cpu().numpy().astype(np.float32)
    return tensors
