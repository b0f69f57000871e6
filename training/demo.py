"""The demo: a teacher, a student without and with it, one model file, and C++ on people nobody learned from.

`python -m training.demo` simulates its people; `--data FOLDER` takes the published recordings found there.
Everything is done by the verbs of `python -m training`; this file chooses their configs and shows the result.
"""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console

import ppgfast
from training import checkpoint, report
from training.cli import plain_errors
from training.config import (
    ConfigError,
    DistillConfig,
    EvaluateConfig,
    ExportConfig,
    FinetuneConfig,
    ModelConfig,
    Optimiser,
    Split,
)
from training.data.prepare import PrepareConfig, prepare
from training.data.simulated import SimulateConfig
from training.distill import distill
from training.evaluate import MODEL_FILE, Evaluation, Score, evaluate
from training.export_model import export
from training.figures import Answer, Contender, Results, Timing
from training.finetune import finetune
from training.inputs import Targets, to_tensor
from training.metrics import mae, paired_bootstrap, spectral_peak
from training.progress import bar, write_json
from training.runs import RunResult, find_checkpoint, read_run

STUDENT = ModelConfig(name="gpt50k")
PUBLISHED = {"ieee_spc2015": "treadmill (SPC 2015)", "cinc2015": "intensive care (CinC 2015)"}
NAMES = {"peak": "spectral peak", "alone": "student alone", "distilled": "distilled", "teacher": "teacher"}


@dataclass(frozen=True)
class Plan:
    """How much the demo does. All three networks get the same subjects and epochs."""

    minutes: str  # on two cores, for people
    people: SimulateConfig
    teacher: ModelConfig
    optimiser: Optimiser
    hop: float = 4.0  # s; windows closer than that teach little more
    rounds: int = 300  # of the measurement of latency
    split: Split = field(default_factory=lambda: Split(validation=0.1, test=0.2))


FULL = Plan(
    minutes="about 5 minutes",
    people=SimulateConfig(subjects=240, seconds=300),
    teacher=ModelConfig(name="gpt1m"),
    optimiser=Optimiser(batch=128, epochs=10, warmup=0.1, clip_norm=1.0),
)
QUICK = Plan(
    minutes="half a minute",
    people=SimulateConfig(subjects=60, seconds=120),
    teacher=ModelConfig(name="gpt250k"),
    optimiser=Optimiser(batch=32, epochs=4, warmup=0.1, clip_norm=1.0),
    rounds=50,
)
# Published recordings are more windows than the simulated ones, so they are seen fewer times.
RECORDED = replace(FULL, minutes="about 7 minutes", optimiser=FULL.optimiser.model_copy(update={"epochs": 8}))
QUICK_RECORDED = replace(
    QUICK, minutes="about a minute", optimiser=QUICK.optimiser.model_copy(update={"epochs": 1, "batch": 64})
)


@dataclass(frozen=True)
class Demo:
    """What came out: the numbers, where they stand, and how long each step took (s)."""

    results: Results
    evaluation: Evaluation
    largest_difference: float  # between torch and C++, bpm
    seconds: dict[str, float]
    report: Path
    model: Path
    table: Path


