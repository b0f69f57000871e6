"""Prepared windows as training sees them: who trains and who tests, scaled inputs, standardised targets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from torch import Tensor

from training.config import ConfigError, Split
from training.data import windows as window_sets
from training.data.signal import resample, scale
from training.data.splits import subject_folds, subject_split
from training.data.windows import WindowSet
from training.losses import Task
from training.models import from_channels
from training.tracker import LOWEST, STEP, summary

PARTS = ("train", "validation", "test")
N_OUTPUTS = {"hr": 1, "af": 2}
BINS = 96  # of a heart rate's distribution: 30 to 220 bpm in steps of 2
TURNED = np.array([[-1], [1], [1], [1]], np.float32)  # polarity is the PPG's alone
CHUNK = 4096  # windows hashed or predicted at a time


@dataclass(frozen=True)
class Parts:
    """Indices of the windows of each part; no subject is in two of them."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def open_windows(folders: Sequence[Path], channels: int = 1, any_task: bool = False) -> WindowSet:
    """One set of the windows of all prepared folders; with `any_task`, of whatever task they are.

    channels: 1 leaves the accelerometer out, 4 has it in g, and at rest in a set that was recorded without.
    """
    sets = [with_channels(window_sets.load(folder), channels) for folder in folders]
    return sets[0] if len(sets) == 1 else window_sets.concatenate(sets, any_task)


def with_channels(windows: WindowSet, channels: int) -> WindowSet:
    """The windows with exactly the signals that a model of so many channels takes."""
    known, acc = windows.manifest["units"]["acc"], windows.acc
    if channels == 1:
        acc, units = None, ""
    elif acc is None:
        acc, units = np.broadcast_to(np.float32(0), (len(windows), 3, windows.window)), "g"
    elif known != "g":
        raise ConfigError(
            f"{windows.manifest['dataset']} has its accelerometer in '{known}', expected g; set channels=1"
        )
    else:
        units = "g"
    manifest = {**windows.manifest, "units": {**windows.manifest["units"], "acc": units}}
    return replace(windows, acc=acc, manifest=manifest)


def subject_names(windows: WindowSet) -> list[str]:
    """`dataset/subject` for each entry of manifest["subjects"]: a person has one name in every run."""
    dataset, names = windows.manifest["dataset"], windows.manifest["subjects"]
    # A set joined from several data sets names its subjects in this way already.
    return list(names) if "+" in dataset else [f"{dataset}/{name}" for name in names]


def subjects_of(windows: WindowSet, rows: NDArray) -> list[str]:
    """Sorted names of the subjects that the windows `rows` belong to."""
    names = subject_names(windows)
    return sorted(names[k] for k in np.unique(windows.subject[rows]))


def split(windows: WindowSet, config: Split) -> Parts:
    """Train, validation and test windows by subject: shares of all windows, or one fold as the test.

    Each data set is split apart, so its subjects fall to the same parts whatever it is joined with; so are
    subjects with and without af, so that each part has both if there are enough of them.
    """
    pieces = [_split_group(windows, rows, config) for rows in _groups(windows, max(4, config.folds))]
    parts = Parts(*(np.sort(np.concatenate(part)) for part in zip(*pieces, strict=True)))
    check_disjoint({name: subjects_of(windows, getattr(parts, name)) for name in PARTS})
    return parts


def _groups(windows: WindowSet, least: int) -> list[NDArray[np.int64]]:
    """Windows of each data set; where it is labelled for af, of subjects with it and of the others, unless
    either has fewer than `least` subjects."""
    owner = np.array([name.partition("/")[0] for name in subject_names(windows)])[windows.subject]
    groups: list[NDArray[np.int64]] = []
    for rows in (np.flatnonzero(owner == dataset) for dataset in np.unique(owner)):
        label, subject = windows.label[rows], windows.subject[rows]
        for_af = np.isfinite(label).any() and np.isin(label[np.isfinite(label)], (0, 1)).all()
        affected = np.isin(subject, np.unique(subject[label == 1])) & for_af
        halves = [rows[affected], rows[~affected]]
        enough = all(len(np.unique(windows.subject[half])) >= least for half in halves)
        groups += halves if enough else [rows]
    return groups


