"""evaluate: every model on the same windows of subjects that none of them learned from.

Torch checkpoints and PPGF files (run by the C++ core) stand side by side, with a baseline that learns
nothing: the spectral peak for heart rate, pulse-interval variability for atrial fibrillation. Intervals come
from drawing whole subjects; thresholds for af are chosen on the run's validation subjects, never on the test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import ppgfast
from training import checkpoint, metrics, tracker
from training.config import Compared, ConfigError, EvaluateConfig
from training.data.windows import WindowSet
from training.finetune import predict
from training.inputs import (
    Targets,
    as_contracted,
    chunks,
    contract_of,
    open_windows,
    subject_names,
    subjects_of,
)
from training.progress import bar, write_json
from training.runs import RUN, find_checkpoint, read_run
from training.sequences import Sequences
from training.sources import people

SPECIFICITY = 0.95
SHARES = tuple(k / 10 for k in range(1, 11))  # of the coverage-error curve
UNUSED = ("generative.", "published_heads.")  # weights that serve pre-training alone
MODEL_FILE = "model.ppgf"  # where `export` puts a run's file unless told otherwise

# windows, rows -> (n,) bpm or probability, or (n, 2) bpm and its standard deviation
Predict = Callable[[WindowSet, NDArray], NDArray[np.float32]]
Distribution = Callable[[WindowSet, NDArray], NDArray[np.float32]]  # windows, rows -> (n, K) chances of bins


@dataclass(frozen=True)
class Entry:
    """One row of the table: a model and what runs it."""

    name: str
    engine: str  # "torch", "C++" or "-"
    task: str
    predict: Predict
    parameters: int | None = None
    bytes: int | None = None
    learned_from: tuple[str, ...] = ()
    channels: int = 1
    distribution: Distribution | None = None  # what a tracker needs


class Limits(NamedTuple):
    """Of the probability of af: where F1 was highest, and where specificity reached 95 %."""

    best: float
    specific: float


@dataclass(frozen=True)
class Score:
    """The numbers of one row."""

    name: str
    engine: str
    parameters: int | None
    bytes: int | None
    limits: Limits | None  # chosen on validation subjects; None for hr
    metrics: dict[str, metrics.Interval]
    predictions: NDArray[np.float32] = field(repr=False, compare=False)  # (n,) bpm or probability
    coverage: dict[str, float] | None = None  # share of windows kept, most certain first -> mean error in bpm


@dataclass(frozen=True)
class Evaluation:
    """All rows, on the same windows."""

    task: str
    subjects: list[str]
    scores: list[Score]
    windows: WindowSet = field(repr=False, compare=False)
    rows: NDArray[np.int64] = field(
        repr=False, compare=False
    )  # evaluated windows, the order of `predictions`

    def to_json(self) -> dict[str, Any]:
        """Everything but windows and predictions."""
        scores = []
        for score in self.scores:
            values = {key: getattr(score, key) for key in ("name", "engine", "parameters", "bytes")}
            values["threshold"] = score.limits and score.limits.best
            numbers = {key: _finite(interval._asdict()) for key, interval in score.metrics.items()}
            curve = {} if score.coverage is None else {"coverage": score.coverage}
            scores.append({**values, "metrics": numbers, **curve})
        return {
            "task": self.task,
            "dataset": self.windows.manifest["dataset"],
            "windows": len(self.rows),
            "subjects": self.subjects,
            "scores": scores,
        }


def evaluate(config: EvaluateConfig, console: Console | None = None) -> Evaluation:
    """Score every model of the config; writes `config.out` (JSON) if that is set.

    Evaluated are the labelled windows of each subject in the data that no model learned from: the held-out
    subjects of a run on its own data, everyone on foreign data.
    """
    entries, windows, rows, record = contenders(config)
    task = windows.manifest["task"]
    if config.track:
        over_bins = [tracked(entry) for entry in entries if entry.distribution is not None]
        if not over_bins:
            (console or Console(stderr=True)).print("track=true: no model answers over bins, none is tracked")
        entries += over_bins
    chosen_on = validation_windows(record, windows, config) if task == "af" else None

    scores = []
    with bar(console, "evaluate", len(entries)) as progress:
        for entry in entries:
            limits = None
            if chosen_on is not None:
                own, validation = chosen_on
                limits = thresholds(entry.predict(own, validation), own.label[validation])
            scores.append(score(entry, windows, rows, limits, config.bootstrap))
            progress.advance(note=f"{entry.name} ({entry.engine})")
    result = Evaluation(task, subjects_of(windows, rows), scores, windows, rows)
    if config.out is not None:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(config.out, result.to_json())
    return result


def contenders(config: Compared) -> tuple[list[Entry], WindowSet, NDArray[np.int64], dict[str, Any] | None]:
    """The baseline and every model, the data, the windows to test on, and run.json if a run says who is held
    out."""
    run_folder = config.run or next((path for path in config.models.values() if (path / RUN).exists()), None)
    record = read_run(run_folder) if run_folder else None
    if not config.data and record is None:
        raise ConfigError("evaluate needs windows: give --run, a run folder as a model, or --data")
    folders = config.data or tuple(Path(folder) for folder in record["data"]["folders"])  # type: ignore[index]
    found = [entry for name, path in config.models.items() for entry in entries_of(name, path)]
    windows = open_windows(folders, max((entry.channels for entry in found), default=1))
    task = windows.manifest["task"]
    entries = [baseline(task), *found]
    for entry in entries:
        if entry.task != task:
            raise ConfigError(f"{entry.name} is a model for task {entry.task}, the data are for {task}")
    learned = {subject for entry in entries for subject in entry.learned_from}
    if record is not None:
        learned |= people(record)
    return entries, windows, unseen_rows(windows, learned), record


def unseen_rows(windows: WindowSet, learned: set[str]) -> NDArray[np.int64]:
    """The labelled windows of every subject that no model learned from; ConfigError if there is none."""
    names = subject_names(windows)
    fresh = np.array([name not in learned for name in names])
    rows = np.flatnonzero(fresh[windows.subject] & np.isfinite(windows.label))
    if not len(rows):
        raise ConfigError(
            f"the models learned from every labelled subject of {windows.manifest['dataset']}; "
            "evaluate on other data, or train with a larger split.test"
        )
    assert not learned & set(subjects_of(windows, rows))
    return rows


def validation_windows(
    record: Mapping[str, Any] | None, windows: WindowSet, config: EvaluateConfig
) -> tuple[WindowSet, NDArray[np.int64]] | None:
    """The labelled validation windows of the run, which choose thresholds; None without a run."""
    if record is None:
        return None
    own = open_windows([Path(folder) for folder in record["data"]["folders"]]) if config.data else windows
    if own.manifest["task"] != windows.manifest["task"]:
        raise ConfigError(
            f"the run is for task {own.manifest['task']}, the data are for {windows.manifest['task']}"
        )
    chosen = np.array([name in record["subjects"]["validation"] for name in subject_names(own)])
    return own, np.flatnonzero(chosen[own.subject] & np.isfinite(own.label))


def baseline(task: str) -> Entry:
    """What no model should lose to."""
    if task == "hr":
        return Entry("spectral peak", "-", "hr", _rowwise(metrics.spectral_peak))
    return Entry("pulse variability", "-", "af", _rowwise(metrics.pulse_variability))


def entries_of(name: str, path: Path) -> list[Entry]:
    """The rows of one model: a run gives its checkpoint and, if it was exported, its file run by the core."""
    if path.suffix == ".ppgf":
        return core_entries(name, path)
    rows = [torch_entry(name, find_checkpoint(path))]
    if path.is_dir() and (path / MODEL_FILE).exists():
        rows += core_entries(name, path / MODEL_FILE)
    return rows


def torch_entry(name: str, path: Path) -> Entry:
    """A checkpoint, run by torch on the CPU."""
    module, meta = checkpoint.load(path)
    stated = contract_of(meta, path)
    targets = Targets.stated(stated)
    device = torch.device("cpu")

    def raw(windows: WindowSet, rows: NDArray) -> NDArray[np.float32]:
        try:
            return predict(module, windows, rows, stated, device)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from None

    def distribution(windows: WindowSet, rows: NDArray) -> NDArray[np.float32]:
        return targets.distribution(raw(windows, rows))

    def run(windows: WindowSet, rows: NDArray) -> NDArray[np.float32]:
        if targets.bins:
            return tracker.summary(distribution(windows, rows), targets.mean, targets.std).astype(np.float32)
        return targets.decode(raw(windows, rows))

    # As the core counts them: numbers that take part in a prediction, not only trained ones.
    state = {key: value for key, value in module.state_dict().items() if value.is_floating_point()}
    count = sum(value.numel() for key, value in state.items() if not key.startswith(UNUSED))
    learned = tuple(people(meta))
    return Entry(
        name,
        "torch",
        stated["task"],
        run,
        count,
        path.stat().st_size,
        learned,
        module.config.channels,
        distribution if targets.bins else None,
    )


def core_entries(name: str, path: Path) -> list[Entry]:
    """A model file on windows, and one that takes its signal patch by patch as in a stream, too."""
    entry = core_entry(name, path)
    return [entry, streamed(entry, path)] if ppgfast.load(path).info["kind"] == "streamgpt" else [entry]


def streamed(entry: Entry, path: Path) -> Entry:
    """The model over all windows of a record that follow each other, as one signal."""
    model = ppgfast.load(path)

    def told(windows: WindowSet, rows: NDArray, distribution: bool) -> NDArray[np.float32]:
        hop = windows.manifest["hop"] / windows.sampling_rate  # s
        records = np.unique(windows.record[rows])
        parts = Sequences(windows).runs(np.flatnonzero(np.isin(windows.record, records)))
        answers = []
        for part in parts:
            signal = Sequences(windows, len(part)).signals(part[:1])  # (1, samples)
            whole = replace(windows.subset(part[:1]), ppg=signal, acc=None)
            x = as_contracted(whole, np.array([0]), model.info["input"])[0]
            try:
                answers.append(model.predict_sequence(x, hop=hop, distribution=distribution))
            except ValueError as error:
                raise ConfigError(f"{path}: {error}") from None
        return np.concatenate(answers)[np.searchsorted(np.concatenate(parts), rows)]

    def run(windows: WindowSet, rows: NDArray) -> NDArray[np.float32]:
        answer = told(windows, rows, distribution=False)
        return answer if over_bins else answer[:, 1 if entry.task == "af" else 0]

    over_bins = entry.distribution is not None
    distribution = partial(told, distribution=True) if over_bins else None
    return replace(entry, name=f"{entry.name}, streamed", predict=run, distribution=distribution)


def core_entry(name: str, path: Path) -> Entry:
    """A model file, run by the C++ core."""
    model = ppgfast.load(path)
    about = model.info

    def asked(answer: Callable[..., NDArray], windows: WindowSet, rows: NDArray) -> NDArray[np.float32]:
        adapted = (as_contracted(windows, piece, about["input"]) for piece in chunks(rows))
        try:
            return np.concatenate([answer(x) for x in adapted])
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from None

    def run(windows: WindowSet, rows: NDArray) -> NDArray[np.float32]:
        answer = asked(model.predict, windows, rows)
        return answer if over_bins else answer[:, 1 if about["output"]["task"] == "af" else 0]

    over_bins = about["output"]["activation"] == "distribution"
    return Entry(
        name,
        "C++",
        about["output"]["task"],
        run,
        about["parameters"],
        path.stat().st_size,
        channels=about["input"]["channels"],
        distribution=partial(asked, model.distribution) if over_bins else None,
    )


def tracked(entry: Entry) -> Entry:
    """The same model with the causal tracker over all windows of a record, labelled or not."""

    def run(windows: WindowSet, rows: NDArray) -> NDArray[np.float32]:
        assert entry.distribution is not None
        hop = windows.manifest["hop"] / windows.sampling_rate  # s
        answer = np.empty((len(windows), 2), np.float32)
        for record in np.unique(windows.record[rows]):
            mine = np.flatnonzero(windows.record == record)
            mine = mine[np.argsort(windows.t_start[mine], kind="stable")]
            # One row per hop: where a window is missing, the belief only spreads.
            at = np.rint((windows.t_start[mine] - windows.t_start[mine[0]]) / hop).astype(int)
            p = entry.distribution(windows, mine)
            slots = np.full((at[-1] + 1, p.shape[1]), np.nan)
            slots[at] = p
            answer[mine] = tracker.track(slots, hop)[at]
        return answer[rows]

    return replace(entry, name=f"{entry.name}, tracked", predict=run, distribution=None)


def score(
    entry: Entry,
    windows: WindowSet,
    rows: NDArray,
    limits: Limits | None,
    draws: int,
) -> Score:
    """Predict and score; limits: for af, thresholds from the entry's own validation predictions."""
    answer = entry.predict(windows, rows)
    prediction, doubt = (answer, None) if answer.ndim == 1 else answer.T
    label, owner = windows.label[rows], windows.subject[rows]
    if windows.manifest["task"] == "hr":
        wanted = HEART_RATE
    else:
        wanted = dict(FIBRILLATION)
        if limits is not None:
            wanted |= {
                "accuracy": partial(metrics.accuracy, threshold=limits.best),
                "f1": partial(metrics.f1, threshold=limits.best),
                "sensitivity_at_95": partial(sensitivity, threshold=limits.specific),
                "specificity_at_95": partial(specificity, threshold=limits.specific),
            }
    values = {
        key: metrics.bootstrap(metric, prediction, label, subjects=owner, n=draws)
        for key, metric in wanted.items()
    }
    coverage = None
    if doubt is not None:
        values["mae_80"] = metrics.bootstrap(
            metrics.certain_error, prediction, label, doubt, subjects=owner, n=draws
        )
        coverage = {
            f"{share:.1f}": metrics.certain_error(prediction, label, doubt, share) for share in SHARES
        }
    return Score(
        entry.name, entry.engine, entry.parameters, entry.bytes, limits, values, prediction, coverage
    )


