"""A prepared data set: windows with labels, subjects and a manifest, in memory and as a folder."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

MANIFEST = "manifest.json"
FORMAT_VERSION = 1

# name: (dtype, axes after the first). L is the window, a wildcard here.
ARRAYS: dict[str, tuple[type, tuple[int | str, ...]]] = {
    "ppg": (np.float32, ("L",)),
    "acc": (np.float32, (3, "L")),
    "label": (np.float32, ()),
    "subject": (np.int32, ()),
    "t_start": (np.float64, ()),
    "record": (np.int32, ()),
    "activity": (np.int16, ()),
}
OPTIONAL = ("acc", "activity")

# What must be equal in sets that are joined: the input contract of a model trained on them.
CONTRACT = ("task", "sampling_rate", "window", "hop", "filter", "polarity", "units")


@dataclass(frozen=True, kw_only=True)
class WindowSet:
    """n windows of L samples at `sampling_rate` Hz, not scaled.

    ppg (n, L) float32, arbitrary units; acc (n, 3, L) float32 or None; label (n,) float32: bpm for task
    `hr`, 0 or 1 for `af`, NaN = unlabelled; subject (n,) int32, index into manifest["subjects"]; t_start (n,)
    float64, seconds from the start of the record; record (n,) int32, index into manifest["records"]; activity
    (n,) int16, key of manifest["activities"] (a string there), -1 = unknown, or None; manifest as `prepare`
    writes it.
    """

    ppg: NDArray[np.float32]
    label: NDArray[np.float32]
    subject: NDArray[np.int32]
    t_start: NDArray[np.float64]
    record: NDArray[np.int32]
    manifest: dict[str, Any]
    acc: NDArray[np.float32] | None = None
    activity: NDArray[np.int16] | None = None

    def __post_init__(self) -> None:
        for name, (dtype, axes) in ARRAYS.items():
            value = getattr(self, name)
            if value is None and name in OPTIONAL:
                continue
            sizes = (len(self.label), *(self.ppg.shape[-1] if axis == "L" else axis for axis in axes))
            if not isinstance(value, np.ndarray) or value.dtype != dtype or value.shape != sizes:
                found = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else repr(value)
                raise DataError(
                    f"{name} is {found}, expected {np.dtype(dtype)} {sizes}: prepare the set again"
                )

    def __len__(self) -> int:
        return len(self.label)

    @property
    def sampling_rate(self) -> float:
        """Hz."""
        return float(self.manifest["sampling_rate"])

    @property
    def window(self) -> int:
        """Samples per window."""
        return int(self.ppg.shape[-1])

    @property
    def labelled(self) -> NDArray[np.int64]:
        """Indices of the windows that have a label."""
        return np.flatnonzero(np.isfinite(self.label))

    def arrays(self) -> dict[str, NDArray]:
        """The arrays that are there, by name."""
        return {name: value for name in ARRAYS if (value := getattr(self, name)) is not None}

    def subset(self, indices: np.ndarray | Sequence[int]) -> "WindowSet":
        """The windows at `indices`, in that order; subjects and records keep their numbers and names."""
        chosen: dict[str, Any] = {name: np.asarray(value[indices]) for name, value in self.arrays().items()}
        counts = count(chosen["label"], chosen["subject"], self.manifest["subjects"])
        return replace(self, **chosen, manifest={**self.manifest, "counts": counts})

    def save(self, folder: Path | str) -> None:
        """Write the set into `folder`, which is replaced as a whole or not at all."""
        with replacing(Path(folder)) as partial:
            for name, value in self.arrays().items():
                np.save(partial / f"{name}.npy", value)
            write_manifest(partial, self.manifest)


def load(folder: Path | str, mmap: bool = True) -> WindowSet:
    """Open a prepared data set; with `mmap`, windows are read from disk when they are used.

    Raises DataError if the folder is no prepared data set, was written by a later version, or an array is
    missing, cut short or does not fit the others.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    arrays: dict[str, Any] = {}
    for name in ARRAYS:
        path = folder / f"{name}.npy"
        if name in OPTIONAL and not path.exists():
            continue
        try:
            # Small arrays are read whole: only windows are worth mapping.
            mapped = mmap and name in ("ppg", "acc")
            arrays[name] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} is missing or damaged ({error}): prepare the data set again") from error
    return WindowSet(**arrays, manifest=manifest)


