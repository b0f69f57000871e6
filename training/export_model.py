"""export: a checkpoint becomes one PPGF file with its whole contract, provenance and a self test.

In int8 it is calibrated first, and both the answer and the file's note say how far it is from float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import ppgfast
from training import checkpoint
from training.config import ConfigError, ExportConfig
from training.data.errors import DataError
from training.export import to_ppgf
from training.inputs import Targets, as_contracted, contract_of, open_windows, subject_names, to_tensor
from training.models import Model
from training.quantize_aware import as_int8
from training.quantize_calibrate import calibrated
from training.runs import find_checkpoint
from training.sources import joined, people, stated, use_of

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
    largest_difference: float | None  # bpm or probability; the median in int8; None without windows
    int8_change: str = ""  # how far an int8 file is from float32, in words


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
    out = config.out or default_file(config, source)
    windows = held_out(config, meta, stated)
    float_module = module
    step = max(1, len(windows) // config.selftest) if config.selftest else 1

    def write(change: str = "") -> ppgfast.Model:
        to_ppgf(
            module,
            out,
            precision=config.precision,
            note=provenance(meta, "\n".join(text for text in (change, config.note) if text)),
            selftest=windows[::step][: config.selftest] if len(windows) else None,
            **{**stated, "filter": stated["filter"] and tuple(stated["filter"])},
        )
        return ppgfast.load(out)

    change = ""
    try:
        if config.precision == "s8":
            module = in_int8(config, module, meta, stated)
        out.parent.mkdir(parents=True, exist_ok=True)
        model = write()
    except ValueError as error:
        raise ConfigError(f"{source} cannot be exported: {error}") from None
    difference = None
    if len(windows):
        difference = largest_difference(module, stated, model, windows)
        if config.precision == "s8":
            change = int8_change(float_module, stated, model, windows)
            model = write(change)
    return Exported(out, out.stat().st_size, model.info["parameters"], len(windows), difference, change)


def default_file(config: ExportConfig, source: Path) -> Path:
    """Where a file goes that nobody gave a name."""
    ending = ".ppgf" if config.precision == "f32" else f"-{config.precision}.ppgf"
    return (
        config.model / f"model{ending}" if config.model.is_dir() else source.with_name(source.stem + ending)
    )


def in_int8(config: ExportConfig, module: Model, meta: Mapping[str, Any], stated: Mapping[str, Any]) -> Model:
    """A copy of `module` that computes as its int8 file will."""
    if not config.calibration or meta.get("verb") == "quantize":
        return as_int8(deepcopy(module))
    learned = set(meta.get("subjects", {}).get("train", ()))
    windows = windows_of(config, meta, stated, learned.__contains__, "calibration", config.calibration)
    return calibrated(module, tensor_of(windows, module, stated))


def held_out(config: ExportConfig, meta: Mapping[str, Any], stated: Mapping[str, Any]) -> NDArray[np.float32]:
    """Up to COMPARED windows (n, L) of subjects that the model did not learn from, none with `selftest` 0.

    They are at the rate and polarity of its contract.
    """
    if not config.selftest:
        return np.empty((0, 0), np.float32)
    learned = people(meta)
    return windows_of(config, meta, stated, lambda name: name not in learned, "self test", COMPARED)


def windows_of(
    config: ExportConfig,
    meta: Mapping[str, Any],
    stated: Mapping[str, Any],
    wanted: Callable[[str], bool],
    purpose: str,
    most: int,
) -> NDArray[np.float32]:
    """Up to `most` windows, spread evenly, of the subjects that are wanted."""
    key = purpose.replace(" ", "")
    folders = config.data or tuple(Path(folder) for folder in meta.get("data", {}).get("folders", ()))
    try:
        windows = open_windows(folders, stated.get("channels", 1))
    except DataError as error:
        raise ConfigError(f"no windows for the {purpose} ({error}); give --data, or --set {key}=0") from None
    chosen = np.array([wanted(name) for name in subject_names(windows)])
    rows = np.flatnonzero(chosen[windows.subject])
    if not len(rows):
        every = "every" if purpose == "self test" else "no"
        raise ConfigError(
            f"the model learned from {every} subject of the data; give other --data, or --set {key}=0"
        )
    rows = rows[:: max(1, len(rows) // most)][:most]
    return as_contracted(windows, rows, stated)


def largest_difference(
    module: Model, stated: Mapping[str, Any], model: ppgfast.Model, windows: NDArray[np.float32]
) -> float:
    """Between torch and the core, in the output's units; ExportError if it is more than rounding.

    In int8 it is the median, since a last bit may move an activation of a window by a whole step.
    """
    each = np.abs(differences(module, stated, model, windows))
    difference = float(np.median(each) if model.info["precision"] == "s8" else each.max())
    if not difference <= TOLERANCE * max(1.0, Targets.stated(stated).std):
        raise ExportError(
            f"the file's answers differ from torch's by {difference:g}: do not use it, and report this"
        )
    return difference


def int8_change(
    module: Model, stated: Mapping[str, Any], model: ppgfast.Model, windows: NDArray[np.float32]
) -> str:
    """What an int8 file answers, against its module in float32, in words."""
    each = np.abs(differences(module, stated, model, windows))
    unit = {"hr": " bpm", "af": " of probability"}[stated["task"]]
    return (
        f"int8 against float32 on {len(windows)} windows: mean change {each.mean():.2g}{unit}, "
        f"largest {each.max():.2g}"
    )


def differences(
    module: Model, stated: Mapping[str, Any], model: ppgfast.Model, windows: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The core's answer less torch's for each window, in the output's units."""
    with torch.no_grad():
        raw = module(tensor_of(windows, module, stated)).prediction.numpy()
    column = 1 if stated["task"] == "af" else 0
    return model.predict(windows)[:, column] - Targets.stated(stated).decode(raw)


def tensor_of(windows: NDArray[np.float32], module: Model, stated: Mapping[str, Any]) -> Tensor:
    """Windows at the contract's rate and polarity as the module takes them."""
    return to_tensor(windows, stated["scaling"], torch.device("cpu"), module.config.patch)


def provenance(meta: Mapping[str, Any], text: str = "") -> str:
    """What a reader of the file should know: model, training, data with licence and citation, threshold."""
    data, subjects = joined(stated(meta)), meta.get("subjects", {})
    lines = [
        f"{meta.get('model', 'model')} for {meta['contract']['task']}, ppgfast {meta.get('verb', '')}",
        f"config {meta['config_hash'][:16]}, seed {meta['seed']}" if "config_hash" in meta else "",
        f"data: {data['dataset']}, {data['licence']}; {data['citation']}" if meta.get("data") else "",
        f"use: {use_of(data['licence'])}" if meta.get("data") else "",
        "subjects: " + ", ".join(f"{len(names)} {part}" for part, names in subjects.items())
        if subjects
        else "",
        f"threshold of the probability: {meta['threshold']:.6g}" if meta.get("threshold") is not None else "",
        text,
    ]
    return "\n".join(line for line in lines if line)
