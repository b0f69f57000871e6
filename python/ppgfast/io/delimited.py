"""CSV and its relatives, Polar's logs among them: delimiter, header, units, decimal comma are detected."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ppgfast.errors import RecordingError

from . import names
from .recording import Array, Channel, Content, in_memory

HEAD_BYTES = 1 << 16
HEAD_LINES = 200
MAX_COLUMNS = 10_000
DELIMITERS = (";", "\t", "|", ",", " ")
COMMENTS = ("#", "%", "//")
_RATE = re.compile(
    r"(?:sampl\w*[ _-]?(?:rate|freq\w*)|\bfs\b|\bsrate\b)\W{0,4}(?:\(?hz\)?)?\W{0,4}(\d+(?:\.\d+)?(?:e\d+)?)",
    re.IGNORECASE,
)
_MISSING = frozenset(("", "nan", "na", "n/a", "null", "none", "-"))
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$")
_POLAR_TIME = "sensor timestamp"


@dataclass(frozen=True)
class Layout:
    """How to read the file's lines."""

    delimiter: str
    decimal: str
    skip: int  # lines before the first sample
    columns: tuple[str, ...]
    units: tuple[str, ...]
    rate: float | None
    encoding: str


def content(path: Path, kind: str, limit: int) -> Content:
    from . import empatica

    head, size = _head(path)
    if empatica.is_e4(head):
        return empatica.one_file(path, limit)
    return table(path, layout(path.name, head, size))


def _head(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES), path.stat().st_size


def layout(name: str, head: bytes, size: int) -> Layout:
    """Finds the layout in the file's first bytes."""
    encoding = _encoding(head)
    lines = head.decode(encoding, errors="ignore").splitlines()
    if size > len(head):
        lines = lines[:-1]  # it may be half a line
    lines = lines[:HEAD_LINES]
    rate, comments = None, 0
    while comments < len(lines) and (not lines[comments].strip() or lines[comments].startswith(COMMENTS)):
        comments += 1
    for line in lines[:comments]:
        rate = rate or _rate_in(line)
    body = lines[comments:]
    if not body:
        raise RecordingError(
            f"{name}: it has no row within its first {len(head):,} bytes: expected one sample a row"
        )
    delimiter, width = _delimiter(body)
    if width > MAX_COLUMNS or (len(body) == 1 and width > 50):
        raise RecordingError(
            f"{name}: it has rows of {width:,} fields, expected one sample a row: transpose it"
        )
    preamble = 0
    while len(_fields(body[preamble], delimiter)) != width or (
        _rate_in(body[preamble]) and len(body) > preamble + 1
    ):
        rate = rate or _rate_in(body[preamble])
        preamble += 1
    rows = [_fields(line, delimiter) for line in body[preamble:] if line.strip()]
    decimal = _decimal(rows, delimiter)
    titles = 0
    while titles < min(2, len(rows)) and not any(_is_value(cell, decimal) for cell in rows[titles] if cell):
        titles += 1
    if titles == len(rows):
        raise RecordingError(f"{name}: no row of numbers follows its header {', '.join(rows[0])[:80]!r}")
    columns = rows[0] if titles else [f"column {i}" for i in range(width)]
    units = rows[1] if titles == 2 else [""] * width
    return Layout(
        delimiter, decimal, comments + preamble + titles, _unique(columns), tuple(units), rate, encoding
    )


def table(path: Path, shape: Layout, *, plain: bool = False) -> Content:
    """All columns of a file in that layout; unless `plain`, Polar's logs and a time without name are seen."""
    import pandas as pd

    _check_last_line(path, shape)
    frame = pd.read_csv(
        path,
        sep=r"\s+" if shape.delimiter == " " else shape.delimiter,
        header=None,
        names=list(shape.columns),
        index_col=False,
        skiprows=shape.skip,
        decimal=shape.decimal,
        encoding=shape.encoding,
        na_values=["-"],
        skipinitialspace=True,
        low_memory=False,
        float_precision="round_trip",
        memory_map=False,
    )
    channels: list[Channel] = []
    for name, unit in zip(shape.columns, shape.units, strict=True):
        column = frame[name]
        if name.startswith("column ") and column.isna().all():
            continue  # what a delimiter at the end of each row makes
        values = column.to_numpy()
        channels.append(in_memory(name, values, units=unit, dated=_is_dated(values)))
    found = Content("csv", tuple(channels), table=True, rate=shape.rate)
    if plain or not channels:
        return found
    if any(names.plain(name).startswith(_POLAR_TIME) for name in shape.columns):
        return _polar(path, found)
    return found if names.time_channel(channels) else _unnamed_time(found)


