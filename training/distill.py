"""distill: a student learns from labels and from what a frozen teacher made of the same windows.

Four tiers (losses.py): labels, the teacher's outputs, its signal-level features, its patch vectors
(morphology and rhythm). The teacher runs once over the data; after that only its stored outputs are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from training import checkpoint, engine
from training.augment import Augmenter
from training.config import ConfigError, DistillConfig
from training.data.windows import WindowSet
from training.finetune import finish, monitor, numbers
from training.inputs import (
    BINS,
    Targets,
    check_unseen,
    chunks,
    contract_of,
    open_windows,
    rows_hash,
    signals,
    to_tensor,
)
from training.losses import DistillationLoss, bin_logits
from training.models import Model, Outputs, widths
from training.runs import Run, RunResult, begin, find_checkpoint
from training.sequences import Sequences
from training.sources import people
from training.teacher_cache import (
    Store,
    ensemble,
    is_store,
    open_store,
    teacher_outputs,
    weights_hash,
)
from training.time_scale import Copies
from training.tracker import LOWEST, STEP

NEEDED = {
    "prediction": ("prediction",),
    "feature": ("feature",),
    "patches": ("morphology", "rhythm"),
}  # stored array -> losses that need it
STATISTICS_ROWS = 4096


def distill(config: DistillConfig, console: Console | None = None, fresh: bool = False) -> RunResult:
    """Train a student on the training subjects' windows; returns how it went.

    Continues the run in `config.out` if it was cut off, and returns its result if it is over.
    Raises ConfigError for a teacher that does not fit the windows or learned from their test subjects.
    """
    identity, learned = teacher_identity(config)
    run = begin("distill", config, fresh, identity, learned)
    if run.result:
        return run.result
    teacher, *of_copies = open_teacher(config, run, console)
    with engine.reproducible(config.seed, run.device):
        learner = Distillation(run, config, teacher, of_copies)
        run.start()
        fit = engine.fit(learner, config.optimiser, config.seed, run.folder, run.device, console)
        return finish(run, fit, learner.validation)


def teacher_identity(config: DistillConfig) -> tuple[str, list[Mapping[str, Any]]]:
    """Hash of the teachers, so that a run that goes on notices others, and what each says of itself."""
    identities, learned = zip(*map(_identity, teachers(config)), strict=True)
    return "+".join(identities), list(learned)


def teachers(config: DistillConfig) -> tuple[Path, ...]:
    """The teacher, and those whose predictions are averaged with its own."""
    asked = (config.teacher, *config.ensemble)
    if twice := [path for k, path in enumerate(asked) if path in asked[:k]]:
        raise ConfigError(f"ensemble: {twice[0]} is there twice; each teacher counts once")
    if config.ensemble and not config.losses.prediction:
        raise ConfigError("ensemble averages predictions, and losses.prediction is 0; leave one of them out")
    return asked


def _identity(teacher: Path) -> tuple[str, Mapping[str, Any]]:
    if is_store(teacher):
        store = open_store(teacher)
        return store.identity, store.manifest["teacher"]
    module, meta = checkpoint.load(find_checkpoint(teacher))
    return weights_hash(module), meta


def open_teacher(config: DistillConfig, run: Run, console: Console | None = None) -> list[Store]:
    """The teacher's stored outputs for the run's windows, given, cached or computed now.

    With `augment.time_scale` those for each copy of the windows follow. Raises ConfigError for a teacher that
    learned from the run's test subjects.
    """
    each = {teacher: _stores(teacher, config, run, console) for teacher in teachers(config)}
    stores = [ensemble(dict(zip(each, of_copy, strict=True))) for of_copy in zip(*each.values(), strict=True)]
    for array, names in NEEDED.items():
        asked = [f"losses.{name}=0" for name in names if getattr(config.losses, name) > 0]
        if getattr(stores[0], array) is None and asked:
            raise ConfigError(f"{config.teacher} holds no {array}; set {' and '.join(asked)}")
    return stores


def _stores(teacher: Path, config: DistillConfig, run: Run, console: Console | None) -> list[Store]:
    """One teacher's outputs: for the windows as they are, then for each copy."""
    if is_store(teacher):
        if config.augment.time_scale > 1:
            raise ConfigError(
                f"{teacher} holds answers for the windows as they are; with a store "
                "augment.time_scale must be 1, or give the teacher itself"
            )
        stores = [open_store(teacher, run.windows)]
    else:
        stores = computed(teacher, config, run, console)
    store = stores[0]
    if store.prediction is not None:
        check_task(store.manifest["task"], teacher, run)
    check_unseen(people(store.manifest["teacher"]), run.record["subjects"]["test"], str(teacher))
    return stores


