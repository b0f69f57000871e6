"""Models that microcontrollers run, as C: python -m tests.mcu_models FOLDER

hr_<name>_s8: one output, random weights, with test windows; stream_<name>: the models of the package.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

import ppgfast
from ppgfast.bundled import file_of
from ppgfast.export_c import export_c
from training.export import to_ppgf
from training.models import build

NAMES = ("gpt50k", "tcn5k")
BUNDLED = ("gpt1m", "gpt50k", "tcn5k")
CONTRACT = {"sampling_rate": 40.0, "hop": 80, "scaling": "minmax", "task": "hr", "filter": (0.5, 8.0, 2)}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    signal = ppgfast.ppg_simulate(duration=16, sampling_rate=40, seed=3).signal
    windows = np.asarray(signal[:640], np.float32).reshape(2, 320)
    with TemporaryDirectory() as scratch:
        for name in NAMES:
            torch.manual_seed(0)
            model = Path(scratch) / f"hr-{name}-s8.ppgf"
            to_ppgf(build(name, n_patches=8).eval(), model, precision="s8", selftest=windows, **CONTRACT)
            export_c(model, folder, selftest=1)
    for name in BUNDLED:
        export_c(file_of(f"hr-{name}-s8"), folder, name=f"stream_{name}", selftest=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
