"""export: a checkpoint becomes one PPGF file with its whole contract, provenance and a self test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import ppgfast
from training import checkpoint
from training.config import ConfigError, ExportConfig
from training.data.errors import DataError
from training.export import to_ppgf
from training.inputs import Targets, as_contracted, contract_of, open_windows, subject_names, to_tensor
from training.models import Model
from training.runs import find_checkpoint

# Torch and the core round differently; in units of the raw output, one order above what was seen.
TOLERANCE = 1e-4
COMPARED = 256  # windows on which both are compared


class ExportError(RuntimeError):
    """The written file does not answer as the checkpoint does."""


@dataclass(frozen=True)
class Exported:
    """A written model file."""

    path: Path
    bytes: int
    parameters: int
    compared: int  # windows on which torch and the core were compared
    largest_difference: float | None  # in the output's units, bpm or probability; None without windows


def export(config: ExportConfig) -> Exported:
    """Write the file, open it with the C++ core and compare its answers with torch's.

    Raises ConfigError for a checkpoint without contract or data, ExportError if the answers differ.
    """
    source = find_checkpoint(config.model)
    module, meta = checkpoint.load(source)
    stated = contract_of(meta, source)
    if stated["task"] not in ("hr", "af") or meta.get("verb") == "pretrain":
        raise ConfigError(
            f"{source} was pretrained only and predicts nothing yet; finetune or distil it first"
        )
    out = config.out or (
        config.model / "model.ppgf" if config.model.is_dir() else source.with_suffix(".ppgf")
    )
    windows = held_out(config, meta, stated)
    step = max(1, len(windows) // config.selftest) if config.selftest else 1
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        to_ppgf(
            module,
            out,
            note=provenance(meta, config.note),
            selftest=windows[::step][: config.selftest] if len(windows) else None,
            **{**stated, "filter": stated["filter"] and tuple(stated["filter"])},
        )
    except ValueError as error:
        raise ConfigError(f"{source} cannot be exported: {error}") from None
    model = ppgfast.load(out)
    difference = largest_difference(module, stated, model, windows) if len(windows) else None
    return Exported(out, out.stat().st_size, model.info["parameters"], len(windows), difference)


def held_out(config: ExportConfig, meta: Mapping[str, Any], stated: Mapping[str, Any]) -> NDArray[np.float32]:
    """Up to COMPARED windows (n, L) of subjects that the model did not learn from, none with `selftest` 0.

    They are at the rate and polarity of its contract.
    """
    if not config.selftest:
        return np.empty((0, 0), np.float32)
    folders = config.data or tuple(Path(folder) for folder in meta.get("data", {}).get("folders", ()))
    try:
        windows = open_windows(folders, stated.get("channels", 1))
    except DataError as error:
        raise ConfigError(
            f"no windows for the self test ({error}); give --data, or --set selftest=0"
        ) from None
    learned = {*meta["subjects"]["train"], *meta["subjects"]["validation"]} if "subjects" in meta else set()
    fresh = np.array([name not in learned for name in subject_names(windows)])
    rows = np.flatnonzero(fresh[windows.subject])
    if not len(rows):
        raise ConfigError(
            "the model learned from every subject of the data; give other --data, or --set selftest=0"
        )
    rows = rows[:: max(1, len(rows) // COMPARED)][:COMPARED]
    return as_contracted(windows, rows, stated)


def largest_difference(
    module: Model, stated: Mapping[str, Any], model: ppgfast.Model, windows: NDArray[np.float32]
) -> float:
    """Between torch and the core, in the output's units; ExportError if it is more than rounding."""
    targets = Targets.stated(stated)
    with torch.no_grad():
        x = to_tensor(windows, stated["scaling"], torch.device("cpu"), module.config.patch)
        raw = module(x).prediction.numpy()
    column = 1 if stated["task"] == "af" else 0
    difference = float(np.abs(targets.decode(raw) - model.predict(windows)[:, column]).max())
    if not difference <= TOLERANCE * max(1.0, targets.std):
        raise ExportError(
            f"the file's answers differ from torch's by {difference:g}: do not use it, and report this"
        )
    return difference


def provenance(meta: Mapping[str, Any], text: str = "") -> str:
    """What a reader of the file should know: model, training, data with licence and citation, threshold."""
    data, subjects = meta.get("data", {}), meta.get("subjects", {})
    lines = [
        f"{meta.get('model', 'model')} for {meta['contract']['task']}, ppgfast {meta.get('verb', '')}",
        f"config {meta['config_hash'][:16]}, seed {meta['seed']}" if "config_hash" in meta else "",
        f"data: {data['dataset']}, {data['licence']}; {data['citation']}" if data else "",
        "subjects: " + ", ".join(f"{len(names)} {part}" for part, names in subjects.items())
        if subjects
        else "",
        f"threshold of the probability: {meta['threshold']:.6g}" if meta.get("threshold") is not None else "",
        text,
    ]
    return "\n".join(line for line in lines if line)
