"""ablate: arms of distillation against each other, on the same folds of subjects and the same seeds.

A study is a teacher per fold (or several, and each arm names its own: one, or some as an ensemble) and, for
each arm, fold and seed, one student. Every finished run leaves one JSON file in `<results>/<study>/`; a run
that has one is not repeated, and one that was killed goes on where it was. `<results>/<study>.json` compares
the arms over what is finished: each test subject is in exactly one fold, scores are pooled over folds and
averaged over seeds, intervals come from drawing whole subjects, the same ones for both sides of a comparison.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from training import checkpoint, metrics
from training.config import AblateConfig, ConfigError, DistillConfig, FinetuneConfig, as_list, build, digest
from training.data.windows import read_manifest
from training.distill import distill, teachers
from training.evaluate import baseline, torch_entry, tracked
from training.finetune import finetune
from training.inputs import labelled, open_windows, split, subject_names
from training.progress import bar, default_console, write_json
from training.runs import find_checkpoint
from training.teacher_cache import is_store

TEACHER, BASELINE = "teacher", "baseline"
TESTED = "test.npz"  # in a run's folder: what it answered on its test windows
HEADLINE = {"hr": "mae", "af": "auroc"}  # the score that arms are compared by
QUIET = Console(quiet=True)


@dataclass(frozen=True)
class Job:
    """One training: an arm, a fold and a seed."""

    arm: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.arm}-f{self.fold}-s{self.seed}"

    @property
    def is_teacher(self) -> bool:
        return self.arm.split("-")[0] == TEACHER


def ablate(config: AblateConfig, console: Console | None = None) -> dict[str, Any]:
    """Run what is missing, write `<results>/<study>.json` and return it.

    Raises ConfigError for an arm that cannot be, before anything runs, and for results of another config.
    """
    console = console or default_console()
    jobs = jobs_of(config)
    data_of(config)
    for job in jobs:
        check_teachers(config, job)
    waiting = [job for job in jobs if not finished(config, job)]
    console.print(remaining(config, jobs, waiting), soft_wrap=True)
    with bar(console, config.study, len(jobs)) as progress:
        progress.advance(len(jobs) - len(waiting))
        for batch in (
            [job for job in waiting if job.is_teacher],
            [job for job in waiting if not job.is_teacher],
        ):
            for job in done(config, batch):
                left = [other for other in waiting if not finished(config, other)]
                progress.advance(1)
                progress.milestone(f"{job.name} done; {remaining(config, jobs, left)}")
    compared = compare(config)
    write_json(config.results / f"{config.study}.json", compared)
    return compared


def check_teachers(config: AblateConfig, job: Job) -> None:
    """Raise ConfigError for teachers that cannot answer together, or that nobody has trained or will."""
    asked = settings(config, job)
    if not isinstance(asked, DistillConfig):
        return
    try:
        elsewhere = [path for path in teachers(asked) if not path.is_relative_to(config.out)]
    except ConfigError as error:
        raise ConfigError(f"{config.study}: {job.arm}: {error}") from None
    for path in elsewhere:
        if not is_store(path):
            find_checkpoint(path)


def jobs_of(config: AblateConfig) -> list[Job]:
    """Teachers first, then all arms seed by seed, so that a part of a study can be compared."""
    first = [Job(arm, fold, 0) for arm, fold in product(teachers_of(config), folds_of(config))]
    students = [
        Job(arm, fold, seed)
        for seed, fold, arm in product(range(config.seeds), folds_of(config), config.arms)
    ]
    return first + students


def folds_of(config: AblateConfig) -> range:
    """The numbers of the folds; a single split counts as one."""
    return range(max(config.folds, 1))


def teachers_of(config: AblateConfig) -> dict[str, dict[str, Any]]:
    """Job name of each teacher -> its keys of finetune."""
    if not config.teachers:
        return {TEACHER: config.teacher}
    return {f"{TEACHER}-{name}": merged(config.teacher, keys) for name, keys in config.teachers.items()}


def teachers_of_arm(config: AblateConfig, arm: str) -> list[str]:
    """Job names of an arm's teachers: those that it names, or the first."""
    named = as_list(config.arms[arm].get("teacher", []))
    return [f"{TEACHER}-{name}" for name in named] or list(teachers_of(config))[:1]


def teachers_named(config: AblateConfig, job: Job) -> str | None:
    """Who taught a run, as its result says it."""
    return None if job.is_teacher else "+".join(teachers_of_arm(config, job.arm))


