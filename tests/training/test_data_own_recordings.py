"""Recordings of one's own: the table beside them, the labels of windows, the example of the documentation."""

import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import ppgfast
from training.cli import app
from training.data import DataError, data_set, load
from training.data.own_recordings import Readings, Stretches

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"
NAN = float("nan")


def write(path, seconds=120.0, rate=64.0, gap=None, seed=1, **more):
    """A simulated recording as CSV with times or as NPZ; returns its samples."""
    made = ppgfast.ppg_simulate(duration=seconds, sampling_rate=rate, seed=seed)
    x, times = made.signal.astype(float), np.arange(len(made.signal)) / rate
    if path.suffix == ".npz":
        np.savez(path, ppg=x, sampling_rate=rate, **more)
        return x
    kept = np.ones(len(x), bool) if gap is None else (times < gap[0]) | (times >= gap[1])
    rows = [f"{t:.6f},{value:.6g}" for t, value in zip(times[kept], x[kept], strict=True)]
    path.write_text("time_s,ppg\n" + "\n".join(rows) + "\n")
    return x


def table(folder, *lines):
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def read(folder, channel=None):
    return list(data_set("own_recordings").read(folder, channel))


def prepare(folder, out, *settings):
    arguments = [part for setting in settings for part in ("-s", setting)]
    found = CliRunner().invoke(app, ["prepare", "own_recordings", str(folder), "--out", str(out), *arguments])
    assert found.exit_code == 0, found.output
    return load(out)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The folder of the documentation."""
    text = re.search(r"```text\n(file,subject.*?)```", PAGE.read_text(), re.DOTALL)[1]
    folder = tmp_path_factory.mktemp("own")
    for seed, name in enumerate(dict.fromkeys(line.split(",")[0] for line in text.split("\n")[1:] if line)):
        write(folder / name, seed=seed)
    (folder / "labels.csv").write_text(text)
    return folder


def test_the_example_of_the_documentation_gives_heart_rates_and_rhythms(example, tmp_path):
    hr = prepare(example, tmp_path / "hr")
    assert (hr.manifest["subjects"], hr.manifest["records"]) == (
        ["anna", "ben"],
        ["anna-1.csv", "ben.npz", "ben-2.csv"],
    )
    of_anna = hr.record == 0
    starts, label = hr.t_start[of_anna], hr.label[of_anna]
    assert (label[starts + 8 <= 60] == 72).all()
    assert (label[starts >= 60] == 75).all()
    np.testing.assert_allclose(label[starts == 56], 73.5)  # half of each
    assert np.isnan(hr.label[~of_anna]).all()
    af = prepare(example, tmp_path / "af", "task=af", "window=10", "hop=10")
    assert [set(af.label[af.record == k]) for k in (0, 1)] == [{0}, {1}]
    assert np.isnan(af.label[af.record == 2]).all()


def test_readings_are_averaged_if_they_are_close():
    readings = Readings(np.array([0.0, 2, 4, 6, 12]), np.array([60.0, 62, 64, 66, 90]), codes=False)
    np.testing.assert_array_equal(readings.of(np.array([0.0, 1.0, 4.0]), 8.0), [63, 64, NAN])
    rhythm = Readings(np.arange(8.0), np.array([0.0, 0, 0, 0, 1, 1, 1, 1]), codes=True)
    np.testing.assert_array_equal(rhythm.of(np.array([0.0, 2.0, 4.0]), 4.0), [0, NAN, 1])


def test_stretches_must_cover_a_window():
    stretches = Stretches(np.array([0.0, 10, 30]), np.array([10.0, 20, 40]), np.array([60.0, 80, 100]), False)
    np.testing.assert_allclose(stretches.of(np.array([0.0, 6, 16, 25, 30]), 8.0), [60, 70, NAN, NAN, 100])
    rhythm = Stretches(np.array([0.0, 10]), np.array([10.0, 20]), np.array([0.0, 1]), True)
    np.testing.assert_array_equal(rhythm.of(np.array([0.0, 6, 10]), 8.0), [0, NAN, 1])


def test_a_gap_in_the_times_stays_a_gap(tmp_path):
    x = write(tmp_path / "a.csv", seconds=30, gap=(10.0, 12.5))
    table(tmp_path, "file,subject,time,hr", *(f"a.csv,me,{k},70" for k in range(30)))
    (found,) = read(tmp_path)
    assert found.ppg.shape == (1, 30 * 64)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found.ppg[0])), np.arange(640, 800))
    np.testing.assert_allclose(found.ppg[0, 800:], x[800:], rtol=1e-4)


def test_the_accelerometer_begins_with_the_ppg(tmp_path):
    acc = np.stack([np.arange(400) / 1000, np.zeros(400), np.ones(400)], axis=1)
    write(tmp_path / "a.npz", seconds=10, acc=acc, acc_rate=32.0, acc_start=-1.0)
    table(tmp_path, "file,subject", "a.npz,me")
    (found,) = read(tmp_path)
    assert found.acc.shape == (1, 3, 320)
    np.testing.assert_allclose(found.acc[0, 0], np.arange(32, 352) / 1000)
    write(tmp_path / "a.npz", seconds=10, acc=acc[:200], acc_rate=32.0, acc_start=0.0)
    with pytest.raises(
        DataError, match=r"accelerometer spans 0\.0 to 6\.2 s of 10\.0 s of PPG: cut both alike"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,who", "a.npz,me"], "has a column 'who', expected some of file, subject, time"),
        (["file,hr", "a.npz,70"], "has no column subject: it says whose recording is where"),
        (["file,subject"], "names no recording"),
        (["file,subject", "b.npz,me"], r"line 2: there is no file b\.npz beside it"),
        (["file,subject", "a.npz,"], "line 2: no subject"),
        (["file,subject,time,hr", "a.npz,me,0,fast"], "line 2: hr is 'fast', expected a number"),
        (["file,subject,time,hr", "a.npz,me,0"], "line 2: 3 cells, expected 4"),
        (["file,subject,hr", "a.npz,me,70"], "line 2: give either time, or start and a later end"),
        (
            ["file,subject,start,end,hr", "a.npz,me,9,3,70"],
            "line 2: give either time, or start and a later end",
        ),
        (["file,subject,time,af", "a.npz,me,0,2"], "line 2: af is 2, expected 0 or 1"),
        (["file,subject", "a.npz,me", "a.npz,you"], r"a\.npz is of me and you, expected one subject"),
        (
            ["file,subject,start,end,hr", "a.npz,me,0,9,70", "a.npz,me,8,20,71"],
            "line 3: begins before the stretch before it ends",
        ),
        (
            ["file,subject,time,start,end,hr", "a.npz,me,,0,9,70", "a.npz,me,12,,,71"],
            "line 2: hr by time and by start and end; use one of them",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_one_sentence(tmp_path, lines, message):
    write(tmp_path / "a.npz", seconds=20)
    table(tmp_path, *lines)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_a_folder_without_table_or_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"has no labels\.csv: give a folder with recordings and labels\.csv"):
        read(tmp_path)
    (tmp_path / "a.npz").write_bytes(b"PK")
    table(tmp_path, "file,subject", "a.npz,me")
    with pytest.raises(DataError, match=r"a\.npz"):
        read(tmp_path)
    write(tmp_path / "a.npz", seconds=20)
    with pytest.raises(DataError, match="green"):
        read(tmp_path, "green")
