"""`ppgfast.read`: every container gives the same arrays; what the caller says is believed over the file."""

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

import ppgfast
from ppgfast.io.assemble import STANDARD_GRAVITY
from tests.python import recordings
from tests.python.recordings import ACC, ACC_RATE, PPG, RATE, TIME, WITH_ACC, WRITERS


@pytest.mark.parametrize("name", WRITERS)
def test_every_container_gives_the_same_arrays(name, tmp_path):
    path = WRITERS[name](tmp_path)
    got = ppgfast.read(path, sampling_rate=RATE if name == "npy" else None)
    np.testing.assert_array_equal(got.signal, PPG)
    assert got.signal.dtype == np.float64
    assert (got.sampling_rate, got.timestamps) == (RATE, None)
    assert got.metadata["format"] == name
    assert got.metadata["notes"] == []
    assert (got.acc is not None) == (name in WITH_ACC)
    if got.acc is not None:
        # EDF rounds to 1 mg.
        np.testing.assert_allclose(got.acc, ACC, atol=6e-4 if name == "edf" else 1e-12)
        assert (got.acc_rate, got.acc_start) == (ACC_RATE, 0.0)


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"wfdb"}))  # whose names tie its files together
def test_the_name_of_a_file_is_not_believed(name, tmp_path):
    path = WRITERS[name](tmp_path)
    wrong = path.rename(path.with_name("recording.csv" if name != "csv" else "recording.edf"))
    got = ppgfast.read(wrong, sampling_rate=RATE)
    assert got.metadata["format"] == name
    np.testing.assert_array_equal(got.signal, PPG)


def test_metadata_says_where_the_numbers_come_from(tmp_path):
    path = WRITERS["hdf5"](tmp_path)
    about = ppgfast.read(path).metadata
    assert about["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (about["file"], about["bytes"]) == ("wrist.h5", path.stat().st_size)
    assert about["libraries"]["ppgfast"] == ppgfast.__version__
    assert set(about["libraries"]) == {"ppgfast", "numpy", "h5py"}
    assert (about["column"], about["acc_units"]) == ("wrist/ppg", "g")


def test_a_wfdb_record_is_opened_by_each_of_its_names(tmp_path):
    header = WRITERS["wfdb"](tmp_path)
    for path in (header, header.with_suffix(".dat"), header.with_suffix("")):
        got = ppgfast.read(path)
        np.testing.assert_array_equal(got.signal, PPG)
        assert set(got.metadata["files"]) == {"r01.hea", "r01.dat"}
    assert ppgfast.read(str(header), column="II").metadata["units"] == "mV"


def test_a_recording_is_frozen_and_says_what_it_is(tmp_path):
    got = ppgfast.read(WRITERS["npz"](tmp_path))
    assert repr(got) == "<Recording wrist.npz: 20 s of 'signal' at 64 Hz, accelerometer at 32 Hz>"
    assert got.duration == 20.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        got.signal = PPG


def test_float32_stays_float32(tmp_path):
    np.savez(tmp_path / "a.npz", ppg=PPG.astype(np.float32), fs=50)
    got = ppgfast.read(tmp_path / "a.npz")
    assert (got.signal.dtype, got.sampling_rate) == (np.float32, 50.0)


def test_the_caller_is_believed_over_the_file(tmp_path):
    path = WRITERS["edf"](tmp_path)
    got = ppgfast.read(path, sampling_rate=50, column="ecg", acc_columns=["ACC z", "ACC y", "ACC x"])
    np.testing.assert_array_equal(got.signal, -PPG)
    assert got.sampling_rate == 50.0
    np.testing.assert_allclose(got.acc[:, 0], ACC[:, 2], atol=6e-4)
    assert ppgfast.read(path, column=1).metadata["column"] == "ECG"


def test_without_a_rate_there_is_an_error_that_says_how_to_give_it(tmp_path):
    with pytest.raises(
        ppgfast.RecordingError, match=r"wrist\.npy: nothing in it tells .* give sampling_rate="
    ):
        ppgfast.read(WRITERS["npy"](tmp_path))


def test_an_accelerometer_that_starts_later_says_so(tmp_path):
    path = tmp_path / "BVP.csv"
    path.write_bytes(recordings.e4_text(PPG, RATE))
    (tmp_path / "ACC.csv").write_bytes(recordings.e4_text(64 * ACC, ACC_RATE, recordings.EPOCH + 2.5))
    got = ppgfast.read(path)
    assert (got.metadata["format"], got.acc_start) == ("empatica_e4", 2.5)


@pytest.mark.parametrize("factor", [1.0, 1000.0, 64.0, STANDARD_GRAVITY])
def test_a_unit_that_is_not_stated_is_told_by_gravity(factor, tmp_path):
    np.savez(tmp_path / "a.npz", ppg=PPG, sampling_rate=RATE, acc=ACC * factor, acc_rate=ACC_RATE)
    np.testing.assert_allclose(ppgfast.read(tmp_path / "a.npz").acc, ACC, rtol=1e-12)


def test_acceleration_without_gravity_and_unit_is_not_used(tmp_path):
    np.savez(tmp_path / "a.npz", ppg=PPG, sampling_rate=RATE, acc=ACC - ACC.mean(0), acc_rate=ACC_RATE)
    got = ppgfast.read(tmp_path / "a.npz")
    assert got.acc is None
    assert "unit is not stated" in got.metadata["notes"][0]
    with pytest.raises(ppgfast.RecordingError, match=r"unit is not stated.*or leave out acc_columns="):
        ppgfast.read(tmp_path / "a.npz", acc_columns=["acc.x", "acc.y", "acc.z"])


def test_a_channel_first_array_is_turned(tmp_path):
    np.savez(tmp_path / "a.npz", ppg=PPG[None], sampling_rate=RATE, acc=ACC.T, acc_rate=ACC_RATE)
    got = ppgfast.read(tmp_path / "a.npz")
    np.testing.assert_array_equal(got.signal, PPG)
    np.testing.assert_allclose(got.acc, ACC)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16, ">i4", bool])