def thresholds(probability: NDArray, label: NDArray) -> Limits:
    """The threshold of highest F1, and the lowest one with a specificity of 95 %, on validation windows."""
    negative = probability[label == 0]
    if not len(negative):
        raise ConfigError("no validation window is without af; try another split.seed")
    above = np.quantile(negative, SPECIFICITY, method="higher")
    return Limits(metrics.choose_threshold(probability, label), float(np.nextafter(above, np.inf)))


def sensitivity(probability: NDArray, label: NDArray, threshold: float) -> float:
    """Share of af windows found; NaN where there is none."""
    return float(np.mean(probability[label == 1] >= threshold)) if (label == 1).any() else math.nan


def specificity(probability: NDArray, label: NDArray, threshold: float) -> float:
    """Share of other windows left alone; NaN where there is none."""
    return float(np.mean(probability[label == 0] < threshold)) if (label == 0).any() else math.nan


HEART_RATE: dict[str, metrics.Metric] = {
    "mae": metrics.mae,
    "median": partial(metrics.error_percentile, percent=50),
    "p90": partial(metrics.error_percentile, percent=90),
    "mse": metrics.mse,
    "within_5bpm": metrics.share_within,
}
FIBRILLATION: dict[str, metrics.Metric] = {"auroc": metrics.auroc, "auprc": metrics.auprc}
HEADINGS = {
    "mae": "MAE",
    "median": "median",
    "mae_80": "MAE@80",
    "within_5bpm": "in 5 bpm",
    "auroc": "AUROC",
    "f1": "F1",
    "accuracy": "accuracy",
    "sensitivity_at_95": "sens@95",
}
CAPTIONS = {
    "hr": "MAE and median of the error in bpm; in 5 bpm: share of windows with an error of at most that",
    "af": "thresholds from validation subjects; sens@95: sensitivity where specificity was 95 % there",
}


