"""Columns of equal length, with pandas, polars or neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Table:
    """What the verbs return: ``table["hr_bpm"]`` is a column (n,), ``len(table)`` the number of rows.

    ``to_pandas()`` and ``to_polars()`` give a data frame, ``to_dict()`` the columns, ``rows()`` one dict per
    row. `info` says what made the table.
    """

    def __init__(self, columns: Mapping[str, Array], info: Mapping[str, Any] | None = None) -> None:
        self._columns = dict(columns)
        lengths = {len(column) for column in self._columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"columns have {sorted(lengths)} rows, expected as many in each")
        self._rows = lengths.pop() if lengths else 0
        self.info: dict[str, Any] = dict(info or {})

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self._columns)

    def keys(self) -> tuple[str, ...]:
        """The same, as a dict has it."""
        return self.columns

    def __getitem__(self, name: str) -> Array:
        if not isinstance(name, str):
            first = next(iter(self._columns), "name")
            raise TypeError(
                f"a table is asked by a {type(name).__name__}, expected a column by its name: choose rows in "
                f"a column, as in table[{first!r}][:10], or in table.to_pandas()"
            )
        if name not in self._columns:
            raise KeyError(f"no column {name!r}: there are {', '.join(self._columns)}")
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return self._rows

    def to_dict(self) -> dict[str, Array]:
        """The columns by name."""
        return dict(self._columns)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``; needs pandas."""
        return _library("pandas").DataFrame(self._columns)

    def to_polars(self) -> Any:
        """A ``polars.DataFrame``; needs polars."""
        return _library("polars").DataFrame(self._columns)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row as a dict of plain Python values."""
        names = self.columns
        for values in zip(*(column.tolist() for column in self._columns.values()), strict=True):
            yield dict(zip(names, values, strict=True))

    def __repr__(self) -> str:
        shown = [list(self.columns)]
        picked = range(self._rows) if self._rows <= 8 else (*range(4), *range(self._rows - 4, self._rows))
        shown += [[_text(column[i]) for column in self._columns.values()] for i in picked]
        if self._rows > 8:
            shown.insert(5, ["..."] * len(self._columns))
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in shown]
        return "\n".join([*lines, f"[{self._rows} rows]"])


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModuleNotFoundError(
            f"to_{name}() needs {name}, which is not installed: pip install {name}; to_dict() "
            "gives the columns without it",
            name=name,
        ) from None


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, np.floating) else str(value)