def check_task(task: str, teacher: Path, run: Run) -> None:
    if task != run.targets.task:
        raise ConfigError(f"{teacher}: a teacher for {task}, the data are for {run.targets.task}")


def computed(teacher: Path, config: DistillConfig, run: Run, console: Console | None) -> list[Store]:
    """The outputs of a teacher that is a checkpoint, from the cache or computed now."""
    module, meta = checkpoint.load(find_checkpoint(teacher))
    contract = contract_of(meta, teacher)
    check_task(contract["task"], teacher, run)
    windows = run.windows
    # A teacher may hear the accelerometer that its student does without.
    if config.teacher_data or module.config.channels != config.channels:
        windows = open_windows(config.teacher_data or config.data, module.config.channels)
        if rows_hash(windows) != rows_hash(run.windows):
            raise ConfigError(
                "teacher_data holds other windows than data; prepare both with the same window and hop"
            )
    sets = [windows]
    if (copies := copies_of(config, windows)) is not None:
        sets += [copies.windows(copy) for copy in range(1, 1 + copies.number)]
    cache = config.cache or config.out.parent / "teacher_outputs"
    tap, dtype = config.taps.teacher, config.cache_dtype
    return [teacher_outputs(module, meta, each, cache, tap, dtype, run.device, console) for each in sets]


def copies_of(config: DistillConfig, windows: WindowSet) -> Copies | None:
    """The copies at other speeds that the config asks for."""
    largest = config.augment.time_scale
    return Copies(windows, largest, config.copies) if largest > 1 else None


def align(student: Outputs, teacher: Outputs, mask: Tensor) -> tuple[Outputs, Outputs, Tensor]:
    """Both with the same number of patches: the finer ones are averaged over each of the coarser.

    mask (B, N of the student) follows: a patch counts if any part of it does.
    """
    n_student, n_teacher = student.patches.shape[1], teacher.patches.shape[1]
    n = min(n_student, n_teacher)
    if max(n_student, n_teacher) % n:
        raise ConfigError(
            f"the student has {n_student} patches, the teacher {n_teacher}: "
            "one must be a multiple of the other, see model.patch"
        )

    def pooled(x: Tensor) -> Tensor:
        return x.unflatten(1, (n, -1)).mean(2)  # (B, n, d)

    student = student._replace(patches=pooled(student.patches))
    teacher = teacher._replace(patches=pooled(teacher.patches))
    return student, teacher, mask.unflatten(1, (n, -1)).any(2) if n_student > n else mask