def test_every_type_of_number_is_read(dtype, tmp_path):
    values = (np.abs(PPG) % 2).astype(dtype)
    np.savez(tmp_path / "a.npz", ppg=values, sampling_rate=RATE)
    np.testing.assert_array_equal(ppgfast.read(tmp_path / "a.npz").signal, values.astype(np.float64))


def test_timestamps_of_an_npz_with_lost_samples_are_kept(tmp_path):
    there = np.r_[0:500, 600 : len(PPG)]
    np.savez(tmp_path / "a.npz", ppg=PPG[there], timestamps=TIME[there])
    got = ppgfast.read(tmp_path / "a.npz")
    assert got.sampling_rate == RATE
    np.testing.assert_allclose(got.timestamps, TIME[there], atol=1e-12)
    assert got.duration == recordings.SECONDS


@pytest.mark.parametrize(
    ("option", "value", "error"),
    [
        ("sampling_rate", 0, ValueError),
        ("sampling_rate", float("nan"), ValueError),
        ("sampling_rate", "64", TypeError),
        ("sampling_rate", True, TypeError),
        ("column", 1.5, TypeError),
        ("column", "nowhere", ppgfast.RecordingError),
        ("column", 99, ppgfast.RecordingError),
        ("acc_columns", "xyz", ValueError),
        ("acc_columns", ["x", "y"], ValueError),
        ("acc_columns", ["x", "y", "w"], ppgfast.RecordingError),
    ],
)
def test_a_wrong_option_is_refused(option, value, error, tmp_path):
    with pytest.raises(error, match=f"{option}|no column"):
        ppgfast.read(WRITERS["csv"](tmp_path), **{option: value})


def test_reading_needs_nothing_until_it_is_asked_for():
    code = (
        "import sys, ppgfast; print([m for m in ('ppgfast.io', 'pandas') if m in sys.modules]); ppgfast.read;"
        "print([m for m in ('pandas', 'pyarrow', 'h5py', 'wfdb', 'edfio', 'pyxdf') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


@pytest.mark.parametrize(("name", "library"), [("csv", "pandas"), ("edf", "edfio"), ("xdf", "pyxdf")])
def test_a_missing_library_is_named_with_the_command_that_brings_it(name, library, tmp_path, monkeypatch):
    path = WRITERS[name](tmp_path)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError, match=rf"read by {library}.*pip install 'ppgfast\[io\]'"):
        ppgfast.read(path)


def test_bidmc_is_read_as_it_was_published(real_data):
    for path in sorted(Path(real_data, "bidmc").glob("*_Signals.csv"))[:3]:
        got = ppgfast.read(path)
        assert (got.metadata["column"], got.sampling_rate, got.timestamps) == ("PLETH", 125.0, None)
        assert len(got.signal) == 60001
        names, first = (line.split(",") for line in path.read_text().splitlines()[:2])
        assert got.signal[0] == float(first[[name.strip() for name in names].index("PLETH")])


def test_a_record_of_the_spc_needs_to_be_told_which_row_is_what(real_data):
    path = Path(real_data, "ieee_spc2015", "DATA_01_TYPE01.mat")
    with pytest.raises(ppgfast.RecordingError, match=r"no single column says PPG among 'sig\.0', 'sig\.1'"):
        ppgfast.read(path)
    got = ppgfast.read(path, column="sig.1", acc_columns=["sig.3", "sig.4", "sig.5"], sampling_rate=125)
    np.testing.assert_array_equal(got.signal, loadmat(path)["sig"][1])
    assert (got.acc.shape, got.acc_rate, got.metadata["acc_units"]) == ((len(got.signal), 3), 125.0, "g")


def test_the_numbers_of_bidmc_are_no_ppg(real_data):
    path = next(iter(sorted(Path(real_data, "bidmc").glob("*_Numerics.csv"))))
    with pytest.raises(ppgfast.RecordingError, match=r"no single column says PPG among .*'PULSE'"):
        ppgfast.read(path)


@pytest.mark.parametrize("rate", [None, 0.0, float("nan")])
def test_an_accelerometer_without_a_rate_does_not_keep_the_ppg_from_being_read(rate, tmp_path):
    stated = {} if rate is None else {"acc_rate": rate}
    np.savez(tmp_path / "a.npz", ppg=PPG, sampling_rate=RATE, acc=ACC, acc_units="g", **stated)
    got = ppgfast.read(tmp_path / "a.npz")
    assert got.acc is None
    assert "accelerometer not used: its rate is" in got.metadata["notes"][0]


@pytest.mark.parametrize(("unit", "scale"), [("g", 1.0), ("mg", 1e-3), ("m/s2", 1 / STANDARD_GRAVITY)])
def test_a_stated_unit_is_believed_whatever_the_size_of_the_numbers(unit, scale, tmp_path):
    still = ACC - ACC.mean(0)
    np.savez(tmp_path / "a.npz", ppg=PPG, fs=RATE, acc=still, acc_rate=ACC_RATE, acc_units=unit)
    np.testing.assert_allclose(ppgfast.read(tmp_path / "a.npz").acc, still * scale)
