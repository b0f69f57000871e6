"""Checkpoints: weights as safetensors, the model's config and what is known about it as JSON beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch

from training.models import Model, from_config


class CheckpointError(ValueError):
    """A checkpoint that cannot be loaded; the message names the file, what is wrong and the fix."""


def paths(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """The two files of a checkpoint, from either of them or from their common name without a suffix."""
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    return stem.with_name(stem.name + ".safetensors"), stem.with_name(stem.name + ".json")


def save(path: str | os.PathLike[str], module: Model, meta: Mapping[str, Any] | None = None) -> None:
    """Writes `<path>.safetensors` and `<path>.json`; each file is replaced as a whole.

    `meta` is anything JSON holds: task, label statistics, input contract, provenance.
    """
    weights_path, json_path = paths(path)
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    weights = safetensors.torch.save(state)
    about = {
        "config": asdict(module.config),
        "meta": dict(meta or {}),
        "weights_sha256": sha256(weights).hexdigest(),
    }
    text = json.dumps(about, indent=2, sort_keys=True, allow_nan=False) + "\n"
    weights_path.parent.mkdir(parents=True, exist_ok=True)
    _replace(weights_path, weights)
    _replace(json_path, text.encode())


def load(path: str | os.PathLike[str]) -> tuple[Model, dict[str, Any]]:
    """The module of a checkpoint, in eval mode, and its meta.

    Raises
    ------
    FileNotFoundError : one of the two files is missing.
    CheckpointError : they do not belong together, are damaged, or hold no model of this version.
    """
    weights_path, json_path = paths(path)
    for file in (weights_path, json_path):
        if not file.is_file():
            raise FileNotFoundError(
                f"there is no {file}: a checkpoint is a .safetensors and a .json of one name, "
                "as `python -m training finetune` writes them"
            )
    weights = weights_path.read_bytes()
    try:
        about = json.loads(json_path.read_bytes())
        config, meta, digest = about["config"], about["meta"], about["weights_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{json_path} does not describe a checkpoint ({error}): save it again"
        ) from None
    if sha256(weights).hexdigest() != digest:
        raise CheckpointError(
            f"{weights_path} is not the file that {json_path.name} describes: copy both again"
        )
    try:
        module = from_config(config)
        module.load_state_dict(safetensors.torch.load(weights))
    except (ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{json_path} and its weights give no model ({reason}): train it again"
        ) from None
    return module.eval(), meta


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
