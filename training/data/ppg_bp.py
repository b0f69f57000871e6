"""PPG-BP (Liang et al. 2018): short clips of finger PPG with blood pressure and heart rate, and an embedding.

Three clips per person, of 2.1 s, some of 4.2, padded with zeros to 10 s as the PaPaGei-S model took them; the
vector that it made of each person's clips is beside them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .files import find, read_npz
from .recording import DataSet, PerSegment, Record, Recording

RATE = 125.0
LAYOUT = "ppg_bp_train.npz and ppg_bp_val.npz, with ppg, subject, papagei_s_embedding and the measurements"
MEASURED = ("heart_rate_bpm", "systolic_mmhg", "diastolic_mmhg")
KEYS = ("ppg", "subject", "papagei_s_embedding", *MEASURED)


@dataclass(frozen=True)
class People:
    """n people by name: their embeddings (n, d), and each measurement (n,) in bpm or mmHg."""

    names: tuple[str, ...]
    embedding: NDArray[np.float32]
    measured: dict[str, NDArray[np.float64]]


def records(folder: Path, channel: str | None = None) -> dict[str, Record]:
    return {
        path.stem: Record((path,), partial(_read, path)) for path in find(folder, ("ppg_bp_*.npz",), LAYOUT)
    }


def people(folder: Path) -> People:
    """Everyone in the folder, in the order in which `prepare` reads them."""
    contents = [_content(path) for path in find(folder, ("ppg_bp_*.npz",), LAYOUT)]
    joined = {key: np.concatenate([content[key] for content in contents]) for key in KEYS if key != "ppg"}
    names = tuple(str(number) for number in joined["subject"])
    return People(names, joined["papagei_s_embedding"], {key: joined[key] for key in MEASURED})


def _content(path: Path) -> dict[str, np.ndarray]:
    content = read_npz(path, KEYS)
    ppg = content["ppg"]
    if ppg.ndim != 3 or any(len(content[key]) != len(ppg) for key in KEYS):
        raise DataError(
            f"{path}: ppg is {ppg.shape}, expected (people, clips, samples) and as many rows of all else: "
            "copy the file again"
        )
    return content


def _read(path: Path) -> Iterator[Recording]:
    """`ppg` (n, 3, 1250) at 125 Hz, zeros around each clip; `heart_rate_bpm` (n,), one for all clips."""
    content = _content(path)
    for number, clips, bpm in zip(content["subject"], content["ppg"], content["heart_rate_bpm"], strict=True):
        for k, clip in enumerate(clips):
            inside = np.flatnonzero(clip)
            if not len(inside):
                raise DataError(f"{path}: clip {k} of subject {number} is 0 throughout: copy the file again")
            yield Recording(
                name=str(number),
                subject=str(number),
                source=path,
                ppg=clip[None, inside[0] : inside[-1] + 1].astype(np.float64),
                sampling_rate=RATE,
                labels={"hr": PerSegment(np.array([bpm]))},
                segment_starts=np.array([k * len(clip) / RATE]),
            )


DATA_SET = DataSet(
    name="ppg_bp",
    title="PPG-BP, short finger recordings with blood pressure",
    tasks=("hr",),
    sampling_rate=RATE,
    layout=LAYOUT,
    licence="CC BY 4.0",
    citation="Y. Liang et al., A new, short-recorded photoplethysmogram dataset for blood pressure "
    "monitoring in China, Sci. Data 5, 180020, 2018, doi:10.1038/sdata.2018.20",
    records=records,
    window=(2.0, 2.0),
    note="One heart rate per person, measured beside the clips. A clip is 2.1 or 4.2 s long.",
)