def _split_group(windows: WindowSet, rows: NDArray, config: Split) -> list[NDArray[np.int64]]:
    """Train, validation and test windows among `rows`."""
    share, subject = config.validation, windows.subject
    if not config.folds:
        shares = (1 - share - config.test, share, config.test)
        return [rows[part] for part in subject_split(subject[rows], shares, config.seed)]
    folds = subject_folds(subject[rows], config.folds, config.seed)
    rest = rows[np.concatenate([fold for k, fold in enumerate(folds) if k != config.fold])]
    inner = subject_split(subject[rest], (1 - share, share), config.seed)
    return [*(rest[part] for part in inner), rows[folds[config.fold]]]


def check_disjoint(subjects: dict[str, list[str]]) -> None:
    """Raise AssertionError if a subject is in two parts: a result on such a split would be worth nothing."""
    seen: dict[str, str] = {}
    for part, names in subjects.items():
        for name in names:
            if name in seen:
                raise AssertionError(f"subject {name} is in {seen[name]} and in {part}")
            seen[name] = part


def check_unseen(seen: Iterable[str], test: Iterable[str], source: str) -> None:
    """Raise ConfigError if a model that learned from subjects `seen` would be tested on some of them."""
    both = sorted(set(seen) & set(test))
    if both:
        more = f" and {len(both) - 1} more" if len(both) > 1 else ""
        raise ConfigError(
            f"{source} learned from {both[0]}{more}, held out for the test here; "
            "use the split (split.*) that it was trained with"
        )


def labelled(windows: WindowSet, rows: NDArray, part: str) -> NDArray[np.int64]:
    """The windows among `rows` that have a label; ConfigError if none has."""
    known = rows[np.isfinite(windows.label[rows])]
    if not len(known):
        raise ConfigError(
            f"no {part} window of {windows.manifest['dataset']} has a label; "
            "try another split.seed, or prepare data with labels"
        )
    return known


def fingerprints(windows: WindowSet) -> dict[str, str]:
    """Hashes of the signals, of which window is whose and when, and of the labels."""
    signal = sha256(json.dumps([windows.sampling_rate, windows.window]).encode())
    for piece in chunks(np.arange(len(windows))):
        signal.update(np.ascontiguousarray(signals(windows, piece)).tobytes())
    label = sha256(np.ascontiguousarray(windows.label).tobytes())
    return {"signal": signal.hexdigest(), "rows": rows_hash(windows), "label": label.hexdigest()}


