"""The command line: what it prints, the files it writes, and its exit status 0, 1 or 2."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

import ppgfast
from ppgfast import cli
from ppgfast import format as ppgf
from ppgfast.cli.app import app
from tests.python.recordings import WITH_ACC, WRITERS

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"
GPT = MODELS / "v1.0_gpt_f32.ppgf"
COMMANDS = ["models", "info", "check", "bench", "cpu", "simulate", "convert"]
COMMANDS += ["run", "report", "stream", "monitor", "export-c"]


def call(*arguments, status=0):
    """(stdout, stderr) of a command that ends with that status."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == status, (done.output, done.exception)
    return done.stdout, done.stderr


def test_help_names_every_command_and_the_exit_status():
    out, _ = call("--help")
    assert all(f" {command} " in out for command in COMMANDS)
    assert "0 all went well, 1 something failed" in out
    assert call("--version")[0].strip() == ppgfast.__version__


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    out, _ = call(command, "--help")
    assert "Usage:" in out
    assert "--json" in out


def test_the_page_of_the_command_line_has_every_line_of_help():
    page = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():
        section = page.split(f"## `ppgfast {name}`")[1].split("\n## ")[0]
        assert section.split("**Usage**")[0].strip().endswith(command.help.strip()), name
        for parameter in command.params:
            shown = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
            line = next(line for line in section.splitlines() if line.startswith(f"* `{shown}"))
            assert f": {parameter.help}" in line


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("info",), ("bench", GPT, "--batch", "0"), ("cpu", "--x")]
)
def test_what_is_not_understood_ends_with_2(arguments):
    _, err = call(*arguments, status=2)
    assert "Usage" in err


def test_bundled_models_are_listed_and_known_by_name():
    out, _ = call("models")
    cards = json.loads(call("models", "--json")[0])
    assert cards == ppgfast.models()
    assert all(name in out and card["use"] in out for name, card in cards.items())
    about = json.loads(call("info", "hr-tcn5k-s8", "--json")[0])
    assert about["sha256"] == cards["hr-tcn5k-s8"]["sha256"]
    assert about["use"] == "open"
    assert json.loads(call("info", GPT, "--json")[0])["use"] is None
    assert "hr-tcn5k-s8" in call("check", "hr-tcn5k-s8")[0]


def test_info_tells_the_contract():
    out, _ = call("info", MODELS / "v1.0_gpt_acc_s8.ppgf")
    for part in (
        "PPG and acceleration",
        "35 samples of each: 0.875 s at 40 Hz",
        "0.5 to 8 Hz, order 3",
        "Random weights",
    ):
        assert part in out
    said = json.loads(call("info", GPT, "--json")[0])
    assert said["bytes"] == GPT.stat().st_size
    assert said["input"]["sampling_rate"] == 40.0


def test_a_model_that_cannot_be_opened_is_one_sentence_and_1(tmp_path):
    (tmp_path / "a.ppgf").write_bytes(b"PK\x03\x04" + bytes(100))
    for command in ("info", "bench"):
        out, err = call(command, tmp_path / "a.ppgf", status=1)
        assert out == ""
        assert "error:" in err
        assert "ZIP" in err or "zip" in err
        assert "Traceback" not in err


def test_check_holds_every_kernel_to_the_self_test():
    isas = [name for name, runs in ppgfast.cpu()["isas"].items() if runs]
    rows = json.loads(call("check", GPT, MODELS / "v1.0_tcn_acc_s8.ppgf", "--json")[0])
    assert [row["isa"] for row in rows] == 2 * isas
    assert all(row["ok"] and "equal bit for bit to the self test" in row["found"] for row in rows)
    assert "yes" in call("check", GPT)[0]


