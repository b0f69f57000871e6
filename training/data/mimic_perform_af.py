"""MIMIC PERform AF: 20 minutes of finger PPG of 35 intensive-care patients, in atrial fibrillation or not."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from .errors import DataError
from .files import beside, check_times, damaged, find, read_csv
from .recording import DataSet, PerSegment, Record, Recording

RATE = 125.0
LAYOUT = (
    "mimic_perform_af_csv/mimic_perform_af_001_data.csv, "
    "mimic_perform_non_af_csv/mimic_perform_non_af_001_data.csv and so on, each with its _fix.txt"
)


def records(folder: Path, channel: str | None = None) -> dict[str, Record]:
    data = find(folder, ("mimic_perform_af_*_data.csv", "mimic_perform_non_af_*_data.csv"), LAYOUT)
    pairs = [(path, beside(path, path.name.replace("_data.csv", "_fix.txt"))) for path in data]
    return {
        path.name.removesuffix("_data.csv"): Record((path, fix), partial(_read, path, fix))
        for path, fix in pairs
    }


def _read(path: Path, fix: Path) -> Iterator[Recording]:
    """Column PPG at 125 Hz, AF or not throughout, by the file's name; subject and rate as _fix.txt states."""
    columns, facts = read_csv(path, ["Time", "PPG"]), _facts(fix)
    check_times(path, columns["Time"], RATE)
    stated = re.match(r"[\d.]+", facts.get("sampling frequency", ""))
    if stated and float(stated[0]) != RATE:
        raise DataError(f"{fix} states {stated[0]} Hz, expected {RATE:g} Hz: use the published files")
    name = path.name.removesuffix("_data.csv")
    yield Recording(
        name=name,
        subject=facts.get("original subject id") or name,
        source=path,
        ppg=columns["PPG"][None],
        sampling_rate=RATE,
        labels={"af": PerSegment(np.array(["non_af" not in name]))},
    )


def _facts(path: Path) -> dict[str, str]:
    """`Key: value` lines, keys in lower case."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path, error) from error
    pairs = (line.partition(":") for line in lines)
    return {key.strip().lower(): value.strip() for key, colon, value in pairs if colon}


DATA_SET = DataSet(
    name="mimic_perform_af",
    title="MIMIC PERform AF Dataset",
    tasks=("af",),
    sampling_rate=RATE,
    layout=LAYOUT,
    licence="ODbL 1.0",
    citation="P. H. Charlton et al., Detecting beats in the photoplethysmogram: benchmarking open-source "
    "algorithms, Physiol. Meas. 43, 085007, 2022, doi:10.1088/1361-6579/ac826d",
    records=records,
    gaps=True,
    window=(30.0, 30.0),
    note="One label per recording, from its name.",
)