def settings(config: AblateConfig, job: Job) -> FinetuneConfig | DistillConfig:
    """The config of one training."""
    shared: dict[str, Any] = {
        "data": config.data,
        "out": config.out / job.arm / f"f{job.fold}-s{job.seed}",
        "seed": job.seed,
        "split": {"folds": config.folds, "fold": job.fold},
    }
    if job.is_teacher:
        return build(FinetuneConfig, {**teachers_of(config)[job.arm], **shared}, f"{config.study}: {job.arm}")
    values = merged(config.student, config.arms[job.arm])
    first, *others = (config.out / name / f"f{job.fold}-s0" for name in teachers_of_arm(config, job.arm))
    stored = {"teacher": first, "cache": config.out / "teacher_outputs"}
    asked = build(DistillConfig, {**values, **shared, **stored}, f"{config.study}: {job.arm}")
    return asked.model_copy(update={"ensemble": (*others, *asked.ensemble)})


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables, the second's values where both have one."""
    both = dict(first)
    for key, value in second.items():
        known = both.get(key)
        both[key] = (
            merged(known, value) if isinstance(value, Mapping) and isinstance(known, Mapping) else value
        )
    return both


def report_of(config: AblateConfig, job: Job) -> Path:
    """The JSON file that a finished run leaves."""
    return config.results / config.study / f"{job.name}.json"


def finished(config: AblateConfig, job: Job) -> bool:
    """Whether the run is over; ConfigError if its result is that of another config."""
    path = report_of(config, job)
    if not path.exists() or not (settings(config, job).out / TESTED).exists():
        return False
    left = json.loads(path.read_text())
    taught = teachers_named(config, job)
    if left["config_hash"] != digest(settings(config, job)) or left.get("teacher", taught) != taught:
        raise ConfigError(f"{path} is the result of another config; give the study another name")
    if left.get("data", known := data_of(config)) != known:
        raise ConfigError(f"{path} is the result of other data; give the study another name")
    return True


def data_of(config: AblateConfig) -> list[str]:
    """Hashes of what the data folders say of themselves."""
    return [
        sha256(json.dumps(read_manifest(folder), sort_keys=True).encode()).hexdigest()
        for folder in config.data
    ]


def remaining(config: AblateConfig, jobs: Sequence[Job], waiting: Sequence[Job]) -> str:
    """What is left to do and, from the times of finished runs, how long it will take."""
    seconds = {
        job: json.loads(report_of(config, job).read_text())["seconds"] for job in jobs if job not in waiting
    }
    kinds = {kind: [s for job, s in seconds.items() if job.is_teacher == kind] for kind in (True, False)}
    text = f"{len(jobs) - len(waiting)} of {len(jobs)} runs done, {len(waiting)} left"
    if not waiting:
        return text
    if any(not kinds[job.is_teacher] for job in waiting):
        return f"{text}; how long a run takes will be known after the first of each kind"
    total = sum(float(np.mean(kinds[job.is_teacher])) for job in waiting) / config.workers
    return f"{text}, about {max(1, round(total / 60))} min"


def done(config: AblateConfig, jobs: Sequence[Job]) -> Iterable[Job]:
    """The jobs, each when it is over; `workers` of them at a time in processes of their own."""
    if config.workers == 1:
        for job in jobs:
            run(config, job, torch.get_num_threads())
            yield job
        return
    # Forked processes would inherit torch's threads in an unknown state.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(config.workers, mp_context=spawn, initializer=end_with_parent) as pool:
        waiting = {pool.submit(run, config, job, 1): job for job in jobs}
        for future in as_completed(waiting):
            future.result()
            yield waiting[future]


def end_with_parent() -> None:
    """Stop a worker with the study that started it, or the next one would train the same run beside it."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def run(config: AblateConfig, job: Job, threads: int) -> None:
    """Train, test, and write the run's JSON."""
    torch.set_num_threads(threads)
    start = time.perf_counter()
    asked = settings(config, job)
    result = finetune(asked, QUIET) if isinstance(asked, FinetuneConfig) else distill(asked, QUIET)
    answers, threshold = tested(asked, result.checkpoint)
    np.savez_compressed(asked.out / TESTED, allow_pickle=False, **answers)
    path = report_of(config, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "study": config.study,
        "arm": job.arm,
        "fold": job.fold,
        "seed": job.seed,
        "teacher": teachers_named(config, job),
        "config_hash": digest(asked),
        "data": data_of(config),
        "windows": len(answers["label"]),
        "subjects": len(np.unique(answers["subject"])),
        "weights_sha256": sha256(checkpoint.paths(result.checkpoint)[0].read_bytes()).hexdigest(),
        "scores": scores(answers, threshold),
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        "steps": result.steps,
        "seconds": round(time.perf_counter() - start, 1),
    }
    write_json(path, values)


