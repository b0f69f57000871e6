"""The folder of a training run: what was asked, who is in which part, how it went.

`run.json` is written at the start, `best.safetensors` and `best.json` hold the best epoch, `log.csv` and
`tensorboard/` the course, `result.json` the end. `state.pt` (engine) is there while the run is unfinished.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training import checkpoint, engine, sources
from training.config import PATHS, ConfigError, ModelConfig, Training, digest
from training.data.windows import WindowSet
from training.inputs import (
    PARTS,
    Parts,
    Targets,
    check_unseen,
    contract,
    fingerprints,
    labelled,
    n_patches,
    open_windows,
    split,
    subjects_of,
)
from training.models import NAMES, STREAMING, Model, build
from training.progress import write_json
from training.sequences import Sequences

RUN, RESULT, BEST = "run.json", "result.json", "best.safetensors"
# Heads depend on task and window length, so a checkpoint to start from may have others.
HEADS = ("head.", "classifier.", "out.", "generative.")


@dataclass(frozen=True)
class RunResult:
    """How a run ended; `validation` holds the numbers of the best epoch."""

    folder: Path
    verb: str
    best_epoch: int
    epochs: int
    steps: int
    stopped: str  # "epochs" or "patience"
    validation: dict[str, float]
    history: tuple[dict[str, float], ...]  # the rows of log.csv

    @property
    def checkpoint(self) -> Path:
        """Weights and meta of the best epoch."""
        return self.folder / BEST


@dataclass(frozen=True)
class Run:
    """A run that is being made."""

    verb: str
    config: Training
    windows: WindowSet
    parts: Parts
    targets: Targets
    device: torch.device
    record: dict[str, Any]  # run.json
    fresh: bool = False  # delete what the folder holds

    @property
    def folder(self) -> Path:
        return self.config.out

    @property
    def contract(self) -> dict[str, Any]:
        """What the run's models state about input and output."""
        streams = self.config.model.name in STREAMING  # and so scales patch by patch
        return contract(self.windows, "none" if streams else self.config.scaling, self.targets)

    @property
    def sequences(self) -> Sequences:
        """What the run's models learn from: single windows, or for those of streams several as one signal."""
        if self.config.model.name not in STREAMING:
            return Sequences(self.windows)
        if self.config.sequence > 1 and self.config.augment.time_scale > 1:
            raise ConfigError("augment.time_scale plays single windows; set sequence=1, or time_scale=1")
        return Sequences(self.windows, self.config.sequence)

    def rows(self, part: str) -> np.ndarray:
        """The labelled windows of a part."""
        return labelled(self.windows, getattr(self.parts, part), part)

    def network(self) -> Model:
        """The model that the config asks for, fresh or from `model.init`, on the run's device."""
        return new_network(self.config.model, self.windows, self.targets.n_outputs).to(self.device)

    def best(self) -> Model:
        """The module of the best epoch, on the run's device."""
        return checkpoint.load(self.folder / BEST)[0].to(self.device)

    @property
    def result(self) -> RunResult | None:
        """How the run ended, if it is over."""
        path = self.folder / RESULT
        if self.fresh or not path.exists():
            return None
        values = json.loads(path.read_text())
        return RunResult(self.folder, **{**values, "history": tuple(values["history"])})

    def start(self) -> None:
        """Write run.json, unless the run goes on; to be called when nothing can be wrong with the config."""
        if self.fresh:
            _clear(self.folder)
        if not (self.folder / RUN).exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self.folder / RUN, self.record)

    def meta(self, threshold: float | None = None) -> dict[str, Any]:
        """What a checkpoint of this run says of itself."""
        return {
            "verb": self.verb,
            "model": self.config.model.name,
            "contract": self.contract,
            "subjects": self.record["subjects"],
            "inherited": self.record.get("inherited", []),
            "data": self.record["data"],
            "sources": self.record["sources"],
            "config_hash": self.record["config_hash"],
            "seed": self.config.seed,
            "threshold": threshold,
        }

    def save_best(self, module: Model, threshold: float | None = None) -> None:
        """Write the best checkpoint."""
        checkpoint.save(self.folder / BEST, module, self.meta(threshold))

    def finish(self, fit: engine.Fit, validation: dict[str, float]) -> RunResult:
        """Write the result; the state, of no more use and the largest file, goes."""
        values: dict[str, Any] = {
            "verb": self.verb,
            "best_epoch": fit.best_epoch,
            "epochs": fit.epochs,
            "steps": fit.steps,
            "stopped": fit.stopped,
            "validation": validation,
            "history": fit.history,
        }
        write_json(self.folder / RESULT, values)
        (self.folder / engine.STATE).unlink(missing_ok=True)
        return RunResult(self.folder, **values)


def begin(
    verb: str,
    config: Training,
    fresh: bool = False,
    teacher: str | None = None,
    learned: Sequence[Mapping[str, Any]] = (),
) -> Run:
    """Open the data, split the subjects, and see that the folder is free or holds this very run.

    teacher: hash of the teachers that the run learns from; learned: what each says of itself (`sources`).
    Nothing is written before `Run.start`.
    Raises ConfigError if the folder holds something else; `fresh` lets `start` delete another run.
    """
    windows = open_windows(config.data, config.channels, any_task=verb == "pretrain")
    parts = split(windows, config.split)
    start: dict[str, Any] = {}
    if config.model.init is not None and verb != "quantize":  # whose source has said what it learned from
        start = checkpoint.load(find_checkpoint(config.model.init))[1]
        learned = (start, *learned)
    record = _record(verb, config, windows, parts, teacher, learned)
    if start.get("verb") != "pretrain":  # which hears no label
        check_unseen(sources.people(start), record["subjects"]["test"], str(config.model.init))
    if (config.out / RUN).exists():
        if not fresh:
            _check_same_run(read_run(config.out), record, config.out)
    elif config.out.exists() and (not config.out.is_dir() or any(config.out.iterdir())):
        raise ConfigError(f"--out {config.out} exists and holds no run; name a new folder")
    if verb == "pretrain":
        targets = Targets(windows.manifest["task"])
    else:
        labels = windows.label[labelled(windows, parts.train, "train")]
        targets = Targets.fit(windows.manifest["task"], labels, config.head)
    return Run(verb, config, windows, parts, targets, engine.pick_device(config.device), record, fresh)