def concatenate(sets: Sequence[WindowSet], any_task: bool = False) -> WindowSet:
    """One set of all windows, in order; subjects and records are named `dataset/name` if data sets differ.

    Sets prepared without labels (task "none") join any task. With `any_task` the sets may be labelled for
    different tasks; the joined set then states task "none".
    Raises DataError for an empty list, or for sets with a different input contract (task, rate, window, hop,
    filter, polarity, units) or only some of which have an accelerometer.
    """
    if not sets:
        raise DataError("no data sets to join: give at least one prepared folder")
    if any_task:
        sets = [replace(s, manifest=_with_task(s.manifest, "none", "none")) for s in sets]
    labelled = next((s.manifest for s in sets if s.manifest["task"] != "none"), None)
    if labelled is not None:
        task, units = labelled["task"], labelled["units"]["label"]
        sets = [
            replace(s, manifest=_with_task(s.manifest, task, units)) if s.manifest["task"] == "none" else s
            for s in sets
        ]
    first = sets[0].manifest
    for other in sets[1:]:
        for key in CONTRACT:
            if other.manifest[key] != first[key]:
                raise DataError(
                    f"{first['dataset']} has {key} {first[key]!r}, {other.manifest['dataset']} has "
                    f"{other.manifest[key]!r}: prepare both with the same config"
                )
    with_acc = [s.manifest["dataset"] for s in sets if s.acc is not None]
    if 0 < len(with_acc) < len(sets):
        raise DataError(f"only {', '.join(with_acc)} has an accelerometer: prepare all with acc = false")

    mixed = len({s.manifest["dataset"] for s in sets}) > 1
    subjects, subject = _merge(sets, "subjects", "subject", mixed)
    records, record = _merge(sets, "records", "record", mixed)
    activities, activity = _merge_activities(sets)
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(s, name) for s in sets])
        for name in ("ppg", "label", "t_start", *(("acc",) if with_acc else ()))
    }
    manifests = [s.manifest for s in sets]
    digest = sha256("".join(m["source"]["sha256"] for m in manifests).encode()).hexdigest()
    manifest = {
        **first,
        "dataset": "+".join(dict.fromkeys(m["dataset"] for m in manifests)),
        "licence": "; ".join(dict.fromkeys(m["licence"] for m in manifests)),
        "citation": "; ".join(dict.fromkeys(m["citation"] for m in manifests)),
        "source": {"sha256": digest, "parts": [m["source"] for m in manifests]},
        "config": [m["config"] for m in manifests],
        "dropped": {key: sum(m["dropped"][key] for m in manifests) for key in first["dropped"]},
        "subjects": subjects,
        "records": records,
        "activities": activities,
        "counts": count(joined["label"], subject, subjects),
    }
    return WindowSet(**joined, subject=subject, record=record, activity=activity, manifest=manifest)


class ArrayWriter:
    """An .npy file that grows along its first axis, for arrays larger than memory."""

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self._path, self._dtype, self._shape, self.rows = path, np.dtype(dtype), shape, 0
        path.touch()
        self.finish()

    def append(self, rows: np.ndarray) -> None:
        """rows (k, *shape) of the dtype."""
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(rows, dtype=self._dtype).tobytes())
        self.rows += len(rows)

    def finish(self) -> None:
        """State the number of rows in the header; numpy pads it so that the first axis can grow in place."""
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self.rows, *self._shape),
        }
        with self._path.open("r+b") as file:
            np.lib.format.write_array_header_1_0(file, header)


def count(label: np.ndarray, subject: np.ndarray, subjects: Sequence[str]) -> dict[str, Any]:
    """Windows and labelled windows, in all and of each subject; with 0/1 labels also the positive ones."""
    groups = {"windows": np.ones(len(label), dtype=bool), "labelled": np.isfinite(label)}
    if np.isin(label[groups["labelled"]], (0, 1)).all() and groups["labelled"].any():
        groups["positive"] = label == 1
    per_subject = {key: np.bincount(subject[mask], minlength=len(subjects)) for key, mask in groups.items()}
    return {
        **{key: int(mask.sum()) for key, mask in groups.items()},
        "per_subject": {
            name: {key: int(values[k]) for key, values in per_subject.items()}
            for k, name in enumerate(subjects)
            if per_subject["windows"][k]
        },
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """manifest.json of a prepared folder; DataError if there is none or a later version wrote it."""
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["format_version"]
    except FileNotFoundError:
        raise DataError(f"{folder} holds no {MANIFEST}: give a folder that `prepare` wrote") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read ({error}): prepare the data set again") from error
    if version != FORMAT_VERSION:
        raise DataError(f"{path} has format {version}, expected {FORMAT_VERSION}: prepare the data set again")
    return manifest


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    text = json.dumps({"format_version": FORMAT_VERSION, **manifest}, indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` that takes its place when the block ends without an error.

    Only an empty folder or one that holds a manifest is replaced: DataError otherwise, before any work.
    """
    ours = (folder / MANIFEST).exists()
    if folder.exists() and not ours and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError(f"{folder} exists and is no prepared data set: give a new folder, or empty this one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.partial")
    partial.mkdir()
    try:
        yield partial
        if folder.exists():
            # rename() cannot replace a folder that has files: move the old one aside first.
            old = partial.with_suffix(".old")
            folder.rename(old)
            partial.rename(folder)
            shutil.rmtree(old)
        else:
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _with_task(manifest: dict[str, Any], task: str, units: str) -> dict[str, Any]:
    return {**manifest, "task": task, "units": {**manifest["units"], "label": units}}


def _merge(
    sets: Sequence[WindowSet], names: str, index: str, mixed: bool
) -> tuple[list[str], NDArray[np.int32]]:
    """One list of names for all sets, and each window's index into it."""
    numbers: dict[str, int] = {}
    indices = []
    for s in sets:
        prefix = f"{s.manifest['dataset']}/" if mixed else ""
        table = [numbers.setdefault(prefix + name, len(numbers)) for name in s.manifest[names]]
        indices.append(np.asarray(table, dtype=np.int32)[getattr(s, index)])
    return list(numbers), np.concatenate(indices)


def _merge_activities(sets: Sequence[WindowSet]) -> tuple[dict[str, str], NDArray[np.int16] | None]:
    """Activities of equal name get one code; a set without activities is unknown (-1) throughout."""
    if all(s.activity is None for s in sets):
        return {}, None
    codes: dict[str, int] = {}
    parts = []
    for s in sets:
        part = np.full(len(s), -1, dtype=np.int16)
        if s.activity is not None:
            for old, name in s.manifest["activities"].items():
                part[s.activity == int(old)] = codes.setdefault(name, len(codes))
        parts.append(part)
    return {str(code): name for name, code in codes.items()}, np.concatenate(parts)