def table(evaluation: Evaluation) -> Table:
    """The numbers as people read them: value and 95 % interval over subjects."""
    people = f"{len(evaluation.subjects)} subject{'s' * (len(evaluation.subjects) != 1)}"
    who = f"{len(evaluation.rows)} windows of {people} that no model learned from"
    keys = [key for key in HEADINGS if any(key in row.metrics for row in evaluation.scores)]
    certain = "; MAE@80: of the 80 % most certain windows" if "mae_80" in keys else ""
    shown = Table(
        title=f"{evaluation.task}: {who}",
        caption=f"{CAPTIONS[evaluation.task]}{certain}; below: 95 % interval, drawing subjects",
    )
    for heading in ("model", "by"):
        shown.add_column(heading, overflow="fold")
    shown.add_column("params", justify="right")
    for key in keys:
        shown.add_column(HEADINGS[key], justify="right", no_wrap=True)
    for row in evaluation.scores:
        size = "" if row.parameters is None else f"{row.parameters:,}"
        shown.add_row(row.name, row.engine, size, *(_cell(row.metrics.get(key)) for key in keys))
    return shown


def _cell(interval: metrics.Interval | None) -> str:
    if interval is None or math.isnan(interval.value):
        return "-"
    # Shares and errors below 1 with a digit more; bounds one digit shorter, they are less certain.
    digits = 3 if abs(interval.value) <= 1 else 2
    bounds = (
        "" if math.isnan(interval.low) else f"\n{interval.low:.{digits - 1}f}-{interval.high:.{digits - 1}f}"
    )
    return f"{interval.value:.{digits}f}[dim]{bounds}[/]"


def _rowwise(estimate: Callable[[NDArray, float], NDArray]) -> Predict:
    return lambda windows, rows: estimate(windows.ppg[rows], windows.sampling_rate).astype(np.float32)


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in values.items()}
