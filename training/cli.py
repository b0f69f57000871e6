"""The command line: `python -m training <verb>`.

Each verb reads its config (defaults, `--config` files, `--set`, flags), calls one function of the module of
the same name and prints what came out. Modules that need torch are imported by the verb that uses them, so
that `--help` answers at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import Field
from rich.console import Console
from rich.markup import escape

from training import config as configs
from training.config import C, ConfigError, Section
from training.data.errors import DataError
from training.data.prepare import PrepareConfig, Prepared
from training.data.registry import DATA_SETS
from training.data.simulated import SimulateConfig

if TYPE_CHECKING:
    from training.runs import RunResult


class SimulateVerb(SimulateConfig):
    """Simulated subjects, cut into windows; `prepare.*` says how."""

    out: Path = Field(description="folder to write")
    prepare: PrepareConfig = PrepareConfig()


class PrepareVerb(PrepareConfig):
    """A published data set, cut into windows."""

    dataset: str = Field(description=f"one of {', '.join(DATA_SETS)}")
    source: Path = Field(description="folder with its published files")
    out: Path = Field(description="folder to write")


VERBS: dict[str, type[Section]] = {
    "simulate": SimulateVerb,
    "prepare": PrepareVerb,
    "pretrain": configs.PretrainConfig,
    "finetune": configs.FinetuneConfig,
    "distill": configs.DistillConfig,
    "quantize": configs.QuantizeConfig,
    "evaluate": configs.EvaluateConfig,
    "robustness": configs.RobustnessConfig,
    "export": configs.ExportConfig,
    "ablate": configs.AblateConfig,
}

app = typer.Typer(
    name="python -m training",
    help="From PPG recordings to a small model in one file: simulate or prepare, (pretrain,) finetune, "
    "distill, (quantize,) export, evaluate. A verb's options and keys: --help behind the verb.",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Files = Annotated[
    list[Path] | None,
    typer.Option("--config", "-c", help="TOML file with a table per verb; later files win."),
]
Settings = Annotated[list[str] | None, typer.Option("--set", "-s", help="key=value, any key listed below.")]
Data = Annotated[list[Path] | None, typer.Option(help="Prepared data folder; give it again to join several.")]
Out = Annotated[
    Path | None, typer.Option(help="Run folder. The same command continues a run that was cut off.")
]
ModelName = Annotated[str | None, typer.Option("--model", help="Name of the network: model.name.")]
Seed = Annotated[int | None, typer.Option(help="Seed of weights, order and augmentation.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Delete the run in the folder and start anew.")]


def keys_of(verb: str) -> str:
    """The config keys of a verb, as the foot of its --help: one per line."""
    title = escape(f"Keys for --set, and for the table [{verb}] of a --config file")
    lines = [f"[bold]{key}[/]: {escape(about)}" for key, about in configs.described_keys(VERBS[verb])]
    return "\n".join([f"[bold]{title}[/]", *lines])


def command(verb: str) -> Any:
    """Registers a verb with its keys listed in its help."""
    return app.command(verb, epilog=keys_of(verb))


def read(kind: type[C], verb: str, files: list[Path] | None, settings: list[str] | None, **flags: Any) -> C:
    """The verb's config."""
    return configs.load(kind, verb, files or (), settings or (), flags, VERBS)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Errors that a user can mend become one sentence and exit status 2 (1 if a run failed), no traceback."""
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; the same command continues from the last checkpoint")
        raise typer.Exit(130) from None
    except Exception as error:
        status = exit_status(error)
        if status is None:
            raise
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(status) from None


def exit_status(error: Exception) -> int | None:
    """2 for what a user can mend, 1 for a run that failed, None for a bug."""
    from ppgfast.errors import ModelFileError
    from training.checkpoint import CheckpointError
    from training.engine import TrainingError
    from training.export_model import ExportError

    if isinstance(error, ConfigError | DataError | ModelFileError | CheckpointError | FileNotFoundError):
        return 2
    return 1 if isinstance(error, TrainingError | ExportError) else None


@command("simulate")
def simulate(
    out: Annotated[Path | None, typer.Option(help="Folder to write.")] = None,
    task: Annotated[str | None, typer.Option(help="hr or af.")] = None,
    subjects: Annotated[int | None, typer.Option(help="How many.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same samples.")] = None,
    config: Files = None,
    set_: Settings = None,
) -> None:
    """Write a prepared data set of simulated subjects."""
    from training.data.prepare import prepare as cut

    with plain_errors():
        windows = {"prepare": {"task": task}} if task is not None else {}
        flags = {"out": out, "subjects": subjects, "seed": seed, **windows}
        asked = read(SimulateVerb, "simulate", config, set_, **flags)
        source = SimulateConfig(**asked.model_dump(include=set(SimulateConfig.model_fields)))
        say_prepared(cut("simulated", source, asked.out, asked.prepare))


@command("prepare")
def prepare(
    dataset: Annotated[str | None, typer.Argument(help=f"One of {', '.join(DATA_SETS)}.")] = None,
    source: Annotated[Path | None, typer.Argument(help="Folder with its published files.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write.")] = None,
    config: Files = None,
    set_: Settings = None,
) -> None:
    """Cut a published data set into windows."""
    from training.data.prepare import prepare as cut

    with plain_errors():
        asked = read(PrepareVerb, "prepare", config, set_, dataset=dataset, source=source, out=out)
        how = PrepareConfig(**asked.model_dump(include=set(PrepareConfig.model_fields)))
        say_prepared(cut(asked.dataset, asked.source, asked.out, how))


@command("pretrain")
def pretrain(
    data: Data = None,
    out: Out = None,
    model: ModelName = None,
    seed: Seed = None,
    device: Device = None,
    config: Files = None,
    set_: Settings = None,
    fresh: Fresh = False,
) -> None:
    """Teach a GPT to predict the next patch; needs no labels."""
    with plain_errors():
        flags = training_flags(data, out, model, seed, device)
        asked = read(configs.PretrainConfig, "pretrain", config, set_, **flags)
        from training.pretrain import pretrain as run

        say_trained(run(asked, fresh=fresh))


@command("finetune")
def finetune(
    data: Data = None,
    out: Out = None,
    model: ModelName = None,
    seed: Seed = None,
    device: Device = None,
    config: Files = None,
    set_: Settings = None,
    fresh: Fresh = False,
) -> None:
    """Train a teacher, or a student without one, on labels."""
    with plain_errors():
        flags = training_flags(data, out, model, seed, device)
        asked = read(configs.FinetuneConfig, "finetune", config, set_, **flags)
        from training.finetune import finetune as run

        say_trained(run(asked, fresh=fresh))


@command("distill")
def distill(
    data: Data = None,
    out: Out = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Run folder, checkpoint, or a folder of stored teacher outputs.")
    ] = None,
    model: ModelName = None,
    seed: Seed = None,
    device: Device = None,
    config: Files = None,
    set_: Settings = None,
    fresh: Fresh = False,
) -> None:
    """Train a student on labels and on what a teacher makes of the same windows."""
    with plain_errors():
        flags = {**training_flags(data, out, model, seed, device), "teacher": teacher}
        asked = read(configs.DistillConfig, "distill", config, set_, **flags)
        from training.distill import distill as run

        say_trained(run(asked, fresh=fresh))


@command("quantize")
def quantize(
    source: Annotated[Path | None, typer.Argument(help="Run folder of finetune or distill.")] = None,
    out: Out = None,
    data: Data = None,
    teacher: Annotated[
        Path | None, typer.Option(help="As for distill; default the source, in float32.")
    ] = None,
    seed: Seed = None,
    device: Device = None,
    config: Files = None,
    set_: Settings = None,
    fresh: Fresh = False,
) -> None:
    """Train a model a little more, with the rounding of its int8 file in it."""
    with plain_errors():
        flags = {**training_flags(data, out, None, seed, device), "source": source, "teacher": teacher}
        asked = read(configs.QuantizeConfig, "quantize", config, set_, **flags)
        from training.quantize_aware import quantize as run

        say_trained(run(asked, fresh=fresh))


@command("evaluate")
def evaluate(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="name=path or path of run folders, checkpoints and .ppgf files."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Run that says who is held out; default the first one given.")
    ] = None,
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for all numbers.")] = None,
    config: Files = None,
    set_: Settings = None,
) -> None:
    """Score models on subjects that none of them learned from, beside a baseline that learns nothing."""
    with plain_errors():
        flags = {"models": named(models), "run": run, "data": data or None, "out": out}
        asked = read(configs.EvaluateConfig, "evaluate", config, set_, **flags)
        from training.evaluate import evaluate as score
        from training.evaluate import table

        Console().print(table(score(asked)))
        if asked.out is not None:
            Console(stderr=True).print(f"all numbers: {asked.out}")


@command("robustness")
def robustness(
    models: Annotated[
        list[str] | None, typer.Argument(help="name=PATH or PATH: run, checkpoint or .ppgf file.")
    ] = None,
    data: Data = None,
    run: Annotated[Path | None, typer.Option(help="Run that says who is held out.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file for all numbers.")] = None,
    config: Files = None,
    set_: Settings = None,
) -> None:
    """Score models while the signal gets worse: noise, motion, rate, bits, polarity, lost samples."""
    with plain_errors():
        flags = {"models": named(models), "data": data or None, "run": run, "out": out}
        asked = read(configs.RobustnessConfig, "robustness", config, set_, **flags)
        from training.results_robustness import page
        from training.robustness import robustness as measure

        print(page(measure(asked)))


@command("export")
def export(
    model: Annotated[Path | None, typer.Argument(help="Run folder or checkpoint.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; default model.ppgf or model-s8.ppgf in the run.")
    ] = None,
    data: Data = None,
    precision: Annotated[str | None, typer.Option(help="f32 or s8.")] = None,
    config: Files = None,
    set_: Settings = None,
) -> None:
    """Write a model file, open it with the C++ core and compare the answers with torch's."""
    with plain_errors():
        flags = {"model": model, "out": out, "data": data or None, "precision": precision}
        asked = read(configs.ExportConfig, "export", config, set_, **flags)
        from training.export_model import export as write

        done = write(asked)
        compared = "not compared with torch (no windows)"
        if done.largest_difference is not None:
            which = f"half of {done.compared}" if done.int8_change else f"{done.compared}"
            compared = f"C++ and torch agree within {done.largest_difference:.1e} on {which} windows"
        Console().print(
            f"{done.path}: {done.bytes:,} bytes, {done.parameters:,} parameters; {compared}", soft_wrap=True
        )
        if done.int8_change:
            Console().print(done.int8_change, soft_wrap=True)