def tested(asked: FinetuneConfig | DistillConfig, path: Path) -> tuple[dict[str, NDArray], float | None]:
    """Answers on the labelled test windows, with label and subject name, and the threshold for af."""
    windows = open_windows(asked.data, asked.channels)
    rows = labelled(windows, split(windows, asked.split).test, "test")
    entry = torch_entry("", path)
    answer = entry.predict(windows, rows)
    answers = {
        "prediction": answer if answer.ndim == 1 else answer[:, 0],
        "label": windows.label[rows],
        "subject": np.array(subject_names(windows))[windows.subject[rows]],
        BASELINE: baseline(entry.task).predict(windows, rows),
        "task": np.array(entry.task),
    }
    if entry.distribution is not None:
        followed = tracked(entry).predict(windows, rows)[:, 0]
        answers |= {"doubt": answer[:, 1], "tracked": followed}
    return answers, checkpoint.load(path)[1]["threshold"]


def scores(answers: Mapping[str, NDArray], threshold: float | None) -> dict[str, float | None]:
    """The numbers of one run; None where a class is missing."""
    prediction, label = answers["prediction"], answers["label"]
    if answers["task"] == "hr":
        return metrics.heart_rate_scores(prediction, label)  # type: ignore[return-value]
    assert threshold is not None
    values = metrics.fibrillation_scores(prediction, label, threshold)
    values["sensitivity_at_95"] = metrics.sensitivity_at(prediction, label, 0.95)
    return {key: value if np.isfinite(value) else None for key, value in values.items()}


def compare(config: AblateConfig) -> dict[str, Any]:
    """Every arm over the seeds that are finished on all folds, and its gain over the reference arm."""
    pooled = {arm: answers_of(config, arm) for arm in (*teachers_of(config), *config.arms)}
    pooled = {arm: seeds for arm, seeds in pooled.items() if seeds}
    if not pooled:
        return {"study": config.study, "arms": {}}
    first = next(iter(pooled.values()))[0]
    task = str(first["task"])
    known = {key: first[key] for key in ("label", "subject")}
    pooled = {BASELINE: [{**known, "prediction": first[BASELINE]}], **pooled}
    draw = partial(drawn, config=config)
    references = {config.reference, *config.references.values()}
    arms: dict[str, Any] = {}
    for arm, seeds in pooled.items():
        told = [key for key in SCORES[task] if set(SCORES[task][key][1]) <= seeds[0].keys()]
        arms[arm] = {"seeds": len(seeds), **{key: draw(partial(score, key), [seeds]) for key in told}}
        over = config.references.get(arm, config.reference)
        if arm in config.arms and arm not in references and over in pooled:
            arms[arm] |= {"over": over, **gained(config, task, seeds, pooled[over])}
    return {
        "study": config.study,
        "task": task,
        "folds": config.folds,
        "reference": config.reference,
        "headline": HEADLINE[task],
        "windows": len(first["label"]),
        "subjects": len(np.unique(first["subject"])),
        "runs": len(spent := seconds_of(config)),
        "hours": round(sum(spent) / 3600, 1),
        "student": without_folders(config.student),
        **(
            {"teachers": {name: without_folders(keys) for name, keys in teachers_of(config).items()}}
            if config.teachers
            else {"teacher": without_folders(config.teacher)}
        ),
        "teacher_weights_sha256": {arm: weights_of(config, arm) for arm in teachers_of(config)},
        "arms": arms,
        "contrasts": [
            {"arm": arm, "over": over, **gained(config, task, pooled[arm], pooled[over])}
            for arm, others in config.contrasts.items()
            for over in others
            if arm in pooled and over in pooled
        ],
    }


def seconds_of(config: AblateConfig) -> list[float]:
    """How long each finished run took."""
    reports = [report_of(config, job) for job in jobs_of(config) if finished(config, job)]
    return [json.loads(path.read_text())["seconds"] for path in reports]


