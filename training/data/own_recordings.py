"""Own recordings, in any container that `ppgfast.read` opens, with a table of who and what is in them."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ppgfast

from .errors import DataError
from .files import damaged
from .recording import DataSet, Labels, Record, Recording

TABLE = "labels.csv"
TASKS = ("hr", "af")
COLUMNS = ("file", "subject", "time", "start", "end", *TASKS)
LAYOUT = f"recordings and {TABLE} with the columns file, subject, time or start and end, and hr or af"
SLACK = 1.0  # s that an accelerometer may lack at either end of the PPG


@dataclass(frozen=True)
class Readings:
    """values[i] was read at times[i] s, ascending: a window gets the mean of its own, or with codes the one.

    NaN where codes differ, or where nothing was read for more than `longest_gap` s.
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    codes: bool
    longest_gap: float = 3.0

    def of(self, starts: np.ndarray, seconds: float) -> NDArray[np.float64]:
        first, last = np.searchsorted(self.times, starts), np.searchsorted(self.times, starts + seconds)
        found = np.full(len(starts), np.nan)
        for k, (a, b) in enumerate(zip(first, last, strict=True)):
            gaps = np.diff(np.concatenate([[starts[k]], self.times[a:b], [starts[k] + seconds]]))
            if b > a and gaps.max() <= self.longest_gap:
                found[k] = _one(self.values[a:b], np.ones(b - a), self.codes)
        return found


@dataclass(frozen=True)
class Stretches:
    """values[i] holds from starts[i] to ends[i] s, one behind the other: a window gets their mean over its
    time, or with codes the one; NaN where codes differ, or where it is not covered as a whole."""

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    values: NDArray[np.float64]
    codes: bool

    def of(self, starts: np.ndarray, seconds: float) -> NDArray[np.float64]:
        found = np.full(len(starts), np.nan)
        for k, start in enumerate(starts):
            inside = np.minimum(self.ends, start + seconds) - np.maximum(self.starts, start)
            covers = inside > 0
            if inside[covers].sum() >= seconds - 1e-6:
                found[k] = _one(self.values[covers], inside[covers], self.codes)
        return found


def _one(values: NDArray, weights: NDArray, codes: bool) -> float:
    """The weighted mean, or for codes the value if there is only one."""
    if codes:
        return float(values[0]) if (values == values[0]).all() else float("nan")
    return float(np.average(values, weights=weights))


@dataclass(frozen=True)
class Row:
    """A line of the table: NaN where a cell is empty."""

    line: int
    subject: str
    time: float
    start: float
    end: float
    hr: float
    af: float


def records(folder: Path, channel: str | None = None) -> dict[str, Record]:
    """A record per file of the table, in its order; `channel` is the name of the PPG's column in each."""
    table = Path(folder or "") / TABLE
    if not folder or not table.is_file():
        raise DataError(f"source {folder} has no {TABLE}: give a folder with {LAYOUT}")
    found = {}
    for name, rows in _rows(table).items():
        path = table.with_name(name)
        if not path.is_file():
            raise DataError(f"{table}, line {rows[0].line}: there is no file {name} beside it")
        parts = (part for part in path.parent.glob(f"{path.stem}.*") if part.is_file())
        files = tuple(dict.fromkeys((table, path, *sorted(parts))))  # a WFDB header has signals beside it
        found[name] = Record(files, partial(_read, table, name, rows, channel))
    return found


