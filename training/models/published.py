"""Published checkpoints under their own key names -> our modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .gpt import GPT, GPTConfig
from .interface import Model
from .mlp import MLP, MLPConfig
from .papagei import PaPaGei, PaPaGeiConfig

# Published name (a regular expression) -> our name, per kind.
GPT_KEYS = {
    r"gpt\.patch_embedding\.sep": "sep",
    r"gpt\.patch_embedding\.linear\.(\w+)": r"patch.\1",
    r"gpt\.gpt_layers\.(\d+)\.norm_1\.scale": r"layer.\1.attention.norm",
    r"gpt\.gpt_layers\.(\d+)\.norm_2\.scale": r"layer.\1.ffn.norm",
    r"gpt\.gpt_layers\.(\d+)\.attn\.attention\.rotary_embed\.freqs": r"layer.\1.attention.rotary",
    r"gpt\.gpt_layers\.(\d+)\.attn\.w_q\.(\w+)": r"layer.\1.attention.query.\2",
    r"gpt\.gpt_layers\.(\d+)\.attn\.w_k\.(\w+)": r"layer.\1.attention.key.\2",
    r"gpt\.gpt_layers\.(\d+)\.attn\.w_v\.(\w+)": r"layer.\1.attention.value.\2",
    r"gpt\.gpt_layers\.(\d+)\.attn\.w_concat\.(\w+)": r"layer.\1.attention.out.\2",
    r"gpt\.gpt_layers\.(\d+)\.ffn\.linear1\.(\w+)": r"layer.\1.ffn.up.\2",
    r"gpt\.gpt_layers\.(\d+)\.ffn\.linear2\.(\w+)": r"layer.\1.ffn.down.\2",
    r"gpt\.head\.(\w+)": r"generative.\1",
    r"norm1\.(\w+)": r"head.norm.\1",
    r"linear\.(\w+)": r"head.linear.\1",
}
MLP_KEYS = {
    r"network\.0\.(\w+)": r"hidden.\1",
    r"network\.1\.(\w+)": r"bn.\1",
    r"network\.4\.(\w+)": r"out.\1",
}
PAPAGEI_KEYS = {
    r"backbone\.first_block_conv\.conv\.(\w+)": r"conv.\1",
    r"backbone\.first_block_bn\.(\w+)": r"bn.\1",
    r"backbone\.basicblock_list\.(\d+)\.bn(\d)\.(\w+)": r"block.\1.bn_\2.\3",
    r"backbone\.basicblock_list\.(\d+)\.conv(\d)\.conv\.(\w+)": r"block.\1.conv_\2.\3",
    r"backbone\.final_bn\.(\w+)": r"final_bn.\1",
    r"backbone\.dense\.(\w+)": r"published_heads.embedding.\1",
    r"backbone\.expert_layers_(\d)\.(\d+)\.0\.(\w+)": r"published_heads.mixture_\1.up.\2.\3",
    r"backbone\.expert_layers_(\d)\.(\d+)\.[23]\.(\w+)": r"published_heads.mixture_\1.down.\2.\3",
    r"backbone\.gating_network_(\d)\.0\.(\w+)": r"published_heads.mixture_\1.gate.\2",
    r"classifier\.1\.(\w+)": r"classifier.hidden.\1",
    r"classifier\.4\.(\w+)": r"classifier.out.\1",
}


def rename(state: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Tensor]:
    """The state under our names, as tensors. A key that no rule knows is an error."""
    renamed = {}
    for key, value in state.items():
        name = key.removeprefix("module.")  # left by data-parallel training
        rule = next((r for r in keys if re.fullmatch(r, name)), None)
        if rule is None:
            raise ValueError(f"unknown key {key!r} in the published state: is it of another model kind?")
        renamed[re.sub(rule, keys[rule], name)] = torch.as_tensor(value).detach().clone()
    return renamed


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return len({match[1] for match in (re.match(pattern, key) for key in state) if match})


def _gpt_shape(state: Mapping[str, Tensor], config: dict[str, Any]) -> dict[str, Any]:
    d_model, width = state["patch.weight"].shape
    channels = config.get("channels", 1)
    n_outputs, flat = state["head.linear.weight"].shape
    return {
        "n_patches": flat // d_model - 1,
        "patch": width // channels,
        "n_outputs": n_outputs,
        "d_model": d_model,
        "n_layers": _count(state, r"layer\.(\d+)\."),
        "n_heads": d_model // (4 * len(state["layer.0.attention.rotary"])),
    }


def _mlp_shape(state: Mapping[str, Tensor], config: dict[str, Any]) -> dict[str, Any]:
    d_hidden, samples = state["hidden.weight"].shape
    patch = config.get("patch", 40)
    return {
        "n_patches": samples // (patch * config.get("channels", 1)),
        "n_outputs": len(state["out.weight"]),
        "d_hidden": d_hidden,
    }


def _papagei_shape(state: Mapping[str, Tensor], config: dict[str, Any]) -> dict[str, Any]:
    shape = {
        "n_outputs": len(state["classifier.out.weight"]),
        "base_filters": len(state["conv.weight"]),
        "n_blocks": _count(state, r"block\.(\d+)\."),
        "d_classifier": len(state["classifier.hidden.weight"]),
        "published_heads": "published_heads.embedding.weight" in state,
    }
    if shape["published_heads"]:
        shape["d_embedding"] = len(state["published_heads.embedding.weight"])
    return shape


KINDS = {
    "gpt": (GPT_KEYS, _gpt_shape, GPTConfig, GPT, {}),
    "mlp": (MLP_KEYS, _mlp_shape, MLPConfig, MLP, {}),
    "papagei": (
        PAPAGEI_KEYS,
        _papagei_shape,
        PaPaGeiConfig,
        PaPaGei,
        {"n_patches": 8, "patch_mode": "isolated"},
    ),
}


def from_published(kind: str, state: Mapping[str, Any], **config: Any) -> Model:
    """The module, in eval mode, of a published state dict.

    Parameters
    ----------
    kind : "gpt", "papagei" or "mlp".
    state : published key -> tensor or numpy array; every key is used, one too many is an error.
    config : what the weights' shapes do not tell: dropout; `channels`; the MLP's `patch` (40); PaPaGei's
        `n_patches` (8; it takes any number), `patch` (40) and `patch_mode` ("isolated", the published way).
        What they do tell may be given too and must agree.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}: expected one of {', '.join(KINDS)}")
    keys, infer, config_class, module_class, defaults = KINDS[kind]
    renamed = rename(state, keys)
    try:
        shape = infer(renamed, config)
    except KeyError as missing:
        raise ValueError(f"the published {kind} state lacks the weight we call {missing}") from None
    for name in shape.keys() & config.keys():
        if shape[name] != config[name]:
            raise ValueError(f"{name}={config[name]} was given, the weights say {shape[name]}")
    module = module_class(config_class(**{**defaults, **config, **shape}))
    for name, weight in module.state_dict().items():
        if name not in renamed:
            raise ValueError(f"the published {kind} state lacks the weight we call {name!r}")
        if renamed[name].shape != weight.shape:
            found, expected = tuple(renamed[name].shape), tuple(weight.shape)
            raise ValueError(f"the weight we call {name!r} has shape {found}, expected {expected}")
    module.load_state_dict(renamed)
    return module.eval()
