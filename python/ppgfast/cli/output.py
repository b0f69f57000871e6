"""How commands speak: tables for people and JSON for machines on stdout, errors on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .saving import json_text
from .words import as_options

FAILED = 1

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def say_json(value: Any) -> None:
    typer.echo(json_text(value))


def say_table(rows: Sequence[Mapping[str, Any]], *, title: str | None = None) -> None:
    """Rows of the same keys, as wide as they are where nobody looks: lines of a pipe are not cut."""
    console = Console(soft_wrap=True)
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for i, key in enumerate(rows[0]):
        table.add_column(key, overflow="fold", justify="right" if i and _numeric(rows, key) else "left")
    for row in rows:
        table.add_row(*(escape(cell_text(value)) for value in row.values()))
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)


def say_pairs(pairs: Mapping[str, Any]) -> None:
    """One `name  value` a line."""
    width = max(len(name) for name in pairs)
    console = Console(soft_wrap=True, highlight=False)
    for name, value in pairs.items():
        console.print(f"[bold]{escape(name):<{width}}[/]  {escape(cell_text(value))}")


def cell_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


def _numeric(rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    return all(isinstance(row[key], (int, float)) and not isinstance(row[key], bool) for row in rows)


def say_error(text: str) -> None:
    Console(stderr=True, highlight=False).print(
        f"[bold red]error:[/] {escape(as_options(text))}", soft_wrap=True
    )


def say_warning(text: str) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(f"[bold yellow]warning:[/] {escape(as_options(text))}", soft_wrap=True)


def usage(text: str) -> typer.BadParameter:
    """What is wrong with the command itself: exit status 2."""
    return typer.BadParameter(text)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Errors that a user can mend are one sentence and exit status 1, no traceback."""
    try:
        yield
    except (ValueError, OSError, ModuleNotFoundError) as error:
        say_error(str(error))
        raise typer.Exit(FAILED) from None