def _rows(table: Path) -> dict[str, list[Row]]:
    """The lines of the table by file."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise damaged(table, error) from error
    names = [name.strip() for name in lines[0]] if lines else []
    if odd := [name for name in names if name not in COLUMNS]:
        raise DataError(f"{table} has a column {odd[0]!r}, expected some of {', '.join(COLUMNS)}")
    if lacking := [name for name in ("file", "subject") if name not in names]:
        raise DataError(f"{table} has no column {lacking[0]}: it says whose recording is where")
    rows: dict[str, list[Row]] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            raise DataError(f"{table}, line {number}: {len(cells)} cells, expected {len(names)}")
        row = dict(zip(names, (cell.strip() for cell in cells), strict=True))
        name = row.pop("file")
        rows.setdefault(name, []).append(_row(table, number, row))
    if not rows:
        raise DataError(f"{table} names no recording: add a line per recording, or per stretch of one")
    return rows


def _row(table: Path, number: int, cells: dict[str, str]) -> Row:
    subject = cells.pop("subject")
    if not subject:
        raise DataError(f"{table}, line {number}: no subject; people are told apart by it, so name one")
    values = dict.fromkeys(COLUMNS[2:], float("nan"))
    for key, cell in cells.items():
        try:
            values[key] = float(cell) if cell else float("nan")
        except ValueError:
            raise DataError(f"{table}, line {number}: {key} is {cell!r}, expected a number") from None
    row = Row(number, subject, **values)
    labelled = np.isfinite([row.hr, row.af]).any()
    spans = row.end > row.start
    if labelled and spans == np.isfinite(row.time):
        raise DataError(f"{table}, line {number}: give either time, or start and a later end, in s")
    if np.isfinite(row.af) and row.af not in (0, 1):
        raise DataError(f"{table}, line {number}: af is {row.af:g}, expected 0 or 1")
    return row


def _read(table: Path, name: str, rows: Sequence[Row], channel: str | None) -> Iterator[Recording]:
    path = table.with_name(name)
    people = {row.subject for row in rows}
    if len(people) > 1:
        raise DataError(f"{table}: {name} is of {' and '.join(sorted(people))}, expected one subject")
    try:
        found = ppgfast.read(path, column=channel)
    except ppgfast.RecordingError as error:
        raise DataError(f"{path}: {error}") from None
    yield Recording(
        name=name,
        subject=rows[0].subject,
        source=path,
        ppg=_even(found)[None],
        sampling_rate=found.sampling_rate,
        labels={task: label for task in TASKS if (label := _label(table, rows, task)) is not None},
        acc=_aligned(path, found),
        acc_rate=found.acc_rate or 0.0,
    )


def _label(table: Path, rows: Sequence[Row], task: str) -> Labels | None:
    """What the table says of one file for a task."""
    known = [row for row in rows if np.isfinite(getattr(row, task))]
    if not known:
        return None
    timed = sorted((row for row in known if np.isfinite(row.time)), key=lambda row: row.time)
    if timed:
        if len(timed) < len(known):
            raise DataError(
                f"{table}, line {known[0].line}: {task} by time and by start and end; use one of them"
            )
        times, values = (np.array([getattr(row, key) for row in timed]) for key in ("time", task))
        return Readings(times, values, codes=task == "af")
    known.sort(key=lambda row: row.start)
    starts, ends, values = (np.array([getattr(row, key) for row in known]) for key in ("start", "end", task))
    overlap = np.flatnonzero(starts[1:] < ends[:-1] - 1e-6)
    if len(overlap):
        raise DataError(
            f"{table}, line {known[overlap[0] + 1].line}: begins before the stretch before it ends"
        )
    return Stretches(starts, ends, values, codes=task == "af")


def _even(found: ppgfast.Recording) -> NDArray[np.float64]:
    """Samples evenly spaced at the nominal rate, NaN where there is none."""
    if found.timestamps is None:
        return found.signal.astype(np.float64)
    at = np.rint(found.timestamps * found.sampling_rate).astype(int)
    even = np.full(at[-1] + 1, np.nan)
    even[at] = found.signal
    return even


def _aligned(path: Path, found: ppgfast.Recording) -> NDArray[np.float64] | None:
    """The accelerometer (1, 3, m) from the first sample of the PPG to the last, or None."""
    if found.acc is None or not found.acc_rate:
        return None
    rate = found.acc_rate
    first, m = round(found.acc_start * rate), max(1, round(found.duration * rate))
    at = np.arange(m) - first
    if -at[0] > SLACK * rate or at[-1] - (len(found.acc) - 1) > SLACK * rate:
        end = found.acc_start + len(found.acc) / rate
        raise DataError(
            f"{path}: the accelerometer spans {found.acc_start:.1f} to {end:.1f} s "
            f"of {found.duration:.1f} s of PPG: cut both alike, or write the file without it"
        )
    return found.acc[np.clip(at, 0, len(found.acc) - 1)].T[None]


DATA_SET = DataSet(
    name="own_recordings",
    title="Own recordings",
    tasks=TASKS,
    sampling_rate=0.0,
    layout=LAYOUT,
    licence="that of the recordings",
    citation="that of the recordings",
    records=records,
    any_channel=True,
    gaps=True,
    acc_units="g",
    note="Labels, and who is who, as the table beside the recordings says.",
)
