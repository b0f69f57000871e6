"""`ppgfast run`: files in, one row per window out; in parallel, to be continued, whatever is in the files.

Each file is read, pushed through `Model.stream` and written by a worker process. `run.jsonl` in the folder
of the results has a line for each file, with what made it, was found in it or went wrong: the same command
skips what has been done.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import ppgfast
from ppgfast.io.containers import sha256

from .files import Acc, Column, Polar, Rate
from .models import MODEL, model_file
from .output import FAILED, Json, plain_errors, say_error, say_json, say_table, say_warning
from .saving import finite, json_text
from .work import Done, Format, Job, Order, Polarity, one, open_model, picture_of

LOG = "run.jsonl"
STOPPED = 130  # what a shell gives a command that Ctrl-C ended


def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Recordings in any container.")],
    model: Annotated[Path, typer.Option(help=MODEL, parser=model_file, metavar="MODEL")],
    out: Annotated[Format, typer.Option(help="Format of the results.")] = Format.csv,
    folder: Annotated[Path, typer.Option(help="Where the results go; made if missing.")] = Path("results"),
    hop: Annotated[float | None, typer.Option(help="s between windows; default the model's.")] = None,
    both_ways: Annotated[
        bool, typer.Option("--both-ways", help="Filter each window backwards too, as in training.")
    ] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="A picture beside each result: beats, heart rate, quality.")
    ] = False,
    polarity: Polar = Polarity.upright,
    sampling_rate: Rate = None,
    column: Column = None,
    acc_columns: Acc = None,
    jobs: Annotated[int, typer.Option(min=0, help="Files at a time; 0 = one for each processor.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do again what has been done before.")] = False,
    json: Json = False,
) -> None:
    """A row for every window of every file.

    Each has t_start and t_end in s, hr_bpm, hr_std, af_probability, quality, valid and the reason if not.
    A file that cannot be read is reported and the others go on. Results lie as the files lie below
    the folder that they share: a result's place depends on the other files. The same command again skips
    files that are done and have not changed since. What is probably wrong with a recording is said on
    standard error and in run.jsonl, as `findings`; the status stays 0. It takes 20 to 500 Hz."""
    plan = planned(files, folder, out)
    with plain_errors():
        if plot and find_spec("matplotlib") is None:
            raise ModuleNotFoundError("--plot draws with matplotlib: pip install 'ppgfast[plot]'")
        ppgfast.load(model)
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True)
        order = Order(model, digest, out, sampling_rate, column, acc_columns, hop, both_ways, plot, polarity)
        before = {} if fresh else _finished(folder / LOG, order)
        try:
            results = list(_all(plan, order, before, jobs or os.cpu_count() or 1, folder / LOG))
        except KeyboardInterrupt:
            say_error("stopped; the same command goes on with what is left")
            raise typer.Exit(STOPPED) from None
    results.sort(key=lambda done: [str(job.file) for job in plan].index(done.file))
    if json:
        say_json([asdict(done) for done in results])
    else:
        say_table([done.row() for done in results])
    for done in results:
        _say_findings(done, folder / LOG)
    failed = sum(bool(done.error) for done in results)
    if failed:
        Console(stderr=True).print(
            f"[bold red]{failed} of {len(results)} files failed[/], see {folder / LOG}", soft_wrap=True
        )
        raise typer.Exit(FAILED)


def _say_findings(done: Done, log: Path) -> None:
    """What puts a whole recording in doubt; of what concerns stretches of it, how many."""
    for finding in done.findings:
        if finding["warns"]:
            say_warning(f"{done.file}: {finding['message']}")
    parts = sum(not finding["warns"] for finding in done.findings)
    if parts:
        say_warning(f"{done.file}: {parts} findings on parts of it, see {log}")


def planned(files: Sequence[Path], folder: Path, out: Format) -> list[Job]:
    """Where each file's rows go: below `folder` as the files lie below the folder that they share."""
    whole = [Path(os.path.normpath(Path.cwd() / file)) for file in files]
    root = Path(os.path.commonpath([file.parent for file in whole]))
    jobs = {
        file: Job(given, folder / file.relative_to(root).parent / f"{file.name}.{out.value}")
        for given, file in zip(files, whole, strict=True)
    }
    return list(jobs.values())


def _all(
    plan: Sequence[Job], order: Order, before: Mapping[str, Done], jobs: int, log: Path
) -> Iterator[Done]:
    """Each file's result as it comes, under a progress bar, and logged."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("files", total=len(plan))
        todo = []
        for job in plan:
            known = before.get(str(job.out))
            if (
                known is not None
                and job.out.is_file()
                and (picture_of(job.out).is_file() or not order.plot)
                and job.file.is_file()
                and known.sha256 == sha256(job.file)
            ):
                known.file, known.skipped = str(job.file), True
                progress.advance(bar)
                yield known
            else:
                todo.append(job)
        for done in _parallel(todo, order, jobs):
            progress.update(bar, advance=1, description=Path(done.file).name)
            line = json_text({**asdict(done), "order": order.facts()}, indent=None)
            with log.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            yield done


def _parallel(plan: Sequence[Job], order: Order, jobs: int) -> Iterator[Done]:
    """Results from worker processes.

    A worker that dies takes its pool along. What was left is then done one by one, each in a process of its
    own, so that it is known which file it was.
    """
    if not plan:
        return
    left = {str(job.file): job for job in plan}
    try:
        for done in _pool(plan, order, min(jobs, len(plan))):
            del left[done.file]
            yield done
    except BrokenProcessPool:
        for job in left.values():
            try:
                yield from _pool([job], order, 1)
            except BrokenProcessPool:
                yield Done(str(job.file), error=f"{job.file.name}: the process that read it died")


def _pool(plan: Sequence[Job], order: Order, jobs: int) -> Iterator[Done]:
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=open_model, initargs=(order,))
    try:
        waiting: set[Future[Done]] = {pool.submit(one, job) for job in plan}
        while waiting:
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                yield future.result()
    except SystemExit:  # a worker heard of Ctrl-C before this process did
        raise KeyboardInterrupt from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _finished(log: Path, order: Order) -> dict[str, Done]:
    """What the log says is done with this very order, by result file; a line cut off counts for nothing."""
    found: dict[str, Done] = {}
    if not log.is_file():
        return found
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            said = json.loads(line)
            facts = said.pop("order")
            done = Done(**said)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if done.error:
            continue
        if facts == finite(order.facts()):
            found[done.out] = done
        else:
            found.pop(done.out, None)
    return found