class Distillation:
    """Training of a student and of the maps between its vectors and the teacher's."""

    def __init__(
        self, run: Run, config: DistillConfig, teacher: Store, of_copies: Sequence[Store] = ()
    ) -> None:
        self.run, self.config, self.teacher = run, config, teacher
        self.stores = (teacher, *of_copies)
        self.copies = copies_of(config, run.windows)
        self.sequences = run.sequences
        self.rows = self.sequences.starts(run.parts.train if config.unlabelled else run.rows("train"))
        self.validation = run.rows("validation")
        self.monitor = monitor(run)
        self.augmenter = Augmenter(config.augment, run.windows, self.sequences)
        self.student: Model = run.network()
        try:
            criterion = DistillationLoss(
                run.targets.kind,
                widths(self.student, config.taps.student),
                teacher.widths,
                config.losses.model_dump(),
                temperature=config.tau,
                patch_temperature=config.tau_c,
                adapter=config.adapter,
            )
        except ValueError as error:  # a tap or an adapter that these two models cannot have
            raise ConfigError(f"distill: {error}") from None
        self.fit_teacher_statistics(criterion)
        self.criterion = criterion.to(run.device)
        self.module = nn.ModuleDict({"student": self.student, "criterion": self.criterion})

    def fit_teacher_statistics(self, criterion: DistillationLoss) -> None:
        """Mean and deviation of the teacher's vectors, over training windows spread evenly."""
        step = max(1, len(self.rows) // STATISTICS_ROWS)
        known = self.teacher.outputs(self.rows[::step], torch.device("cpu"))
        criterion.fit(known.feature, known.patches)

    def loss(self, rows: NDArray, rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        if self.copies is None:
            signal, label = self.augmenter(rows, rng)
            return self._loss(self.sequences.members(rows), signal, label)
        copy = rng.integers(len(self.stores), size=len(rows))
        signal, label = self.copies.play(rows, copy)
        return self._loss(rows, self.augmenter.change(signal, rng), label, copy)

    def validate(self) -> dict[str, float]:
        found = numbers(self.run, self.student, self.validation)
        windows = self.run.windows
        for piece in chunks(self.validation, 512):
            total, terms = self._loss(piece, signals(windows, piece), windows.label[piece])
            for name, term in {"total": total, **terms}.items():
                found[name] = found.get(name, 0.0) + term.item() * len(piece) / len(self.validation)
        return found

    def save_best(self) -> None:
        self.run.save_best(self.student)

    def _loss(
        self, rows: NDArray, signal: NDArray, label: NDArray, copy: NDArray | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        run, sequences = self.run, Sequences(self.run.windows, len(rows) // len(signal))
        config = self.student.config
        x = to_tensor(signal, run.config.scaling, run.device, config.patch)  # (B, L) or (B, N, 4*P)
        answer = sequences.answers(self.student, x, self.config.taps.student)
        answer = Outputs(*(part.float() for part in answer))
        x = sequences.cut(x)
        patches = x.reshape(len(x), config.n_patches, -1)[..., : config.patch]  # (B, N, P), the PPG's
        mask = patches.amax(-1) > patches.amin(-1)  # (B, N), flat patches have no shape to learn
        target = run.targets.encode(label).to(run.device)
        answer, known, mask = align(answer, self._targets(rows, copy), mask)
        return self.criterion(answer, known, target, mask)

    def _known(self, rows: NDArray, copy: NDArray | None) -> Outputs:
        """The teacher's outputs for the windows `rows` as they are, or for copy (B,) of them."""
        if copy is None:
            return self.teacher.outputs(rows, self.run.device)
        order = np.argsort(copy, kind="stable")
        parts = [
            store.outputs(rows[order[copy[order] == k]], self.run.device)
            for k, store in enumerate(self.stores)
        ]
        back = torch.from_numpy(np.argsort(order)).to(self.run.device)
        return Outputs(*(torch.cat(part)[back] for part in zip(*parts, strict=True)))

    def _targets(self, rows: NDArray, copy: NDArray | None = None) -> Outputs:
        """The teacher's outputs with heart rates in the student's units: standardised, or logits of bins."""
        known = self._known(rows, copy)
        targets, prediction = self.run.targets, known.prediction
        if targets.task == "hr" and prediction.shape[1] == BINS and not targets.bins:
            bpm = Targets("hr", LOWEST, STEP, BINS).decode(prediction.cpu().numpy())
            prediction = torch.from_numpy(bpm)[:, None].to(self.run.device)
        if prediction.shape[1] == 1:
            prediction = (prediction - targets.mean) / targets.std
            if targets.bins:
                prediction = bin_logits(prediction[:, 0], targets.bins)
        return known._replace(prediction=prediction)