def rows_hash(windows: WindowSet) -> str:
    """Hash of subject, record and start (to 1 ms) of each window: how they were prepared does not matter."""
    digest = sha256(json.dumps([subject_names(windows), windows.manifest["records"]]).encode())
    milliseconds = np.rint(windows.t_start * 1000).astype(np.int64)
    for array in (windows.subject, windows.record, milliseconds):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def chunks(rows: NDArray, size: int = CHUNK) -> Iterator[NDArray]:
    """Consecutive pieces of at most `size` rows."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


@dataclass(frozen=True)
class Targets:
    """Labels <-> what the network is asked for: standardised bpm or a distribution over bins (hr), or the
    class (af). Bin k stands for mean + std * k bpm."""

    task: str
    mean: float = 0.0
    std: float = 1.0
    bins: int = 0  # 0 = no distribution

    @staticmethod
    def fit(task: str, labels: NDArray, head: str = "value") -> Targets:
        """Standardisation by training labels; bins and classes are always the same."""
        if task not in N_OUTPUTS:
            raise ConfigError(f"the data have task {task!r}; expected {' or '.join(N_OUTPUTS)}")
        if task == "af":
            if len(np.unique(labels)) < 2:
                raise ConfigError("all training windows have one class; try another split.seed, or add data")
            return Targets("af")
        if head == "bins":
            return Targets("hr", LOWEST, STEP, BINS)
        std = float(np.std(labels, dtype=np.float64))
        return Targets("hr", float(np.mean(labels, dtype=np.float64)), std if std > 1e-3 else 1.0)

    @staticmethod
    def stated(contract: Mapping[str, Any]) -> Targets:
        """Those of a model that states this contract."""
        bins = BINS if contract.get("activation") == "distribution" else 0
        return Targets(contract["task"], contract["label_mean"], contract["label_std"], bins)

    @property
    def kind(self) -> Task:
        """What the losses are asked to compare."""
        return "bins" if self.bins else "af" if self.task == "af" else "hr"

    @property
    def n_outputs(self) -> int:
        """Outputs of a network for these targets."""
        return self.bins or N_OUTPUTS.get(self.task, 1)

    def encode(self, label: NDArray) -> Tensor:
        """Labels (B,) as float32 targets; NaN stays NaN."""
        return torch.from_numpy(np.asarray((label - self.mean) / self.std, dtype=np.float32))

    def decode(self, raw: NDArray) -> NDArray[np.float32]:
        """Raw outputs (B, C) as bpm, or as the probability of af: (B,)."""
        if self.bins:
            return summary(self.distribution(raw), self.mean, self.std)[:, 0].astype(np.float32)
        if self.task == "hr":
            return (raw[:, 0] * self.std + self.mean).astype(np.float32)
        return expit(raw[:, 1] - raw[:, 0]).astype(np.float32)

    def distribution(self, raw: NDArray) -> NDArray[np.float32]:
        """Raw outputs (B, K) as chances of the bins."""
        return softmax(raw, axis=-1).astype(np.float32)


def signals(windows: WindowSet, rows: NDArray) -> NDArray[np.float32]:
    """Windows `rows`: (B, L), or with the accelerometer (B, 4, L), the PPG first."""
    if windows.acc is None:
        return windows.ppg[rows]
    return np.concatenate((windows.ppg[rows][:, None], windows.acc[rows]), axis=1)


def to_tensor(x: NDArray, scaling: str, device: torch.device, patch: int = 40) -> Tensor:
    """Windows, each scaled by itself, as float32 on `device`: (B, L) stay so, (B, 4, L) become patches.

    The accelerometer's axes stay in g and lose their mean over the window.
    """
    if x.ndim == 2:
        return torch.from_numpy(np.ascontiguousarray(scale(x, scaling))).to(device)
    motion = x[:, 1:] - x[:, 1:].mean(-1, keepdims=True)
    both = np.concatenate((scale(x[:, 0], scaling)[:, None], motion), axis=1, dtype=np.float32)
    return from_channels(torch.from_numpy(both), patch).to(device)  # (B, N, 4*P)


def n_patches(windows: WindowSet, patch: int) -> int:
    """Patches in a window; ConfigError if they do not fill it."""
    if windows.window % patch:
        raise ConfigError(
            f"a window of {windows.window} samples is no multiple of model.patch = {patch}; change it"
        )
    return windows.window // patch


def contract(windows: WindowSet, scaling: str, targets: Targets) -> dict[str, Any]:
    """What a model states about its input and output: the keywords of `training.export.to_ppgf`."""
    manifest = windows.manifest
    band = manifest["filter"]
    activation = {"bins": "distribution", "af": "softmax"}.get(targets.kind, "none")
    return {
        "sampling_rate": windows.sampling_rate,
        "hop": manifest["hop"],
        "polarity": manifest["polarity"],
        "filter": [band["low"], band["high"], band["order"]] if band["order"] else None,
        "scaling": scaling,
        "task": targets.task,
        "label_mean": targets.mean,
        "label_std": targets.std,
        "channels": 1 if windows.acc is None else 4,
        "activation": activation,
    }


def contract_of(meta: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The contract in a checkpoint's meta; ConfigError if it states none."""
    if "contract" not in meta:
        raise ConfigError(
            f"{path} states no contract, so its input is unknown; save it with meta['contract']"
        )
    return meta["contract"]


def as_contracted(windows: WindowSet, rows: NDArray, stated: Mapping[str, Any]) -> NDArray[np.float32]:
    """Windows `rows`, (B, L) or (B, 4, L), with the channels, the sampling rate and the polarity that a model
    states, not yet scaled.

    A rate of 0 is not stated. The band stays that of the windows: what a filter took out does not come back.
    """
    alone = stated.get("channels", 1) == 1
    x = windows.ppg[rows] if alone else signals(windows, rows)
    if stated["sampling_rate"] not in (0, windows.sampling_rate):
        x = resample(x, windows.sampling_rate, stated["sampling_rate"])
    if stated["polarity"] != windows.manifest["polarity"]:
        x = x * (-1 if alone else TURNED)
    return np.ascontiguousarray(x, dtype=np.float32)