def test_check_says_where_a_model_does_not_answer_as_it_did(tmp_path):
    config, tensors = ppgf.read(GPT)
    changed = tensors["selftest.output"].copy()
    changed[2, 1] = np.nextafter(changed[2, 1], np.float32(np.inf))
    ppgf.write(tmp_path / "a.ppgf", config, {**tensors, "selftest.output": changed})
    rows = json.loads(call("check", tmp_path / "a.ppgf", GPT, "--json", status=1)[0])
    assert "1 of 18 answers differ from the self test, the first in window 2, output 1" in rows[0]["found"]
    assert [row["ok"] for row in rows] == [False] * (len(rows) // 2) + [True] * (len(rows) // 2)


def test_check_without_self_test_compares_with_the_scalar_kernels(tmp_path):
    config, tensors = ppgf.read(MODELS / "v1.0_gpt_acc_f32.ppgf")
    kept = {name: value for name, value in tensors.items() if not name.startswith("selftest")}
    ppgf.write(tmp_path / "a.ppgf", config, kept)
    rows = json.loads(call("check", tmp_path / "a.ppgf", "--json")[0])
    assert all("4 windows equal bit for bit to the scalar kernels" in row["found"] for row in rows)


def test_bench_measures_and_cpu_tells():
    said = json.loads(call("bench", GPT, "--isa", "scalar", "--seconds", "0.05", "--batch", "3", "--json")[0])
    assert said["isa"] == "scalar"
    assert 0 < said["latency_min_us"] <= said["latency_median_us"]
    assert said["windows_per_second"] > 0
    assert said["file_bytes"] == GPT.stat().st_size
    assert json.loads(call("cpu", "--json")[0])["isas"] == ppgfast.cpu()["isas"]
    assert "selected" in call("cpu")[0]
    assert "latency median us" in call("bench", GPT, "--seconds", "0.05")[0]
    call("bench", GPT, "--isa", "sse9", status=1)


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
def test_what_is_simulated_reads_back(suffix, tmp_path):
    out = tmp_path / f"a{suffix}"
    options = (
        "--duration",
        "30",
        "--sampling-rate",
        "50",
        "--seed",
        "3",
        "--heart-rate",
        "90",
        "--motion",
        "walk",
    )
    said = json.loads(call("simulate", out, *options, "--json")[0])
    made = ppgfast.ppg_simulate(duration=30, sampling_rate=50, seed=3, heart_rate=90, motion="walk")
    got = ppgfast.read(out)
    np.testing.assert_array_equal(got.signal.astype(np.float32), made.signal)
    assert (got.sampling_rate, got.timestamps) == (50.0, None)
    assert said["beats"] == len(made.beat_times)
    if suffix == ".npz":
        np.testing.assert_array_equal(got.acc.astype(np.float32), made.acc)
        with np.load(out) as truth:
            np.testing.assert_array_equal(truth["truth.beat_times"], made.beat_times)
    else:
        assert got.acc.shape == (1500, 3)


def test_simulate_refuses_what_it_cannot_make(tmp_path):
    options = ("--duration", "30", "--sampling-rate", "50", "--seed", "3")
    _, err = call("simulate", tmp_path / "a.csv", *options, "--heart-rate", "900", status=1)
    assert "heart_rate is 900.0, expected 20 to 240 bpm" in err
    assert list(tmp_path.iterdir()) == []
    assert "ends in .csv" in call("simulate", tmp_path / "a.txt", *options, status=2)[1]
    assert "there is no folder" in call("simulate", tmp_path / "no" / "a.csv", *options, status=2)[1]


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
@pytest.mark.parametrize("name", ["polar", "xdf", "parquet", "edf"])
def test_what_is_converted_reads_back_as_it_was(name, suffix, tmp_path):
    path = WRITERS[name](tmp_path)
    out = tmp_path / f"out{suffix}"
    said = json.loads(call("convert", path, out, "--json")[0])
    before, after = ppgfast.read(path), ppgfast.read(out)
    np.testing.assert_array_equal(after.signal, before.signal)
    assert after.sampling_rate == before.sampling_rate == said["sampling_rate"]
    assert (after.acc is not None) == (name in WITH_ACC)
    if suffix == ".npz" and after.acc is not None:
        np.testing.assert_array_equal(after.acc, before.acc)
        assert (after.acc_rate, after.acc_start) == (before.acc_rate, before.acc_start)
    if suffix == ".npz":
        assert after.metadata["start"] == before.metadata["start"]


def test_lost_samples_and_options_survive_a_conversion(tmp_path):
    there = np.r_[0:200, 260:900]
    time, x = np.arange(1000) / 64, np.random.default_rng(0).normal(size=1000)
    pd.DataFrame({"time [s]": time[there], "a": x[there], "b": -x[there]}).to_csv(
        tmp_path / "a.csv", index=False
    )
    for suffix in (".csv", ".npz", ".parquet"):
        out = tmp_path / f"out{suffix}"
        call("convert", tmp_path / "a.csv", out, "--column", "b")
        got = ppgfast.read(out)
        np.testing.assert_array_equal(got.signal, -x[there])
        np.testing.assert_allclose(got.timestamps, time[there], atol=1e-9)
    call("convert", tmp_path / "a.csv", tmp_path / "b.npz", "--column", "a", "--sampling-rate", "32")
    assert ppgfast.read(tmp_path / "b.npz").sampling_rate == 32.0
    _, err = call("convert", tmp_path / "a.csv", tmp_path / "c.csv", status=1)
    assert "a.csv: no single column says PPG" in err


@pytest.mark.parametrize("arguments", [("convert", "{}", "{}"), ("report", "{}", "--out", "{}")])
def test_a_recording_is_never_written_over(arguments, tmp_path):
    path = WRITERS["npz"](tmp_path)
    before = path.read_bytes()
    (tmp_path / "same.npz").symlink_to(path)
    command = [part.format(path if i == 1 else tmp_path / "same.npz") for i, part in enumerate(arguments)]
    assert "would be written over" in " ".join(call(*command, status=2)[1].split())
    assert path.read_bytes() == before


def test_without_typer_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "typer", None)
    for name in [name for name in sys.modules if name.startswith("ppgfast.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SystemExit, match=r"needs typer: pip install 'ppgfast\[cli\]'"):
        cli.main()


def test_export_c_writes_two_files(tmp_path):
    out, _ = call("export-c", GPT, "--out", tmp_path / "new", "--name", "pulse", "--json")
    written = json.loads(out)
    assert Path(written["source"]).name == "pulse.c"
    assert "PULSE_WINDOW 35" in Path(written["header"]).read_text()
    _, err = call("export-c", GPT, "--out", tmp_path, "--name", "8", status=1)
    assert "expected a C identifier" in err