class Steps:
    """Announces each step and keeps its time."""

    def __init__(self, console: Console, titles: Sequence[str]) -> None:
        self.console, self.titles = console, titles
        self.seconds: dict[str, float] = {}

    def __call__(self, work: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Do the next step."""
        title = self.titles[len(self.seconds)]
        self.console.print(f"\n[bold]{len(self.seconds) + 1}/{len(self.titles)}  {title}[/]")
        start = time.perf_counter()
        answer = work(*arguments, **keywords)
        self.seconds[title] = time.perf_counter() - start
        return answer


def demo(
    plan: Plan, out: Path, data: Path | None = None, seed: int = 0, console: Console | None = None
) -> Demo:
    """Run all of it; writes `report.html`, `model.ppgf` and `table.json` into the folder `out`.

    data: folder with the published data sets of PUBLISHED, any of them; None simulates people.
    """
    console = console or Console()
    steps = Steps(
        console,
        (
            "recordings of published data sets" if data else "simulated people",
            f"teacher, {network(plan.teacher)}, from labels",
            f"student, {network(STUDENT)}, alone from the same labels",
            "the same student, distilled: labels and all four tiers of the teacher",
            "model files for the C++ core",
            "error on people that no model learned from",
            "latency of one window",
            "report",
        ),
    )
    out.mkdir(parents=True, exist_ok=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so that the same seed gives the same bits on any number of cores
    try:
        folders = steps(recordings, plan, out / "data", data, console)
        runs = train(plan, folders, out / "runs", seed, console, steps)
        steps(lambda: [export(ExportConfig(model=run.folder)) for run in runs.values()])
        models = {NAMES[key]: run.folder for key, run in runs.items()}
        evaluation = steps(evaluate, EvaluateConfig(models=models), console)
        timings = steps(latencies, runs, evaluation, plan.rounds, console)
    finally:
        torch.set_num_threads(threads)
    results = collect(evaluation, runs, timings)
    model = Path(shutil.copyfile(runs["distilled"].folder / MODEL_FILE, out / "model.ppgf"))
    facts = provenance(plan, runs["distilled"], seed, steps.seconds, data)
    difference = largest_difference(results)
    page = out / "report.html"
    steps(report.write, page, results, facts, difference, console)
    write_json(out / "table.json", {**report.as_json(results), "largest_difference_bpm": difference, **facts})
    return Demo(results, evaluation, difference, steps.seconds, page, model, out / "table.json")


def recordings(plan: Plan, out: Path, data: Path | None, console: Console) -> list[Path]:
    """Prepared folders: of the published data sets in `data`, or of simulated people."""
    how = PrepareConfig(task="hr", window=8.0, hop=plan.hop, acc=False)
    if data is None:
        sources: dict[str, Any] = {"simulated": plan.people}
    else:
        sources = {name: data / name for name in PUBLISHED if (data / name).is_dir()}
        if not sources:
            raise ConfigError(f"--data {data}: no folder {' or '.join(PUBLISHED)} there; give the one above")
    folders = []
    for name, source in sources.items():
        prepared = prepare(name, source, out / name, how, console)
        console.print(str(prepared), soft_wrap=True)
        folders.append(prepared.folder)
    return folders


def train(
    plan: Plan, folders: Sequence[Path], out: Path, seed: int, console: Console, steps: Steps
) -> dict[str, RunResult]:
    """The three runs; each starts anew, so that the times shown are those of this run."""
    shared = {
        "data": folders,
        "seed": seed,
        "device": "cpu",
        "optimiser": plan.optimiser,
        "split": plan.split,
    }
    alone = FinetuneConfig(**shared, out=out / "alone", model=STUDENT)
    teacher = FinetuneConfig(**shared, out=out / "teacher", model=plan.teacher)
    distilled = DistillConfig(**shared, out=out / "distilled", model=STUDENT, teacher=teacher.out)
    runs = {}
    for key, verb, config in (
        ("teacher", finetune, teacher),
        ("alone", finetune, alone),
        ("distilled", distill, distilled),
    ):
        runs[key] = steps(verb, config, console, fresh=True)
        error = runs[key].validation["mae_bpm"]
        console.print(f"validation subjects: mean absolute error {error:.2f} bpm")
    return runs


def latencies(
    runs: Mapping[str, RunResult], evaluation: Evaluation, rounds: int, console: Console | None = None
) -> dict[tuple[str, str], Timing]:
    """Time of one raw window -> bpm by (contender, engine), one thread, all measured in turn."""
    rate = evaluation.windows.sampling_rate
    calls: dict[tuple[str, str], Callable[[NDArray], Any]] = {
        ("peak", "python"): lambda x: spectral_peak(x, rate)
    }
    for key, run in runs.items():
        calls[key, "python"] = torch_call(find_checkpoint(run.folder))
        calls[key, "core"] = ppgfast.load(run.folder / MODEL_FILE).predict
    chosen = np.resize(evaluation.rows, rounds)
    taken: dict[tuple[str, str], list[float]] = {name: [] for name in calls}
    with bar(console, "latency", rounds) as progress:
        for row in chosen:
            x = np.array(evaluation.windows.ppg[row])  # (L,)
            for name, call in calls.items():
                call(x)  # what ran before has filled the caches with its own weights
                start = time.perf_counter_ns()
                call(x)
                taken[name].append((time.perf_counter_ns() - start) / 1e6)
            progress.advance()
    quartiles = {name: np.percentile(times, (50, 25, 75)) for name, times in taken.items()}
    return {name: Timing(*map(float, values)) for name, values in quartiles.items()}


def torch_call(path: Path) -> Callable[[NDArray], NDArray]:
    """One raw window (L,) -> bpm by torch in eager mode, scaling included, as the core does it."""
    module, meta = checkpoint.load(path)
    stated, device = meta["contract"], torch.device("cpu")
    targets = Targets.stated(stated)

    def call(x: NDArray) -> NDArray:
        with torch.inference_mode():
            return targets.decode(module(to_tensor(x[None], stated["scaling"], device)).prediction.numpy())

    return call


def collect(
    evaluation: Evaluation, runs: dict[str, RunResult], timings: Mapping[tuple[str, str], Timing]
) -> Results:
    """The contenders in the order of the table, with the groups in which errors are shown."""
    scores = {(score.name, score.engine): score for score in evaluation.scores}

    def answer(key: str, engine: str, score: Score) -> Answer:
        return Answer(score.predictions, score.metrics["mae"], timings[key, engine])

    contenders = [
        Contender(
            "peak",
            NAMES["peak"],
            "no learning",
            None,
            None,
            answer("peak", "python", evaluation.scores[0]),
            None,
        )
    ]
    for key in ("alone", "distilled", "teacher"):
        by_torch, by_core = (scores[NAMES[key], engine] for engine in ("torch", "C++"))
        used = ModelConfig(**read_run(runs[key].folder)["config"]["model"])
        contenders.append(
            Contender(
                key,
                NAMES[key],
                network(used),
                by_core.parameters,
                by_core.bytes,
                answer(key, "python", by_torch),
                answer(key, "core", by_core),
            )
        )
    groups, group = levels(evaluation)
    windows, rows = evaluation.windows, evaluation.rows
    distilled, alone = (scores[NAMES[key], "C++"].predictions for key in ("distilled", "alone"))
    gain = paired_bootstrap(
        mae,
        distilled,
        alone,
        windows.label[rows],
        subjects=windows.subject[rows],
    )
    return Results(tuple(contenders), windows, rows, groups, group, runs, gain)


def levels(evaluation: Evaluation) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the groups and the group of each held-out window: by activity, or by data set."""
    windows, rows = evaluation.windows, evaluation.rows
    if windows.activity is not None:
        codes = sorted(int(code) for code in windows.manifest["activities"])
        return tuple(windows.manifest["activities"][str(code)] for code in codes), np.searchsorted(
            codes, windows.activity[rows]
        )
    prefix = "" if "+" in windows.manifest["dataset"] else f"{windows.manifest['dataset']}/"
    sets = [f"{prefix}{name}".partition("/")[0] for name in windows.manifest["subjects"]]
    known = [name for name in reversed(PUBLISHED) if name in sets]
    owner = np.array([known.index(name) for name in sets])
    return tuple(PUBLISHED[name] for name in known), owner[windows.subject[rows]]


def largest_difference(results: Results) -> float:
    """Between torch and C++ over all models and held-out windows, in bpm."""
    pairs = [(one.python.bpm, one.core.bpm) for one in results.contenders if one.core is not None]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def network(model: ModelConfig) -> str:
    """Its true name: the preset and what differs from it."""
    changed = "".join(f", {key} {value}" for key, value in model.overrides.items())
    return f"{model.name}{changed}"


def provenance(
    plan: Plan, run: RunResult, seed: int, seconds: Mapping[str, float], data: Path | None
) -> dict[str, Any]:
    """What a reader needs to judge the numbers and to get them again."""
    record = read_run(run.folder)
    sizes = {
        part: f"{len(record['subjects'][part])} subjects, {count:,} windows"
        for part, count in record["windows"].items()
    }
    return {
        "simulated": data is None,
        "data": {key: record["data"][key] for key in ("dataset", "licence", "citation", "signal")},
        "parts": sizes,
        "seed": seed,
        "split_seed": plan.split.seed,
        "epochs": plan.optimiser.epochs,
        "versions": {
            "ppgfast": ppgfast.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "machine": {"processor": processor(), "cores": os.cpu_count(), "isa": ppgfast.cpu()["selected"]},
        "seconds": {title: round(value, 1) for title, value in seconds.items()},
    }


def processor() -> str:
    """The CPU's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder with published data sets (ieee_spc2015, cinc2015).")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Under a minute: shows the way, learns little.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("results/demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights and order.")] = 0,
) -> None:
    """Distil a teacher into a student, write it to one file and run that file in C++."""
    console = Console()
    plan = (QUICK_RECORDED if data else QUICK) if quick else (RECORDED if data else FULL)
    source = f"the recordings in {data}" if data else f"{plan.people.subjects} simulated people"
    console.print(
        f"[bold]ppgfast demo[/]  Heart rate from eight seconds of the pulse wave, learned from {source}.\n"
        f"A teacher ({network(plan.teacher)}) is trained, then a student ({network(STUDENT)}) without and\n"
        "with its help; all become files that the C++ core runs on people that nobody learned from.\n"
        f"This takes {plan.minutes} on two cores."
    )
    with plain_errors():
        try:
            done = demo(plan, out, data, seed, console)
        except KeyboardInterrupt:
            console.print("stopped; the demo begins anew when it is started again")
            raise typer.Exit(130) from None
    console.print()
    console.print(report.table(done.results, done.largest_difference))
    if quick:
        console.print("This was the quick demo: so little training shows that it runs, not how good it gets.")
    console.print(f"\nDone in {sum(done.seconds.values()) / 60:.1f} minutes. Written:")
    for path, what in (
        (done.report, "signals, errors, learning curves and latency, as a page for the browser"),
        (done.model, 'the distilled student; ppgfast.load("...").predict(windows) runs it'),
        (done.table, "the numbers"),
    ):
        console.print(f"  [bold]{path}[/]  {what}", soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
