"""`ppgfast run`: the same rows from every container, and nothing that one file does harms another."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ppgfast
from ppgfast.cli import run as module
from ppgfast.cli.run import planned
from ppgfast.cli.words import as_options
from ppgfast.cli.work import Format, aligned, results
from tests.python import dying_worker
from tests.python.recordings import PPG, RATE, WRITERS
from tests.python.test_command_line import GPT, MODELS, call

ACC = MODELS / "v1.0_gpt_acc_f32.ppgf"


def shown(*arguments, status=0):
    return json.loads(call("run", *arguments, "--json", status=status)[0])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_rows_are_those_of_the_stream_whatever_the_container(folder):
    names = ("csv", "npz", "parquet", "wfdb", "edf", "empatica_e4")
    files = [WRITERS[name](folder) for name in names]
    done = shown(*files, "--model", GPT, "--out", "parquet", "--jobs", "2")
    assert [Path(one["file"]) for one in done] == files
    stream = ppgfast.load(GPT).stream(sampling_rate=RATE)
    expected = pd.DataFrame(stream.push(PPG.astype(np.float32)))
    for one in done:
        assert one["error"] == ""
        assert one["windows"] == len(expected)
        pd.testing.assert_frame_equal(pd.read_parquet(one["out"]), expected, check_dtype=False)


def test_the_accelerometer_goes_along(folder):
    files = [WRITERS[name](folder) for name in ("npz", "hdf5", "csv")]
    done = shown(*files, "--model", ACC, "--jobs", "1", status=1)
    first, second = (Path(one["out"]).read_bytes() for one in done[:2])
    assert first == second
    assert "the model takes the accelerometer, and none was found" in done[2]["error"]


def test_windows_are_filtered_backwards_if_asked(folder):
    file = WRITERS["npz"](folder)
    done = shown(file, "--model", GPT, "--both-ways")
    stream = ppgfast.load(GPT).stream(sampling_rate=RATE, both_ways=True)
    expected = pd.DataFrame(stream.push(PPG.astype(np.float32)))["hr_bpm"].to_numpy(np.float64)
    np.testing.assert_allclose(pd.read_csv(done[0]["out"])["hr_bpm"], expected, rtol=1e-6)
    assert not np.array_equal(
        expected,
        [r.hr_bpm for r in ppgfast.load(GPT).stream(sampling_rate=RATE).push(PPG.astype(np.float32))],
    )


def test_a_picture_beside_each_result(folder):
    file = WRITERS["csv"](folder)
    there = np.r_[0:500, 700 : len(PPG)]
    np.savez("gap.npz", ppg=PPG[there], timestamps=np.arange(len(PPG))[there] / RATE)
    command = (file, "gap.npz", "--model", GPT, "--jobs", "1")
    plain = [Path(one["out"]).read_bytes() for one in shown(*command)]
    assert not list(folder.rglob("*.png"))
    done = shown(*command, "--plot")
    assert [Path(one["out"]).read_bytes() for one in done] == plain
    pictures = [Path("results/wrist.csv.png"), Path("results/gap.npz.png")]
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    pictures[0].unlink()
    assert [one["skipped"] for one in shown(*command, "--plot")] == [False, True]
    assert pictures[0].is_file()


def test_one_bad_file_never_stops_the_rest(folder):
    good = WRITERS["npz"](folder)
    (folder / "text.csv").write_text("hello\n")
    (folder / "slow.csv").write_text("# fs = 1\nppg\n" + "1\n2\n" * 300)
    done = shown("text.csv", "slow.csv", "nowhere.edf", good, "--model", GPT, "--out", "json", status=1)
    assert [bool(one["error"]) for one in done] == [True, True, True, False]
    assert "text.csv" in done[0]["error"]
    assert "1" in done[1]["error"]
    assert "there is no such file" in done[2]["error"]
    assert not list(folder.glob("results/*.partial"))
    said = json.loads(Path(done[3]["out"]).read_text())
    assert said["recording"]["sha256"] == done[3]["sha256"]
    assert len(said["windows"]) == done[3]["windows"]
    out, err = call("run", "text.csv", "--model", GPT, status=1)
    assert "no row of numbers" in out
    assert "1 of 1 files failed" in err


def simulated(name, sign=1, rate=64.0, timed=None):
    """A minute at 72 bpm, whose times run at `timed` Hz."""
    x = sign * ppgfast.ppg_simulate(duration=60, sampling_rate=64, seed=5, heart_rate=72).signal
    times = {"timestamps": np.arange(len(x)) / timed} if timed else {"fs": rate}
    np.savez(name, ppg=x, **times)
    return name


def test_a_signal_upside_down_is_told_and_turned_over_if_asked(folder):
    command = (simulated("up.npz"), simulated("down.npz", -1), "--model", "hr-tcn5k-s8", "--jobs", "1")
    up, down = shown(*command)
    assert [one["findings"] for one in (up,)] == [[]]
    assert [(one["kind"], one["warns"]) for one in down["findings"]] == [("inverted", True)]
    for _ in range(2):  # the second time both are done before
        out, err = call("run", *command)
        assert "upside down" not in out
        assert "warning: down.npz: the pulse falls faster" in err
        assert "pass the other --polarity" in err
        assert "up.npz:" not in err
    logged = [json.loads(line) for line in Path("results/run.jsonl").read_text().splitlines()]
    assert [one["findings"] for one in logged] == [[], down["findings"]]
    rows = Path(up["out"]).read_bytes()
    for polarity, turned in (("auto", [False, True]), ("inverted", [True, True])):
        done = shown(*command, "--polarity", polarity)
        assert [one["inverted"] for one in done] == turned
        assert done[1]["findings"] == []
        assert Path(done[1]["out"]).read_bytes() == rows
    assert [one["kind"] for one in done[0]["findings"]] == ["inverted"]


def test_a_rate_that_the_times_speak_against_is_told(folder):
    name = simulated("t.npz", timed=64)
    command = (name, "--model", "hr-tcn5k-s8", "--sampling-rate", "128")
    done = shown(*command)[0]
    assert [one["kind"] for one in done["findings"]][:1] == ["sampling_rate"]
    said = "warning: t.npz: --sampling-rate is 128 Hz, which is believed, but its times run at 64 Hz"
    assert said in call("run", *command)[1]
    assert said in call("report", name, "--sampling-rate", "128")[1]


def test_a_long_error_is_cut_on_the_screen_and_whole_in_the_log(folder):
    name = simulated(f"{'long' * 30}.npz", rate=1000.0)
    out, err = call("run", name, "--model", "hr-tcn5k-s8", status=1)
    assert "20 to 500 Hz" not in out
    assert f"see {Path('results/run.jsonl')}" in err
    whole = json.loads(Path("results/run.jsonl").read_text())["error"]
    assert whole.startswith(f"{name}: its sampling rate is 1000 Hz, and a model's stream takes 20 to 500 Hz")
    assert not shown(name, "--model", "hr-tcn5k-s8", status=1)[0]["skipped"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("give sampling_rate= in Hz", "give --sampling-rate in Hz"),
        (
            "pass sampling_rate=64, or acc_columns=; both_ways",
            "pass --sampling-rate 64, or --acc-columns; --both-ways",
        ),
        ("give column= with the name", "give --column with the name"),
        (
            "column 'sampling_rate' of /a/sampling_rate/b.csv",
            "column 'sampling_rate' of /a/sampling_rate/b.csv",
        ),
        ("sampling_rate.csv: give --sampling-rate", "sampling_rate.csv: give --sampling-rate"),
        ("pass max_bytes=", "pass max_bytes="),
    ],
)
def test_errors_name_options_as_they_are_typed(text, shown):
    assert as_options(text) == shown


def test_what_is_done_is_not_done_again(folder):
    first = WRITERS["npz"](folder)
    files = [shutil.copy(first, name) for name in ("a.npz", "b.npz", "c.npz")]
    command = (*files, "--model", GPT, "--jobs", "1")
    assert [one["skipped"] for one in shown(*command)] == [False] * 3
    rows = pd.read_csv("results/c.npz.csv", keep_default_na=False)
    assert list(rows) == list(results(ppgfast.load(GPT), ppgfast.read("c.npz"))[0])
    Path("results/a.npz.csv").unlink()
    np.savez("b.npz", ppg=PPG[::-1], fs=RATE)
    with Path("results/run.jsonl").open("a") as log:
        log.write('{"file": "half a li')
    assert [one["skipped"] for one in shown(*command)] == [False, False, True]
    assert [one["skipped"] for one in shown(*command, "--hop", "1")] == [False] * 3
    assert [one["skipped"] for one in shown(*command, "--hop", "1")] == [True] * 3
    assert [one["skipped"] for one in shown(*command, "--hop", "1", "--fresh")] == [False] * 3


def test_a_run_that_was_stopped_goes_on(folder):
    first = WRITERS["npz"](folder)
    files = [shutil.copy(first, f"{i:02d}.npz") for i in range(40)]
    command = [sys.executable, "-m", "ppgfast", "run", *files, "--model", str(GPT), "--jobs", "1", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(ppgfast.__file__).resolve().parents[1])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
    log = Path("results/run.jsonl")
    while not (log.exists() and log.stat().st_size) and running.poll() is None:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert (out, b"stopped; the same command goes on" in err, b"Traceback" in err) == (b"", True, False)
    assert not list(folder.glob("results/*.partial"))
    n = len(log.read_text().splitlines())
    assert 1 <= n < 40
    skipped = [one["skipped"] for one in shown(*files, "--model", GPT)]
    assert skipped == [True] * n + [False] * (40 - n)


def test_a_worker_that_hears_of_ctrl_c_first_stops_the_run(folder, monkeypatch):
    monkeypatch.setattr(module, "one", dying_worker.stopped)
    _, err = call("run", WRITERS["npz"](folder), "--model", GPT, "--jobs", "1", status=130)
    assert "stopped; the same command goes on" in err


def test_a_worker_that_dies_is_found_out(folder, monkeypatch):
    monkeypatch.setattr(module, "one", dying_worker.one)
    done = shown("bad.csv", "good.csv", "--model", GPT, "--jobs", "1", status=1)
    assert [one["error"] for one in done] == ["bad.csv: the process that read it died", ""]


def test_results_lie_as_the_files_do(folder):
    plan = planned([Path("p1/x.csv"), folder / "p2" / "x.csv", Path("p3/../y.csv")], Path("out"), Format.json)
    assert [str(job.out) for job in plan] == ["out/p1/x.csv.json", "out/p2/x.csv.json", "out/y.csv.json"]


def test_a_model_that_cannot_be_opened_ends_the_run_before_it_begins(folder):
    _, err = call("run", WRITERS["csv"](folder), "--model", "nowhere.ppgf", status=1)
    assert "nowhere.ppgf" in err
    assert not (folder / "results").exists()


@pytest.mark.parametrize(("start", "ahead"), [(0.0, 0), (2.0, 64), (-1.0, -32)])
def test_an_accelerometer_that_starts_elsewhere_is_put_in_its_place(start, ahead, tmp_path):
    acc = np.random.default_rng(0).normal((0, 0, 1), 0.1, (640, 3)).astype(np.float32)
    np.savez(tmp_path / "a.npz", ppg=PPG, fs=RATE, acc=acc, acc_rate=32, acc_units="g", acc_start=start)
    placed = aligned(ppgfast.read(tmp_path / "a.npz"))
    assert len(placed) == len(acc) + ahead
    assert np.isnan(placed[: max(ahead, 0)]).all()
    np.testing.assert_array_equal(placed[max(ahead, 0) :], acc[max(-ahead, 0) :])


def test_lost_samples_reach_the_stream_with_their_times(tmp_path):
    there = np.r_[0:500, 700 : len(PPG)]
    np.savez(tmp_path / "a.npz", ppg=PPG[there], timestamps=np.arange(len(PPG))[there] / RATE)
    rows = results(ppgfast.load(GPT), ppgfast.read(tmp_path / "a.npz"))
    gap = [row for row in rows if row["reason"] == "gap"]
    assert gap
    assert all(500 / RATE - 1 <= row["t_end"] <= 700 / RATE + 1 for row in gap)
    assert rows[-1]["t_end"] == pytest.approx(len(PPG) / RATE, abs=0.5)
