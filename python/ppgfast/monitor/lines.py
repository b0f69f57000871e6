"""Samples as lines of text, as sensors and other programs print them: `value`, or `time,value,ax,ay,az`.

A pipe has no end to look at and cannot be asked again, so a line that cannot be read is named, counted as a
missing sample, and the next one is read.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ppgfast.io import names
from ppgfast.io.recording import Channel, in_memory

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}  # of time stamps, in s
HEAD = 5  # lines that are looked at before it is decided what a line holds: the first may be half a line
HOPELESS = 100  # lines of which none could be read: this is something else
NAMED = 10  # lines that are complained of one by one
LONGEST = 4096  # bytes of a line
MISSING = frozenset((b"", b"nan", b"na", b"n/a", b"null", b"none", b"-"))
EXPECTED = "`value`, `time,value`, `value,ax,ay,az` or `time,value,ax,ay,az`"
_RATE = re.compile(rb"sampl\w*[ _-]?(?:rate|freq\w*)\W{0,4}(\d+(?:\.\d+)?)", re.IGNORECASE)
_NAN = math.nan
_NOTHING = np.empty(0)


class Row(NamedTuple):
    """One line: its number from 1, time in s, PPG, acceleration in g; NaN where it is missing."""

    line: int
    time: float
    ppg: float
    x: float
    y: float
    z: float


@dataclass(frozen=True)
class Wanted:
    """What the user says of the lines, to be believed over them: unit of time, names of columns."""

    time_unit: str | None = None
    column: str | None = None
    acc_columns: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Layout:
    """Which cell of a line is what; `scale` is the unit of time in s."""

    delimiter: bytes | None
    cells: int
    ppg: int
    time: int | None
    acc: tuple[int, ...]
    scale: float


class Lines:
    """`feed` bytes as they come, in any pieces; `finish` when there are no more.

    `layout` is None until the first lines have been seen; `rate` is the Hz that a comment stated, or None.
    `complain` is called with one sentence for each line that cannot be read, up to ten, and with their
    number at the end.
    """

    def __init__(self, wanted: Wanted, complain: Callable[[str], None]) -> None:
        self.layout: Layout | None = None
        self.rate: float | None = None
        self.lines = self.bad = 0
        self._wanted, self._complain = wanted, complain
        self._head: list[tuple[int, bytes]] = []
        self._rest = b""
        self._good = False
        self._cut = False  # the line that is coming is too long and has been dropped so far

    def feed(self, data: bytes) -> list[Row]:
        """The rows of the lines that these bytes complete; ValueError if there is no sense in them."""
        *whole, rest = (self._rest + data).split(b"\n")
        rows: list[Row] = []
        for line in whole:
            rows += self._line(b"\0" if self._cut else line)
            self._cut = False
        self._cut |= len(rest) > LONGEST
        self._rest = b"" if self._cut else rest
        return rows

    def finish(self) -> list[Row]:
        """The rows that are left; the last line may lack its end."""
        rows = self._line(b"\0" if self._cut else self._rest) if self._cut or self._rest else []
        self._rest, self._cut = b"", False
        if self._head:
            rows += self._decide()
        if self.bad:
            self._complain(f"{self.bad:,} of {self.lines:,} lines could not be read")
        return rows

    def _line(self, line: bytes) -> list[Row]:
        self.lines += 1
        line = line.removeprefix(b"\xef\xbb\xbf").strip() if self.lines == 1 else line.strip()
        if not line:
            return []
        if line.startswith(b"#"):
            stated = _RATE.search(line)
            self.rate = self.rate or (float(stated[1]) if stated else None)
            return []
        if self.layout is not None:
            return [self._row(self.layout, self.lines, line)]
        self._head.append((self.lines, line))
        return self._decide() if len(self._head) == HEAD else []

    def _decide(self) -> list[Row]:
        """The layout by the first lines, and their rows."""
        head, self._head = self._head, []
        delimiter = _delimiter([line for _, line in head])
        cells = Counter(len(line.split(delimiter)) for _, line in head).most_common(1)[0][0]
        titles = [_text(cell) for cell in head[0][1].split(delimiter)]
        numbers = [_number(title.encode()) for title in titles]
        if None in numbers and not any(number is not None and math.isfinite(number) for number in numbers):
            self.layout = _named(titles, delimiter, self._wanted)
            head = head[1:]
        else:
            self.layout = _counted(cells, delimiter, self._wanted)
        return [self._row(self.layout, number, line) for number, line in head]

    def _row(self, layout: Layout, number: int, line: bytes) -> Row:
        cells = line.split(layout.delimiter)
        if len(cells) != layout.cells or len(line) > LONGEST:
            return self._malformed(number, line, f"has {len(cells)} values, expected {layout.cells}")
        found = [_number(cells[i]) for i in (layout.ppg, *layout.acc)]
        time: float | None = _NAN
        if layout.time is not None:
            time = _number(cells[layout.time])
            time = time * layout.scale if time is not None and math.isfinite(time) else None
        if time is None or None in found:
            self._malformed(
                number, line, "has no time" if time is None else "holds something that is no number"
            )
        else:
            self._good = True
        values = [_NAN if value is None else value for value in found] + [_NAN] * (3 - len(layout.acc))
        return Row(number, _NAN if time is None else time, *values)

    def _malformed(self, number: int, line: bytes, why: str) -> Row:
        self.bad += 1
        if self.bad == HOPELESS and not self._good:
            raise ValueError(f"none of the first {HOPELESS} lines holds a sample: expected {EXPECTED}")
        if self.bad <= NAMED:
            last = "; more such lines are counted, not named" if self.bad == NAMED else ""
            self._complain(f"line {number}: {_text(line[:40])!r} {why}: a missing sample{last}")
        return Row(number, *[_NAN] * 5)


def _text(cell: bytes) -> str:
    return cell.decode("utf-8", "replace").strip().strip("'\"")


def _number(cell: bytes) -> float | None:
    """The number in a cell, NaN where it says that there is none, None for anything else."""
    try:
        return float(cell)
    except ValueError:
        return _NAN if cell.strip().lower() in MISSING else None


def _delimiter(lines: Sequence[bytes]) -> bytes | None:
    for delimiter in (b",", b";", b"\t"):
        if 2 * sum(delimiter in line for line in lines) > len(lines):
            return delimiter
    return None


def _scale(wanted: Wanted, title: str = "") -> float:
    unit = wanted.time_unit or names.unit_in(title) or "s"
    if unit not in UNITS:
        raise ValueError(f"the time is in {unit!r}, expected one of {', '.join(UNITS)}: state --time-unit")
    return UNITS[unit]


def _counted(cells: int, delimiter: bytes | None, wanted: Wanted) -> Layout:
    """Lines without titles: their number of values tells what they are."""
    if wanted.column or wanted.acc_columns:
        raise ValueError("--column and --acc-columns are names of a header, and the lines begin without one")
    if cells not in (1, 2, 4, 5):
        raise ValueError(f"lines have {cells} values, expected {EXPECTED}, or a header that names them")
    with_time = cells in (2, 5)
    ppg = int(with_time)
    acc = tuple(range(ppg + 1, ppg + 4)) if cells > 2 else ()
    return Layout(delimiter, cells, ppg, 0 if with_time else None, acc, _scale(wanted))


def _named(titles: list[str], delimiter: bytes | None, wanted: Wanted) -> Layout:
    """Lines below titles: the PPG, the time and the axes by name, as in files."""
    channels = [in_memory(title, _NOTHING) for title in titles]
    time = names.time_channel(channels)
    triples = [wanted.acc_columns] if wanted.acc_columns else names.acc_triples(channels)
    axes = triples[0] if len(triples) == 1 else ()
    for name in (*axes, *([wanted.column] if wanted.column else [])):
        if name not in titles:
            raise ValueError(f"there is no column {name!r}: the header has {', '.join(titles)}")
    for name in axes:
        if names.unit_in(name) not in ("", "g"):
            raise ValueError(f"column {name!r} is not in g: convert it, or leave it out of the lines")
    used = {*axes, time.name if time else ""}
    ppg = wanted.column or _ppg([channel for channel in channels if channel.name not in used], titles)
    return Layout(
        delimiter,
        len(titles),
        titles.index(ppg),
        titles.index(time.name) if time else None,
        tuple(titles.index(name) for name in axes),
        _scale(wanted, time.name if time else ""),
    )


def _ppg(channels: Sequence[Channel], titles: Sequence[str]) -> str:
    best = names.best_ppg(channels)
    if not best:
        best = [c for c in channels if not names.is_counter(c.name) and not names.says_other(c.name)]
    if len(best) != 1:
        raise ValueError(f"no single column of {', '.join(titles)} says PPG: state --column")
    return best[0].name
