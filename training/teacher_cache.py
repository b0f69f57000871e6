"""Teacher outputs, computed once and kept on disk: all that `distill` needs of a teacher.

A store is a folder: `prediction.npy` float32 (n, C), bpm for hr, logits for af; `feature.npy` (n, d) and
`patches.npy` (n, N, d), float16 or float32; `manifest.json`. Row i belongs to window i of the data set whose
`rows` hash the manifest names. Any program can write one with `write_store`, also for a teacher that is no
torch module, or one of which only some of the three are known.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray
from rich.console import Console
from scipy.special import log_softmax
from torch import Tensor

from training import sources
from training.config import ConfigError
from training.data.windows import WindowSet
from training.inputs import Targets, as_contracted, chunks, fingerprints, rows_hash, to_tensor
from training.models import Model, Outputs
from training.progress import Bar, bar, write_json
from training.sources import joined

KIND = "ppgfast teacher outputs"
VERSION = 1
MANIFEST = "manifest.json"
NAMES = {"prediction": 2, "feature": 2, "patches": 3}  # array -> its dimensions
BATCH = 256


@dataclass(frozen=True)
class Store:
    """Teacher outputs of n windows, memory-mapped; None where the teacher says nothing."""

    folder: Path
    manifest: dict[str, Any]
    prediction: NDArray[np.float32] | None
    feature: NDArray | None
    patches: NDArray | None

    @property
    def widths(self) -> tuple[int, int]:
        """Widths of feature and patch vectors, 1 where there are none."""
        return (
            1 if self.feature is None else self.feature.shape[-1],
            1 if self.patches is None else self.patches.shape[-1],
        )

    @property
    def identity(self) -> str:
        """Hash of whose outputs these are and of which windows."""
        decisive = {key: self.manifest[key] for key in ("task", "teacher", "shapes", "rows", "signal")}
        return sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def outputs(self, rows: NDArray, device: torch.device) -> Outputs:
        """Float32 tensors of the windows `rows`; zeros of width 1 where the teacher says nothing."""

        def take(array: NDArray | None, missing: tuple[int, ...]) -> Tensor:
            values = np.zeros(missing, np.float32) if array is None else np.asarray(array[rows], np.float32)
            return torch.from_numpy(values).to(device)

        return Outputs(
            take(self.prediction, (len(rows), 1)),
            take(self.feature, (len(rows), 1)),
            take(self.patches, (len(rows), 1, 1)),
        )


def is_store(folder: Path) -> bool:
    """Whether the folder claims to hold teacher outputs."""
    try:
        return json.loads((folder / MANIFEST).read_text()).get("kind") == KIND
    except (OSError, ValueError, AttributeError):
        return False


def open_store(folder: Path, windows: WindowSet | None = None) -> Store:
    """A finished store, checked against the windows it is to be used with.

    Raises ConfigError if it is damaged or belongs to other windows.
    """
    if not is_store(folder):
        raise ConfigError(f"{folder} holds no teacher outputs (a {MANIFEST} with kind '{KIND}')")
    manifest = json.loads((folder / MANIFEST).read_text())
    if manifest.get("version") != VERSION:
        raise ConfigError(
            f"{folder}: teacher outputs of version {manifest.get('version')}, expected {VERSION}"
        )
    arrays: dict[str, NDArray | None] = dict.fromkeys(NAMES)
    for name, shape in manifest["shapes"].items():
        path = folder / f"{name}.npy"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ConfigError(
                f"{path} is missing or damaged ({error}); delete the folder to compute it again"
            ) from None
        if list(array.shape) != shape:
            raise ConfigError(
                f"{path} has shape {array.shape}, its manifest says {tuple(shape)}; delete the folder"
            )
        arrays[name] = array
    if windows is not None and rows_hash(windows) != manifest["rows"]:
        raise ConfigError(
            f"{folder} holds outputs for {manifest['n']} other windows than the {len(windows)} given "
            "(subjects, records or times differ); use the data it was computed on"
        )
    return Store(folder, manifest, **arrays)


def ensemble(stores: Mapping[Path, Store]) -> Store:
    """Several teachers as one: the mean of their predictions, and the vectors of the first.

    Of classes and of bins the log-probabilities are averaged, of heart rates the bpm. The first may have
    vectors alone. Raises ConfigError, by the teachers' paths, for predictions that are missing or of other
    widths.
    """
    first, *others = stores.items()
    if not others:
        return first[1]
    each = {path: store.prediction for path, store in stores.items()}
    if each[first[0]] is None:
        del each[first[0]]
    for path, prediction in each.items():
        if prediction is None:
            raise ConfigError(f"ensemble: {path} holds no prediction; leave it out")
    widths = {path: prediction.shape[1] for path, prediction in each.items() if prediction is not None}
    if len(set(widths.values())) > 1:
        kinds = {1: "one value", 2: "two classes"}
        said = ", ".join(f"{path}: {kinds.get(n, f'{n} bins')}" for path, n in widths.items())
        raise ConfigError(f"ensemble: the teachers' heads differ ({said}); train them with the same head")
    values = [np.asarray(prediction) for prediction in each.values()]
    if values[0].shape[1] > 1:
        values = [log_softmax(logits, axis=1) for logits in values]
    return replace(first[1], prediction=np.mean(values, axis=0, dtype=np.float32))


def write_store(
    folder: Path | str,
    windows: WindowSet,
    outputs: Iterable[Mapping[str, NDArray]],
    task: str,
    teacher: Mapping[str, Any] | None = None,
    dtype: DTypeLike = np.float16,
) -> Store:
    """Write the outputs for all windows, batch after batch in their order, and open the store.

    outputs: mappings with what is known of `prediction` (B, C), `feature` (B, d) and `patches` (B, N, d).
    Predictions are heart rates in bpm (B, 1) or (B,), logits of bins (B, 96) or of af (B, 2).
    task: of the predictions, "hr" or "af"; "none" without.
    teacher: what is known of the teacher; key `subjects` lists those it learned from, `data` names their
    dataset, licence and citation, which else are "not stated".
    The folder appears complete or not at all; what a killed writer left is never read and goes with the next.
    Raises ConfigError if it exists, or for outputs that do not fit the windows.
    """
    folder = Path(folder)
    if folder.exists():
        raise ConfigError(f"{folder} exists; delete it first, or name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    partial.mkdir()
    try:
        arrays: dict[str, NDArray] = {}
        done = 0
        for batch in outputs:
            if not batch or not batch.keys() <= set(NAMES):
                raise ConfigError(
                    f"{folder}: outputs are {sorted(batch)}, expected some of {', '.join(NAMES)}"
                )
            for name, given in batch.items():
                values = given[:, None] if name == "prediction" and given.ndim == 1 else given
                if values.ndim != NAMES[name]:
                    raise ConfigError(
                        f"{folder}: {name} has shape {given.shape}, expected {NAMES[name]} dimensions, "
                        "windows first"
                    )
                if name not in arrays:
                    kind = np.dtype(np.float32 if name == "prediction" else dtype)
                    shape = (len(windows), *values.shape[1:])
                    arrays[name] = open_memmap(partial / f"{name}.npy", mode="w+", dtype=kind, shape=shape)
                _put(arrays[name], done, values, name)
            done += len(next(iter(batch.values())))
        if done != len(windows):
            raise ConfigError(f"{folder}: the teacher gave {done} rows for {len(windows)} windows")
        for array in arrays.values():
            array.flush()  # type: ignore[attr-defined]
        manifest = {
            "kind": KIND,
            "version": VERSION,
            "n": len(windows),
            "task": task,
            "teacher": dict(teacher or {}),
            "shapes": {name: list(array.shape) for name, array in arrays.items()},
            **fingerprints(windows),
        }
        write_json(partial / MANIFEST, manifest)
        try:
            partial.rename(folder)
        except OSError:
            # A run beside this one finished the same store first; its content is the same.
            if not is_store(folder):
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return open_store(folder)


def teacher_outputs(
    module: Model,
    meta: Mapping[str, Any],
    windows: WindowSet,
    cache: Path,
    tap: str = "last",
    dtype: str = "float16",
    device: torch.device | None = None,
    console: Console | None = None,
) -> Store:
    """The store of a teacher's outputs, from the cache or computed now.

    meta: of the teacher's checkpoint: `contract` (its input and output), `subjects`. The windows are
    resampled, scaled and turned as the contract says. The key is the hash of windows, weights, contract, tap.
    """
    known = fingerprints(windows)
    teacher = {
        "weights": weights_hash(module),
        "contract": meta["contract"],
        "tap": tap,
        "subjects": sorted(sources.people(meta)),
    }
    decisive = [VERSION, known["signal"], known["rows"], teacher, dtype]
    key = sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:20]
    folder = cache / key
    if is_store(folder):
        return open_store(folder, windows)
    with bar(console, "teacher outputs", len(windows)) as progress:
        outputs = _compute(module, meta["contract"], windows, tap, device or torch.device("cpu"), progress)
        told = {**teacher, "data": joined(sources.stated(meta))}
        return write_store(folder, windows, outputs, meta["contract"]["task"], told, dtype)


def weights_hash(module: Model) -> str:
    """Hash of a module's config and every tensor of its state."""
    digest = sha256(json.dumps(asdict(module.config), sort_keys=True).encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _compute(
    module: Model,
    contract: Mapping[str, Any],
    windows: WindowSet,
    tap: str,
    device: torch.device,
    progress: Bar,
) -> Iterable[dict[str, NDArray]]:
    """Batches of outputs in the order of the windows; predictions in bpm (hr) or logits (bins, af)."""
    targets = Targets.stated(contract)
    was_training = module.training
    module.to(device).eval()
    try:
        for rows in chunks(np.arange(len(windows)), BATCH):
            x = as_contracted(windows, rows, contract)
            try:
                with torch.no_grad():
                    answer = module(to_tensor(x, contract["scaling"], device, module.config.patch), tap=tap)
            except ValueError as error:
                raise ConfigError(f"the teacher cannot use these windows: {error}") from None
            batch = {name: value.float().cpu().numpy() for name, value in answer._asdict().items()}
            if targets.kind == "hr":
                batch["prediction"] = targets.decode(batch["prediction"])[:, None]
            progress.advance(len(rows))
            yield batch
    finally:
        module.train(was_training)


def _put(array: NDArray, start: int, values: NDArray, name: str) -> None:
    """Write rows and see that they fit and are still numbers in the store's precision."""
    if values.shape[1:] != array.shape[1:] or start + len(values) > len(array):
        raise ConfigError(
            f"teacher {name} has shape {values.shape} at row {start} of a store of {array.shape}"
        )
    with np.errstate(over="ignore"):
        array[start : start + len(values)] = values
    if not np.isfinite(array[start : start + len(values)]).all():
        raise ConfigError(
            f"teacher {name} is not finite in {array.dtype}; check the teacher, or cache_dtype=float32"
        )


def _remove_abandoned(folder: Path) -> None:
    """Delete half-written folders of this store whose writer is gone."""
    for partial in folder.parent.glob(f".{folder.name}.*.partial"):
        found = re.fullmatch(r".*\.(\d+)\.partial", partial.name)
        if found and not _runs(int(found[1])):
            shutil.rmtree(partial, ignore_errors=True)


def _runs(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
