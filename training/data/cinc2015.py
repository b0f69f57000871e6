"""PhysioNet/CinC Challenge 2015: finger PPG of 531 intensive-care alarms, decimated to 125 Hz."""

import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from .errors import DataError
from .files import UNREADABLE, check_labels, damaged, find, read_npz, window_count
from .recording import DataSet, PerWindow, Record, Recording

RATE = 125.0
WINDOW, HOP = 8.0, 2.0
LAYOUT = "cinc2015_0.npz and so on, with <record>/ppg and <record>/hr_bpm"


def records(folder: Path, channel: str | None = None) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for path in find(folder, ("cinc2015_*.npz",), LAYOUT):
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.namelist()
        except UNREADABLE as error:
            raise damaged(path, error) from error
        names = [member.removesuffix("/ppg.npy") for member in members if member.endswith("/ppg.npy")]
        if not names:
            raise DataError(f"{path} has no <record>/ppg: expected {LAYOUT}")
        found |= {name: Record((path,), partial(_read, path, name)) for name in names}
    return found


def _read(path: Path, name: str) -> Iterator[Recording]:
    """`ppg` int16 (n,) at 125 Hz; `hr_bpm` (k,) of each window, NaN where the ECG leads disagree."""
    ppg, bpm = read_npz(path, [f"{name}/ppg", f"{name}/hr_bpm"]).values()
    if ppg.ndim != 1 or ppg.dtype != np.int16:
        raise DataError(
            f"{path}: {name}/ppg is {ppg.dtype} {ppg.shape}, expected int16 (n,): copy the file again"
        )
    check_labels(path, len(bpm), window_count(len(ppg), RATE, WINDOW, HOP), RATE, f"windows of record {name}")
    yield Recording(
        name=name,
        subject=name,
        source=path,
        ppg=ppg[None].astype(np.float64),
        sampling_rate=RATE,
        labels={"hr": PerWindow(bpm, WINDOW, HOP)},
    )


DATA_SET = DataSet(
    name="cinc2015",
    title="PhysioNet/Computing in Cardiology Challenge 2015, PPG records",
    tasks=("hr",),
    sampling_rate=RATE,
    layout=LAYOUT,
    licence="ODC-BY 1.0",
    citation="G. D. Clifford et al., The PhysioNet/Computing in Cardiology Challenge 2015: reducing false "
    "arrhythmia alarms in the ICU, Comput. Cardiol. 42, 2015; A. L. Goldberger et al., PhysioBank, "
    "PhysioToolkit, and PhysioNet, Circulation 101(23), 2000",
    records=records,
    window=(WINDOW, HOP),
    exclude={"t520s": "its PPG is 0 throughout", "t521l": "its PPG is 0 throughout"},
    note="Heart rate derived from two ECG leads by a QRS detector, kept where they agree; not official. "
    "Patients are not identified: each record counts as a subject.",
)
