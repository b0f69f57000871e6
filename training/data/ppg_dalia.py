"""PPG-DaLiA: wrist PPG and accelerometer of 15 people through two hours of daily life."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError
from .files import check_labels, find, read_pickle, window_count
from .recording import DataSet, PerWindow, Record, Recording, Sampled

RATE, ACC_RATE, ACTIVITY_RATE = 64.0, 32.0, 4.0
WINDOW, HOP = 8.0, 2.0
LAYOUT = "S1/S1.pkl to S15/S15.pkl"
ACTIVITIES = {
    0: "transient",
    1: "sitting",
    2: "stairs",
    3: "table soccer",
    4: "cycling",
    5: "driving",
    6: "lunch break",
    7: "walking",
    8: "working",
}


def records(folder: Path, channel: str | None = None) -> dict[str, Record]:
    found = find(folder, ("S[0-9].pkl", "S[0-9][0-9].pkl"), LAYOUT)
    found.sort(key=lambda path: int(path.stem[1:]))
    return {path.stem: Record((path,), partial(_read, path)) for path in found}


def _read(path: Path) -> Iterator[Recording]:
    """BVP (n, 1) at 64 Hz, ACC (m, 3) at 32 Hz, label (k,) of each window, activity (j, 1) at 4 Hz."""
    content = read_pickle(path)
    wrist = _entry(path, _entry(path, content, "signal", Mapping), "wrist", Mapping)
    bvp, acc = _columns(path, wrist, "BVP", 1), _columns(path, wrist, "ACC", 3)
    activity, label = _columns(path, content, "activity", 1), _columns(path, content, "label", 1)
    for name, x, rate in (("ACC", acc, ACC_RATE), ("activity", activity, ACTIVITY_RATE)):
        if abs(x.shape[1] / rate - bvp.shape[1] / RATE) > 1:
            raise DataError(
                f"{path}: for BVP at {RATE:g} Hz, {name} runs at {RATE * x.shape[1] / bvp.shape[1]:.3g} Hz, "
                f"expected {rate:g} Hz: one of them is resampled or cut short, use the published file"
            )
    windows = window_count(bvp.shape[1], RATE, WINDOW, HOP)
    # Whether the last window may end beyond the signal is not documented: one more or less is no damage.
    check_labels(path, label.shape[1], windows, RATE, "windows", slack=1)
    yield Recording(
        name=path.stem,
        subject=path.stem,
        source=path,
        ppg=bvp,
        sampling_rate=RATE,
        labels={"hr": PerWindow(label[0], WINDOW, HOP)},
        acc=acc[None],
        acc_rate=ACC_RATE,
        activity=Sampled(activity[0], ACTIVITY_RATE, codes=True),
    )


def _entry(path: Path, content: Any, key: str, kind: type) -> Any:
    if not isinstance(content, Mapping) or not isinstance(content.get(key), kind):
        raise DataError(f"{path} has no {key!r}: use the published file")
    return content[key]


def _columns(path: Path, content: Any, key: str, n: int) -> np.ndarray:
    """`content[key] (samples, n)` or `(samples,)` as float64 (n, samples)."""
    values = _entry(path, content, key, np.ndarray)
    if values.dtype.kind not in "iuf" or values.ndim not in (1, 2) or values.size != len(values) * n:
        raise DataError(
            f"{path}: {key} is {values.dtype} {values.shape}, expected (samples, {n}): use the published file"
        )
    return values.reshape(-1, n).T.astype(np.float64)


DATA_SET = DataSet(
    name="ppg_dalia",
    title="PPG-DaLiA",
    tasks=("hr",),
    sampling_rate=RATE,
    layout=LAYOUT,
    licence="CC BY 4.0",
    citation="A. Reiss, I. Indlekofer, P. Schmidt, K. Van Laerhoven, Deep PPG, Sensors 19(14), 2019, "
    "doi:10.3390/s19143079",
    records=records,
    activities=ACTIVITIES,
    window=(WINDOW, HOP),
    acc_units="g",
    note="Heart rate from the chest ECG.",
)
