"""Liu et al. 2022: 10 s PPG segments of 28 patients, labelled with one of six rhythms by cardiologists."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from .errors import DataError
from .files import check_labels, find, read_mat
from .recording import DataSet, PerSegment, Record, Recording

RATE = 100.0
SAMPLES = 1000
LAYOUT = "one MATLAB file per patient (MPA_*.mat) with ppgseg and labels"
RHYTHMS = {0: "sinus", 1: "PVC", 2: "PAC", 3: "VT", 4: "SVT", 5: "AF"}
AF = 5


def records(folder: Path, channel: str | None = None) -> dict[str, Record]:
    return {path.stem: Record((path,), partial(_read, path)) for path in find(folder, ("MPA_*.mat",), LAYOUT)}


def _read(path: Path) -> Iterator[Recording]:
    """`ppgseg` (S, 1000) at 100 Hz, each segment scaled to [0, 1] as published; `labels` (S, 1).

    Label `af`: AF against all other rhythms; the rhythm itself is kept as activity.
    """
    content = read_mat(path, ["ppgseg", "labels"])
    segments, rhythm = content["ppgseg"], content["labels"].ravel()
    if segments.ndim != 2 or segments.shape[1] != SAMPLES:
        raise DataError(
            f"{path}: ppgseg is {segments.shape}, expected (segments, {SAMPLES}), 10 s at {RATE:g} Hz: "
            "use the published file"
        )
    check_labels(path, len(rhythm), len(segments), RATE, "segments")
    if odd := set(rhythm.tolist()) - set(RHYTHMS):
        raise DataError(f"{path} has rhythms {sorted(odd)}, expected 0 to {AF}: use the published file")
    yield Recording(
        name=path.stem,
        subject=path.stem,
        source=path,
        ppg=segments.astype(np.float64),
        sampling_rate=RATE,
        labels={"af": PerSegment(rhythm == AF)},
        activity=PerSegment(rhythm),
    )


DATA_SET = DataSet(
    name="liu2022",
    title="Liu et al. 2022, arrhythmia PPG, the published list of 28 patients",
    tasks=("af",),
    sampling_rate=RATE,
    layout=LAYOUT,
    licence="none stated; research use with citation",
    citation="Z. Liu et al., Multiclass arrhythmia detection and classification from photoplethysmography "
    "signals using a deep convolutional neural network, J. Am. Heart Assoc. 11(7), 2022, "
    "doi:10.1161/JAHA.121.023555",
    records=records,
    activities=RHYTHMS,
    window=(10.0, 10.0),
    note="AF against all other rhythms. Segments are scaled one by one as published, and whether they follow "
    "each other is not documented: t_start counts segments, 10 s each.",
)