@command("ablate")
def ablate(
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs; the same command goes on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Runs at a time, one thread each.")] = None,
    config: Files = None,
    set_: Settings = None,
) -> None:
    """Compare arms of distillation over folds of subjects and seeds; repeats no finished run."""
    with plain_errors():
        flags = {"data": data or None, "out": out, "workers": workers}
        asked = read(configs.AblateConfig, "ablate", config, set_, **flags)
        from training.ablate import ablate as study

        study(asked)
        Console().print(f"compared: {asked.results / asked.study}.json", soft_wrap=True)


def training_flags(
    data: list[Path] | None, out: Path | None, model: str | None, seed: int | None, device: str | None
) -> dict[str, Any]:
    """The flags that all training verbs share, as config values."""
    chosen = {"model": {"name": model}} if model is not None else {}
    return {"data": data or None, "out": out, "seed": seed, "device": device, **chosen}


def named(models: list[str] | None) -> dict[str, Path] | None:
    """`name=path` or `path`, which is its own name."""
    if not models:
        return None
    pairs = [text.rpartition("=") for text in models]
    return {name or Path(path).name: Path(path) for name, _, path in pairs}


def say_prepared(prepared: Prepared) -> None:
    Console().print(str(prepared), soft_wrap=True)


def say_trained(result: RunResult) -> None:
    why = "no better for long" if result.stopped == "patience" else "all epochs done"
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in result.validation.items())
    Console().print(
        f"{result.checkpoint}: epoch {result.best_epoch} of {result.epochs} ({why}), validation {numbers}",
        soft_wrap=True,
    )
