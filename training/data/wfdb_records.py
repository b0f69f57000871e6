"""Any folder of WFDB records (PhysioNet) with a PPG channel, read from disk by the `wfdb` library."""

import re
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError
from .files import damaged, find
from .recording import Beats, DataSet, Labels, Record, Recording, Spans

LAYOUT = "WFDB records: <record>.hea with its signal files, and annotations <record>.atr if there are any"
PPG = re.compile(r"pleth|ppg", re.IGNORECASE)
ACC = re.compile(r"acc.*[^a-z]?([xyz])$", re.IGNORECASE)

# Annotators that may stand beside a record, best first: rhythms are in atr, beats in one of them.
ANNOTATORS = ("atr", "ecg", "qrs")
# Symbols that mark a beat, from the table of annotation codes of the WFDB library.
BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")


def records(folder: Path, channel: str | None = None) -> dict[str, Record]:
    """Records by path below the folder, less the segments that a multi-segment record is made of."""
    headers = {path: _header(path) for path in find(folder, ("*.hea",), LAYOUT)}
    segments = {path.with_name(f"{name}.hea") for path, (names, _) in headers.items() for name in names}
    names = {path: path.relative_to(folder).with_suffix("").as_posix() for path in headers}
    return {
        names[path]: Record(_files(path, headers), partial(_read, names[path], path, channel))
        for path in headers
        if path not in segments
    }


def _header(path: Path) -> tuple[list[str], list[str]]:
    """Names of the record's segments and of its signal files."""
    header = _wfdb("rdheader", path)
    return list(getattr(header, "seg_name", None) or ()), list(getattr(header, "file_name", None) or ())


def _wfdb(function: str, path: Path, *arguments: Any, **options: Any) -> Any:
    """A reading function of the library on the record of header `path`; DataError if it fails for any reason.

    Its deprecation warnings, which are those of pandas below it, are no concern of the caller.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import wfdb

        try:
            return getattr(wfdb, function)(str(path.with_suffix("")), *arguments, **options)
        except Exception as error:  # many kinds, on damaged headers, signals and annotations
            what = f"{path} or a signal file that it names" if function == "rdrecord" else str(path)
            raise damaged(what, error) from error


def _files(path: Path, headers: dict[Path, tuple[list[str], list[str]]]) -> tuple[Path, ...]:
    """The header, those of segments, signal files and annotations, in that order, if they are there."""
    segments, signals = headers[path]
    files = [path]
    for segment in (path.with_name(f"{name}.hea") for name in segments):
        files += _files(segment, headers) if segment in headers else ()
    files += [path.with_name(name) for name in signals]
    files += [path.with_suffix(f".{annotator}") for annotator in ANNOTATORS]
    return tuple(file for file in dict.fromkeys(files) if file.is_file())


def _read(name: str, path: Path, channel: str | None) -> Iterator[Recording]:
    """PPG: the channel of that name, else the first whose name has `pleth` or `ppg`; accelerometer: the first
    three channels named acc...x, y, z. Samples that the format marks as invalid are missing."""
    record = _wfdb("rdrecord", path)
    names = [str(signal) for signal in record.sig_name]
    ppg = [k for k, signal in enumerate(names) if (signal == channel if channel else PPG.search(signal))]
    if not ppg:
        raise DataError(
            f"{path} has no channel {channel or 'like pleth or ppg'} (found {', '.join(names)}): set channel "
            f'or leave the record out with exclude = ["{name}"]'
        )
    signals = record.p_signal.T
    axes = {match[1].lower(): k for k in reversed(range(len(names))) if (match := ACC.search(names[k]))}
    yield Recording(
        name=name,
        subject=subject(name),
        source=path,
        ppg=signals[ppg[0]][None],
        sampling_rate=float(record.fs),
        labels=_labels(path, float(record.fs)),
        acc=signals[[axes[axis] for axis in "xyz"]][None] if len(axes) == 3 else None,
        acc_rate=float(record.fs),
    )


def subject(name: str) -> str:
    """Who a record is of: PhysioNet names start with the person, as in `s1_walk` or `p000188-2161-05-21`.

    The part before the first `_` or `-` if it has a digit, else the whole name.
    """
    stem = name.rpartition("/")[2]
    first = re.split("[_-]", stem, maxsplit=1)[0]
    return first if re.search(r"\d", first) else stem


def _labels(path: Path, rate: float) -> dict[str, Labels]:
    """Heart rate from annotated beats and AF from annotated rhythms, where there are any."""
    labels: dict[str, Labels] = {}
    for annotator in ANNOTATORS:
        file = path.with_suffix(f".{annotator}")
        if not file.is_file():
            continue
        notes = _wfdb("rdann", file, annotator)
        times = notes.sample / (notes.fs or rate)
        beats = np.isin(notes.symbol, list(BEATS))
        if beats.any():
            labels.setdefault("hr", Beats(np.sort(times[beats])))
        rhythms = [text.rstrip("\x00") for text in notes.aux_note]
        starts = [k for k, text in enumerate(rhythms) if text.startswith("(")]
        if starts:
            labels.setdefault(
                "af", Spans(times[starts], np.array([rhythms[k] == "(AFIB" for k in starts], float))
            )
    return labels


DATA_SET = DataSet(
    name="wfdb_records",
    title="WFDB records",
    tasks=("hr", "af"),
    sampling_rate=0.0,
    layout=LAYOUT,
    licence="that of the records",
    citation="that of the records; A. L. Goldberger et al., PhysioBank, PhysioToolkit, and PhysioNet, "
    "Circulation 101(23), 2000",
    records=records,
    any_channel=True,
    gaps=True,
    acc_units="as published",
    note="Heart rate from annotated beats, AF from annotated rhythms, none where a window has two. "
    "Records are of one person if their names begin alike, up to the first _ or -.",
)
