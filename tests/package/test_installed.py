"""What someone who installed the package sees: one recording in eight containers, one heart rate.

It imports nothing of this repository, so that `make wheel` can run a copy in an empty environment.
"""

import csv
import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ppgfast

edfio = pytest.importorskip("edfio")
pd = pytest.importorskip("pandas")
savemat = pytest.importorskip("scipy.io").savemat

RATE, SECONDS, MODEL = 125.0, 120, "hr-tcn5k-s8"
STEP = 1.0 / 65535  # of 16 bits over the range 0 to 1
WITHIN = 0.05  # bpm between exact samples and those of 16 bits: the first digit after the point stays


@pytest.fixture(scope="module")
def ppg():
    """As a hospital's monitor has it: 125 Hz, 0 to 1, to the sixth digit; the pulse is 80 bpm."""
    made = ppgfast.ppg_simulate(duration=SECONDS, sampling_rate=RATE, heart_rate=80, seed=11).signal
    low, high = np.float64(made.min()), np.float64(made.max())
    return np.round(0.05 + 0.9 * (made - low) / (high - low), 6)


def as_csv(folder, ppg):
    """The columns of BIDMC."""
    time = np.arange(len(ppg)) / RATE
    columns = {"Time [s]": time, " RESP": 0.5, " PLETH": ppg, " V": 0.1, " AVR": 0.2, " II": 0.3}
    pd.DataFrame(columns).to_csv(folder / "bidmc_01_Signals.csv", index=False)
    return "bidmc_01_Signals.csv"


def as_npy(folder, ppg):
    np.save(folder / "wrist.npy", ppg)
    return "wrist.npy"


def as_parquet(folder, ppg):
    pd.DataFrame({"time": np.arange(len(ppg)) / RATE, "ppg": ppg}).to_parquet(folder / "wrist.parquet")
    return "wrist.parquet"


def as_e4(folder, ppg):
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        rows = [1_700_000_000.0, RATE, *ppg]
        archive.writestr("BVP.csv", "".join(f"{value:f}\n" for value in rows))
    return "export.zip"


def as_matlab(folder, ppg):
    """The matrix of SPC: ECG, two PPG, three axes."""
    sig = np.stack([0 * ppg, ppg, 0.9 * ppg, 0 * ppg, 0 * ppg, 0 * ppg + 1])
    savemat(folder / "DATA_01.mat", {"sig": sig})
    return "DATA_01.mat"


def as_wfdb(folder, ppg):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses what pandas has deprecated
        import wfdb

        scale = {"adc_gain": [65534.0], "baseline": [-32767]}
        record = {"units": ["NU"], "sig_name": ["PLETH"], "p_signal": ppg[:, None], "fmt": ["16"]}
        wfdb.wrsamp("r01", fs=RATE, write_dir=str(folder), **record, **scale)
    return "r01.hea"


def as_edf(folder, ppg):
    edfio.Edf([edfio.EdfSignal(ppg, RATE, label="Pleth", physical_range=(0, 1))]).write(folder / "wrist.edf")
    return "wrist.edf"


def as_npz(folder, ppg):
    np.savez(folder / "wrist.npz", ppg=ppg, fs=RATE)
    return "wrist.npz"


EXACT = (as_csv, as_npy, as_npz, as_parquet, as_e4, as_matlab)
ROUNDED = (as_wfdb, as_edf)


def ppgfast_in_a_shell(folder, *arguments):
    """Its output; it must end well and say nothing else."""
    command = [sys.executable, "-W", "error", "-m", "ppgfast", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(ppgfast.__file__).resolve().parents[1])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory, ppg):
    """Container -> the text of the file that `ppgfast run` wrote for it."""
    folder = tmp_path_factory.mktemp("files")
    files = {make.__name__: make(folder, ppg) for make in (*EXACT, *ROUNDED)}
    matrix = files["as_matlab"]
    others = [file for file in files.values() if file != matrix]
    options = ("--model", MODEL, "--jobs", "1", "--json", "--sampling-rate", RATE)
    done = json.loads(ppgfast_in_a_shell(folder, "run", *others, *options))
    done += json.loads(ppgfast_in_a_shell(folder, "run", matrix, *options, "--column", "sig.1"))
    written = {one["file"]: (folder / one["out"]).read_text() for one in done}
    return {name: written[file] for name, file in files.items()}


def heart_rate(text):
    rows = list(csv.DictReader(text.splitlines()))
    return np.array([float(row["hr_bpm"]) for row in rows if row["valid"] == "True"])


def test_the_heart_rate_is_that_of_the_recording(results):
    found = heart_rate(results["as_csv"])
    assert len(found) > 40
    assert abs(np.median(found) - 80) < 3


@pytest.mark.parametrize("make", EXACT)
def test_containers_that_keep_every_digit_give_the_same_bytes(make, results):
    assert results[make.__name__] == results["as_csv"]


@pytest.mark.parametrize("make", ROUNDED)
def test_containers_of_16_bits_give_the_same_rate_to_their_rounding(make, results, ppg, tmp_path):
    read = ppgfast.read(tmp_path / make(tmp_path, ppg))
    assert np.abs(read.signal - ppg).max() <= 0.51 * STEP
    found, exact = heart_rate(results[make.__name__]), heart_rate(results["as_csv"])
    assert len(found) == len(exact)
    assert np.abs(found - exact).max() < WITHIN


def test_a_report_and_a_picture_of_it(ppg, tmp_path):
    pytest.importorskip("jinja2")
    file = as_csv(tmp_path, ppg)
    ppgfast_in_a_shell(tmp_path, "run", file, "--model", MODEL, "--jobs", "1", "--plot", "--json")
    assert (tmp_path / "results" / f"{file}.png").stat().st_size > 10_000
    said = json.loads(ppgfast_in_a_shell(tmp_path, "report", file, "--json"))
    assert said["valid"] > 40
    assert "</html>" in (tmp_path / f"{file}.html").read_text("utf-8")


def test_every_bundled_model_answers_as_it_did_where_it_was_made():
    rows = json.loads(ppgfast_in_a_shell(None, "check", *ppgfast.models(), "--json"))
    assert len(rows) >= len(ppgfast.models())
    assert all(row["ok"] and "the self test" in row["found"] for row in rows)
