"""IEEE Signal Processing Cup 2015 (TROIKA): wrist PPG of 12 people running on a treadmill."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .errors import DataError
from .files import beside, check_labels, find, read_mat, window_count
from .recording import DataSet, PerWindow, Record, Recording

RATE = 125.0
WINDOW, HOP = 8.0, 2.0
LAYOUT = "DATA_01_TYPE01.mat with DATA_01_TYPE01_BPMtrace.mat, and so on"
ROWS = ("ECG", "PPG1", "PPG2", "ACC x", "ACC y", "ACC z")


def records(folder: Path, channel: str | None = None) -> dict[str, Record]:
    signals = [path for path in find(folder, ("DATA_*.mat",), LAYOUT) if not path.stem.endswith("_BPMtrace")]
    if not signals:
        raise DataError(f"{folder} holds traces and no signals: expected {LAYOUT}")
    pairs = [(path, beside(path, f"{path.stem}_BPMtrace.mat")) for path in signals]
    return {path.stem: Record((path, trace), partial(_read, path, trace, channel)) for path, trace in pairs}


def _read(path: Path, trace: Path, channel: str | None) -> Iterator[Recording]:
    """`sig` (6, n) at 125 Hz; `BPM0` (k, 1) in bpm, from the ECG of each window."""
    sig = read_mat(path, ["sig"])["sig"]
    if sig.ndim != 2 or len(sig) != len(ROWS):
        raise DataError(
            f"{path}: sig is {sig.shape}, expected 6 rows ({', '.join(ROWS)}): use the published file"
        )
    bpm = read_mat(trace, ["BPM0"])["BPM0"].ravel()
    check_labels(trace, len(bpm), window_count(sig.shape[1], RATE, WINDOW, HOP), RATE, "windows")
    yield Recording(
        name=path.stem,
        subject=re.sub(r"_TYPE\d+$", "", path.stem),
        source=path,
        ppg=sig[None, ROWS.index(channel or "PPG1")],
        sampling_rate=RATE,
        labels={"hr": PerWindow(bpm, WINDOW, HOP)},
        acc=sig[None, 3:],
        acc_rate=RATE,
    )


DATA_SET = DataSet(
    name="ieee_spc2015",
    title="IEEE Signal Processing Cup 2015 (TROIKA), training set",
    tasks=("hr",),
    sampling_rate=RATE,
    layout=LAYOUT,
    licence="no formal licence; research use with citation",
    citation="Z. Zhang, Z. Pi, B. Liu, TROIKA: a general framework for heart rate monitoring, "
    "IEEE Trans. Biomed. Eng. 62(2), 2015, doi:10.1109/TBME.2014.2359372",
    records=records,
    channels=("PPG1", "PPG2"),
    window=(WINDOW, HOP),
    acc_units="g",
    note="One of two wrist PPG channels; each record counts as a subject. The accelerometer's unit is not "
    "published: at rest its norm is 0.85 to 1.03, so it is taken to be g.",
)
