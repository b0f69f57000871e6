"""The examples as a person runs them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def test_the_example_sees_the_gaps_of_a_recording(tmp_path):
    times = np.concatenate([np.arange(640), np.arange(1280, 1920)]) / 64  # 10 of 30 s are lost
    lines = [f"{t:.9f},{1000 + np.sin(8 * t):.9f}" for t in times]
    (tmp_path / "wrist.csv").write_text("\n".join(["time,ppg", *lines]))
    example = ROOT / "examples" / "stream.py"
    model = ROOT / "tests" / "data" / "models" / "v1.0_gpt_f32.ppgf"
    command = [sys.executable, str(example), str(model), str(tmp_path / "wrist.csv")]
    output = subprocess.run([*command, "--speed", "0"], check=True, capture_output=True, text=True).stdout
    assert re.search(r"29\.\d s .+ low_confidence\n", output)
    assert re.search(r"20\.\d s .+ gap\n", output)
