"""Every stored model with every kernel table of this CPU, bit for bit, in a Python that has numpy alone.

python tests/stored_answers.py [ISA]: ISA is the table that this CPU must choose.
"""

import platform
import sys
from pathlib import Path

import numpy as np

import ppgfast
from ppgfast import format as ppgf

MODELS = sorted((Path(__file__).resolve().parent / "data" / "models").glob("*.ppgf"))


def main(expected: str | None = None) -> None:
    cpu = ppgfast.cpu()
    if expected is not None and cpu["selected"] != expected:
        raise SystemExit(f"this CPU chose {cpu['selected']}, expected {expected}")
    tables = [isa for isa, runs in cpu["isas"].items() if runs]
    for path in MODELS:
        tensors = ppgf.read(path).tensors
        for isa in tables:
            found = ppgfast.load(path, isa=isa).predict(tensors["selftest.input"])
            if found.tobytes() != tensors["selftest.output"].tobytes():
                raise SystemExit(f"{path.name}: the answers of {isa} are not those stored")
    machine = f"{platform.machine()}, numpy {np.__version__}"
    print(f"{machine}: {len(MODELS)} models, {' = '.join(tables)}, bit for bit")


if __name__ == "__main__":
    main(*sys.argv[1:])
