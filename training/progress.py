"""Progress bars and atomic files, used by every verb."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ppgfast.cli.saving import write_atomically


def default_console() -> Console:
    """Messages and bars go to stderr, so tables and JSON on stdout can be piped."""
    return Console(stderr=True)


class Bar:
    """One progress bar with a text behind it."""

    def __init__(self, progress: Progress, description: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total, note="")

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        if note is None:
            self._progress.update(self._task, advance=steps)
        else:
            self._progress.update(self._task, advance=steps, note=note)

    def milestone(self, note: str) -> None:
        """Show the note; where no bar can move, in a log file, print it as a line of its own."""
        self.advance(0, note=note)
        if not self._progress.console.is_terminal:
            self._progress.console.print(note, soft_wrap=True)


@contextmanager
def bar(console: Console | None, description: str, total: int) -> Iterator[Bar]:
    """A bar for `total` steps; shows steps, time left and the latest note."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console or default_console()) as progress:
        yield Bar(progress, description, total)


def write_json(path: Path, value: Any) -> None:
    """Indented JSON, written atomically; NaN is refused because it is not JSON."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