def _polar(path: Path, found: Content) -> Content:
    """A log of Polar's sensors: PPG in channels 0 to 2; the accelerometer's own log lies beside it."""
    phone = next((c for c in found.channels if names.plain(c.name).startswith("phone")), None)
    time = next(c for c in found.channels if names.plain(c.name).startswith(_POLAR_TIME))
    nanoseconds = time.load()
    if nanoseconds.dtype.kind not in "iu" or len(nanoseconds) == 0:
        raise RecordingError(
            f"{path.name}: its {time.name!r} is no whole number of ns: it was cut short or edited"
        )
    begin = nanoseconds[0]  # ns since 2000, which is no date for anybody else
    others = tuple(c for c in found.channels if c not in (phone, time))
    ppg = next((c.name for c in others if names.plain(c.name) in ("channel 0", "ppg0")), None)
    start = str(phone.load()[0]) if phone is not None else None
    found = replace(
        found,
        format="polar",
        channels=(in_memory(time.name, nanoseconds - begin), *others),
        ppg=ppg,
        start=start,
    )
    beside = path.with_name(re.sub(r"_PPG(?=\.\w+$)", "_ACC", path.name))
    if ppg is None or beside == path or not beside.is_file():
        return found
    log = table(beside, layout(beside.name, *_head(beside)), plain=True)
    axes, moment = names.acc_triples(log.channels), names.time_channel(log.channels)
    if len(axes) != 1 or moment is None or not moment.numeric:
        return replace(found, notes=(f"{beside.name} is no accelerometer log and not used",))
    seconds = (moment.load() - begin).astype(np.float64) * 1e-9
    motion = [replace(c, times=seconds) for c in log.channels if c.name in axes[0]]
    return replace(found, channels=(*found.channels, *motion), acc=axes[0])


def _unnamed_time(found: Content) -> Content:
    """Without header, a first column that rises evenly beside others is the time."""
    first = found.channels[0]
    if len(found.channels) == 1 or not first.numeric or not first.name.startswith("column "):
        return found
    steps = np.diff(first.load().astype(np.float64))
    if len(steps) < 2 or not (steps > 0).all() or (steps == 1).all() or steps.max() > 3 * np.median(steps):
        return found
    return replace(found, channels=(replace(first, name="time"), *found.channels[1:]))


def _is_dated(values: Array) -> bool:
    """Whether the first and the last cell are dates with a time of day."""
    if values.dtype.kind != "O" or not len(values):
        return False
    return all(
        isinstance(cell, str) and len(cell) > 10 and bool(_DATE.match(cell)) for cell in values[[0, -1]]
    )


def _encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        io.TextIOWrapper(io.BytesIO(head[:-4] if len(head) == HEAD_BYTES else head), "utf-8").read()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


def _delimiter(lines: list[str]) -> tuple[str, int]:
    """The delimiter that gives most lines one number of fields above 1, and that number; else one field."""
    best, width, agreed = ",", 1, 0
    for delimiter in DELIMITERS:
        counts = Counter(len(_fields(line, delimiter)) for line in lines if line.strip())
        fields, lines_with = counts.most_common(1)[0]
        if fields > 1 and lines_with > agreed:
            best, width, agreed = delimiter, fields, lines_with
    return best, width


def _fields(line: str, delimiter: str) -> list[str]:
    if delimiter == " ":
        return line.split()
    return [cell.strip().strip("'\"") for cell in next(csv.reader([line], delimiter=delimiter), [])]


def _decimal(rows: list[list[str]], delimiter: str) -> str:
    if delimiter == ",":
        return "."
    cells = [cell for row in rows for cell in row]
    commas = sum(bool(re.fullmatch(r"[+-]?\d*,\d+(e[+-]?\d+)?", cell, re.IGNORECASE)) for cell in cells)
    return "," if commas > sum(bool(re.fullmatch(r"[+-]?\d*\.\d+\S*", cell)) for cell in cells) else "."


def _is_value(cell: str, decimal: str) -> bool:
    """Whether a cell is a sample or a time, not a name."""
    if cell.lower() in _MISSING or _DATE.match(cell):
        return True
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return False
    return True


def _rate_in(line: str) -> float | None:
    found = _RATE.search(line)
    return float(found[1]) if found else None


def _unique(columns: list[str]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    out = []
    for i, name in enumerate(columns):
        name = name or f"column {i}"
        out.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return tuple(out)


def _check_last_line(path: Path, shape: Layout) -> None:
    """A last row with fewer fields than the others, and no end of line, was cut off."""
    if shape.encoding == "utf-16":
        return
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - HEAD_BYTES))
        tail = file.read()
    last = tail.decode(shape.encoding, errors="ignore").splitlines()[-1]
    if not tail.endswith((b"\n", b"\r")) and len(_fields(last, shape.delimiter)) != len(shape.columns):
        raise RecordingError(f"{path.name}: it ends in the middle of a row: it is cut short, copy it again")
