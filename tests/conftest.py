"""Fixtures for what does not live in the repository: real recordings and reference numbers."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]

# Shells start background jobs with SIGINT ignored, and programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def started():
    """`with started(command, **options of Popen) as process`: pipes to it, and an end when the test ends."""

    @contextmanager
    def start(command: list[str], **options) -> Iterator[subprocess.Popen]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, **{**pipes, **options}) as process:
            try:
                yield process
            finally:
                process.kill()

    return start


def _outside(variable: str, default: Path) -> Path | None:
    folder = Path(os.environ.get(variable, default))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the published data sets (`PPGFAST_DATA`, default ../shared/data)."""
    folder = _outside("PPGFAST_DATA", ROOT.parent / "shared" / "data")
    if folder is None:
        pytest.skip("no real recordings: set PPGFAST_DATA to the folder that holds ieee_spc2015/ and others")
    return folder


@pytest.fixture(scope="session")
def golden():
    """`golden(name) -> dict of arrays`: reference numbers (`PPGFAST_GOLDEN`, default ../shared/golden)."""
    folder = _outside("PPGFAST_GOLDEN", ROOT.parent / "shared" / "golden")
    if folder is None:
        pytest.skip("no reference numbers: set PPGFAST_GOLDEN to the folder that holds losses.npz and others")

    def read(name: str) -> dict[str, np.ndarray]:
        with np.load(folder / f"{name}.npz") as archive:
            return {key: archive[key] for key in archive.files}

    return read