def new_network(config: ModelConfig, windows: WindowSet, n_outputs: int) -> Model:
    """A model for these windows; ConfigError for an unknown name or shape."""
    if config.name not in NAMES:
        raise ConfigError(f"model.name = '{config.name}': unknown; expected one of {', '.join(NAMES)}")
    try:
        module = build(
            config.name,
            n_patches=n_patches(windows, config.patch),
            patch=config.patch,
            n_outputs=n_outputs,
            channels=1 if windows.acc is None else 4,
            **config.overrides,
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model: {error}") from None
    if config.init is not None:
        start_from(module, find_checkpoint(config.init))
    return module


def start_from(module: Model, path: Path) -> None:
    """Take every weight of a checkpoint that fits; only heads may differ.

    A checkpoint for PPG alone can start a model with accelerometer: its weights for motion begin at zero.
    """
    source, _ = checkpoint.load(path)
    state, mine = source.state_dict(), module.state_dict()
    if source.config.channels == 1 < module.config.channels:
        for name in {"patch.weight", "stem.weight"} & state.keys():
            known = state[name]  # (d, P) or (d, 1, taps): the PPG comes first
            state[name] = torch.zeros_like(mine[name])
            state[name][tuple(slice(size) for size in known.shape)] = known
    for name, tensor in mine.items():
        if name in state and state[name].shape == tensor.shape:
            mine[name] = state[name]
        elif not name.startswith(HEADS):
            found = tuple(state[name].shape) if name in state else "missing"
            raise ConfigError(
                f"{path}: '{name}' is {found}, expected {tuple(tensor.shape)}; "
                "set model.name and model.overrides as the checkpoint was built"
            )
    module.load_state_dict(mine)


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a run folder or a `.safetensors` path means."""
    found = path / BEST if path.is_dir() else path
    if not found.exists():
        known = "a run folder with best.safetensors, or a .safetensors file"
        raise ConfigError(f"{path}: no checkpoint there; give {known} (a teacher may be a store too)")
    return found


def read_run(folder: Path) -> dict[str, Any]:
    """run.json of a run folder; ConfigError if there is none."""
    try:
        return json.loads((folder / RUN).read_text())
    except (OSError, ValueError):
        raise ConfigError(
            f"{folder} is no run folder (no readable {RUN}); give the --out of a training verb"
        ) from None


def _record(
    verb: str,
    config: Training,
    windows: WindowSet,
    parts: Parts,
    teacher: str | None,
    learned: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    hashes = fingerprints(windows)
    manifest = windows.manifest
    subjects = {name: subjects_of(windows, getattr(parts, name)) for name in PARTS}
    heard = {name for each in learned if each.get("verb") != "pretrain" for name in sources.people(each)}
    return {
        "verb": verb,
        "config": config.model_dump(mode="json"),
        "config_hash": digest(config),
        "data": {
            "folders": [str(folder.resolve()) for folder in config.data],
            "dataset": manifest["dataset"],
            "licence": manifest["licence"],
            "citation": manifest["citation"],
            "source": manifest["source"],
            **hashes,
        },
        "teacher": teacher,
        "sources": sources.joined(manifest, *map(sources.stated, learned)),
        "subjects": subjects,
        "inherited": sorted(heard.difference(subjects["train"], subjects["validation"])),
        "windows": {name: len(getattr(parts, name)) for name in PARTS},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "threads": torch.get_num_threads(),
        },
    }


def _check_same_run(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """ConfigError that names the difference, unless both records are of the same run."""
    differences = []
    if old["verb"] != new["verb"]:
        differences.append(f"a {old['verb']} run")
    differences += [
        f"other data ({key})" for key in ("signal", "rows", "label") if old["data"][key] != new["data"][key]
    ]
    if old["subjects"] != new["subjects"]:
        differences.append("another split")
    if old["teacher"] != new["teacher"]:
        differences.append("another teacher")
    # The hash leaves out defaults, so what both record is compared too: a default may have been another one.
    before, after = _flat(old["config"]), _flat(new["config"])
    changed = [key for key in after if before.get(key, after[key]) != after[key] and key not in PATHS]
    differences += [f"{key} was {before[key]}, now {after[key]}" for key in changed]
    if old["config_hash"] != new["config_hash"] and not changed:
        only = ", ".join(sorted(before.keys() ^ after.keys())) or "written by an earlier version"
        differences.append(f"other settings: {only}")
    if differences:
        what = "; ".join(differences[:3])
        raise ConfigError(f"--out {folder} holds another run ({what}); name a new folder or pass --fresh")


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _clear(folder: Path) -> None:
    """Delete what a run wrote, and nothing else."""
    if not (folder / RUN).exists():
        return
    for name in (engine.STATE, engine.LOG, RESULT, BEST, "best.json", RUN):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)
