"""Model names -> modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .gpt import GPT, GPTConfig
from .interface import Model
from .mlp import MLP, Linear, LinearConfig, MLPConfig
from .papagei import PaPaGei, PaPaGeiConfig
from .streamgpt import StreamGPT, StreamGPTConfig
from .tcn import TCN, TCNConfig

KINDS: dict[str, tuple[type, type[Model]]] = {
    "gpt": (GPTConfig, GPT),
    "papagei": (PaPaGeiConfig, PaPaGei),
    "tcn": (TCNConfig, TCN),
    "streamgpt": (StreamGPTConfig, StreamGPT),
    "mlp": (MLPConfig, MLP),
    "linear": (LinearConfig, Linear),
}

# GPT weights used at inference for N = 8 and one output: 18,943,489, 998,913, 253,697 and 52,769.
PRESETS: dict[str, dict[str, Any]] = {
    "gpt19m": {"kind": "gpt", "d_model": 512, "n_layers": 6, "n_heads": 8},
    "gpt1m": {"kind": "gpt", "d_model": 128, "n_layers": 5, "n_heads": 4},
    "gpt250k": {"kind": "gpt", "d_model": 64, "n_layers": 5, "n_heads": 4},
    "gpt50k": {"kind": "gpt", "d_model": 32, "n_layers": 4, "n_heads": 4},
    "papagei": {"kind": "papagei"},
    "tcn5k": {"kind": "tcn"},  # 4,993 weights for one output
    "stream50k": {"kind": "streamgpt"},  # 52,001 for one output
    "mlp": {"kind": "mlp"},
    "linear": {"kind": "linear"},
}
NAMES = tuple(PRESETS)
STREAMING = tuple(name for name, shape in PRESETS.items() if shape["kind"] == "streamgpt")


def build(
    name: str, *, n_patches: int, patch: int = 40, n_outputs: int = 1, channels: int = 1, **overrides: Any
) -> Model:
    """A fresh model in training mode; the torch seed decides its weights.

    `overrides` change fields of the preset's config, e.g. ``build("gpt1m", n_patches=8, n_layers=3)``.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown model {name!r}: expected one of {', '.join(NAMES)}")
    shape = {"n_patches": n_patches, "patch": patch, "n_outputs": n_outputs, "channels": channels}
    return from_config({**PRESETS[name], **shape, **overrides})


def from_config(config: Mapping[str, Any]) -> Model:
    """A fresh model of a config dict: `kind` and the fields of that kind's config, as `asdict` gives them."""
    kind = config.get("kind")
    if kind not in KINDS:
        raise ValueError(f"unknown model kind {kind!r}: expected one of {', '.join(KINDS)}")
    config_class, module_class = KINDS[kind]
    known = [field.name for field in fields(config_class)]
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no option of a {kind} model: expected {', '.join(known)}")
    for field in fields(config_class):
        value = config.get(field.name)
        if field.type == "int" and (type(value) is not int or value < 1) and field.name in config:
            raise ValueError(f"{field.name} is {value!r}, expected a positive whole number")
    return module_class(config_class(**config))
