"""What 24 h at 64 Hz cost one program: `python -m training.verbs_day PROGRAM LIMIT` for verbs_peers, which
gives each a process of its own, without torch in it."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ppgfast
from ppgfast.simulate import random_subject

HEARTPY_BAND = (0.7, 3.5)  # Hz, of HeartPy's own example of a wearable's PPG

Floats = NDArray[np.float64]


def one_day(method: str, limit: int) -> None:
    """Print s of the processor and peak memory in MiB; after `limit` s the system ends the process."""
    warnings.simplefilter("ignore")
    hour = random_subject(3, duration=3600).simulate(duration=3600, sampling_rate=64, seed=3).signal
    day = np.tile(hour, 24).astype(np.float64)
    start = time.process_time()
    resource.setrlimit(resource.RLIMIT_CPU, (int(start) + limit, resource.RLIM_INFINITY))
    if method == "NeuroKit2":
        import neurokit2 as nk

        nk.ppg_process(day, sampling_rate=64)
    elif method == "HeartPy":
        peaks_kept(day, 64.0)
    else:
        ppgfast.ppg_process(day, sampling_rate=64, model=method)
    print(json.dumps([time.process_time() - start, peak()]))


def peaks_kept(ppg: Floats, rate: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Times (s) of the peaks, and which of them HeartPy keeps."""
    import heartpy as hp

    clean = hp.filter_signal(ppg, HEARTPY_BAND, rate, order=3, filtertype="bandpass")
    found = hp.process(clean, rate)[0]
    return np.asarray(found["peaklist"]) / rate, np.asarray(found["binary_peaklist"]) == 1


def peak() -> float:
    """Peak memory of this program in MiB. getrusage would count what the parent had before the exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


if __name__ == "__main__":
    one_day(sys.argv[1], int(sys.argv[2]))