def weights_of(config: AblateConfig, arm: str) -> list[str]:
    """Hashes of the weights of an arm's first seed, fold by fold, of the runs that are finished."""
    reports = [report_of(config, Job(arm, fold, 0)) for fold in folds_of(config)]
    return [json.loads(path.read_text())["weights_sha256"] for path in reports if path.exists()]


def without_folders(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the name of a run in place of its path: where it lay is nobody's business."""
    init = values.get("model", {}).get("init")
    if init is None:
        return dict(values)
    path = Path(init)
    return merged(values, {"model": {"init": path.parent.name if path.suffix else path.name}})


def answers_of(config: AblateConfig, arm: str) -> list[dict[str, NDArray]]:
    """Test answers of each seed that is finished on all folds, pooled over folds."""
    seeds = []
    for seed in range(1 if arm in teachers_of(config) else config.seeds):
        jobs = [Job(arm, fold, seed) for fold in folds_of(config)]
        if all(finished(config, job) for job in jobs):
            parts = [dict(np.load(settings(config, job).out / TESTED)) for job in jobs]
            task = parts[0].pop("task")
            seeds.append({key: np.concatenate([part[key] for part in parts]) for key in parts[0]})
            seeds[-1] |= {"task": task, "seed": np.array(seed)}
    return seeds


def gained(
    config: AblateConfig, task: str, arm: list[dict[str, NDArray]], reference: list[dict[str, NDArray]]
) -> dict[str, Any]:
    """The gain of an arm over another on the seeds that both have, and how many these are."""
    both = paired(arm, reference)
    return {"gain": drawn(partial(gain, task), both, config), "paired_seeds": len(both[0])}


def paired(
    arm: list[dict[str, NDArray]], reference: list[dict[str, NDArray]]
) -> list[list[dict[str, NDArray]]]:
    """Both with the seeds that both have."""
    common = {int(answers["seed"]) for answers in arm} & {int(answers["seed"]) for answers in reference}
    return [[answers for answers in side if int(answers["seed"]) in common] for side in (arm, reference)]


# task -> score -> the metric and the arrays that it compares
SCORES: dict[str, dict[str, tuple[metrics.Metric, tuple[str, ...]]]] = {
    "hr": {
        "mae": (metrics.mae, ("prediction", "label")),
        "median": (partial(metrics.error_percentile, percent=50), ("prediction", "label")),
        "mae_80": (metrics.certain_error, ("prediction", "label", "doubt")),
        "mae_tracked": (metrics.mae, ("tracked", "label")),
        "within_5bpm": (metrics.share_within, ("prediction", "label")),
    },
    "af": {
        "auroc": (metrics.auroc, ("prediction", "label")),
        "auprc": (metrics.auprc, ("prediction", "label")),
        "sensitivity_at_95": (partial(metrics.sensitivity_at, specificity=0.95), ("prediction", "label")),
    },
}


def score(key: str, rows: NDArray, seeds: list[dict[str, NDArray]]) -> float:
    """A metric on the windows `rows`, mean over seeds."""
    metric, arrays = {**SCORES["hr"], **SCORES["af"]}[key]
    return float(np.mean([metric(*(part[name][rows] for name in arrays)) for part in seeds]))


def gain(
    task: str, rows: NDArray, arm: list[dict[str, NDArray]], reference: list[dict[str, NDArray]]
) -> float:
    """Relative improvement over the reference: of the mean absolute error (hr), of 1 - AUROC (af)."""
    key = HEADLINE[task]
    ours, theirs = score(key, rows, arm), score(key, rows, reference)
    return 1 - ours / theirs if task == "hr" else 1 - (1 - ours) / (1 - theirs)


def drawn(
    measure: Any, sides: list[list[dict[str, NDArray]]], config: AblateConfig
) -> dict[str, float | None]:
    """`measure(rows, *sides)` with its 95 % interval over draws of subjects."""
    owner = sides[0][0]["subject"]
    groups = [np.flatnonzero(owner == name) for name in np.unique(owner)]
    rng = np.random.default_rng(0)
    picks = (rng.integers(len(groups), size=len(groups)) for _ in range(config.bootstrap))
    values = np.array([measure(np.concatenate([groups[k] for k in pick]), *sides) for pick in picks])
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, (2.5, 97.5)) if len(values) and len(groups) > 1 else (np.nan, np.nan)
    whole = measure(np.arange(len(owner)), *sides)
    found = {"value": whole, "low": low, "high": high}
    return {key: round(float(value), 5) if np.isfinite(value) else None for key, value in found.items()}
