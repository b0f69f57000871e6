"""`ppgfast monitor` as a shell starts it: what it says and how it ends."""

import json
import os
import signal
import socket
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import ppgfast
from ppgfast.cli.app import app


def call(*arguments, status):
    done = CliRunner().invoke(app, ["monitor", *map(str, arguments)], input=b"x\n" * 200)
    assert done.exit_code == status, (done.output, done.exception)
    assert done.stdout == ""
    return done.stderr


@pytest.fixture
def wrist(tmp_path):
    made = ppgfast.ppg_simulate(duration=12, sampling_rate=50, seed=1)
    np.savez(tmp_path / "wrist.npz", signal=made.signal, sampling_rate=50)
    return tmp_path / "wrist.npz"


def test_without_bokeh_there_is_one_sentence(monkeypatch, wrist):
    monkeypatch.setitem(sys.modules, "tornado", None)
    for name in [name for name in sys.modules if name.startswith(("ppgfast.monitor.serve", "tornado."))]:
        monkeypatch.delitem(sys.modules, name)
    assert "this needs tornado: pip install 'ppgfast[monitor]'" in call(wrist, status=1).replace("\n", " ")


@pytest.fixture
def web():
    pytest.importorskip("bokeh", reason="needs Bokeh: pip install 'ppgfast[monitor]'")


@pytest.mark.usefixtures("web")
def test_what_cannot_be_shown_is_one_sentence_and_1(tmp_path, wrist):
    assert "no.csv" in call(tmp_path / "no.csv", "--port", 0, status=1)
    assert "wrist.npz has none: add ax,ay,az" in call(
        wrist, "--model", "hr-tcn5k-acc-s8", "--port", 0, status=1
    )
    np.savez(tmp_path / "fast.npz", ppg=np.ones(20_000), sampling_rate=1000)
    assert "fast.npz: its sampling rate is 1000 Hz" in call(tmp_path / "fast.npz", "--port", 0, status=1)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    assert "broken.npz" in call(tmp_path / "broken.npz", "--port", 0, status=1)
    assert "expected one of s, ms, us, ns" in call(wrist, "--time-unit", "h", status=2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} of 127.0.0.1 cannot be opened" in call(wrist, "--port", port, status=1)


@pytest.mark.usefixtures("web")
def test_what_is_wrong_with_a_file_is_said_before_the_address(wrist, monkeypatch):
    from ppgfast.monitor import serve

    packets = []

    async def served(begin, **_):
        packets.append(next(iter(begin()[1])).ppg)
        raise ValueError("enough")

    monkeypatch.setattr(serve, "serve", served)
    made = ppgfast.ppg_simulate(duration=40, sampling_rate=50, seed=1)
    up, down = (wrist.with_name(name) for name in ("up.npz", "down.npz"))
    np.savez(up, signal=made.signal, sampling_rate=50)
    np.savez(down, signal=-made.signal, sampling_rate=50)
    assert call(up, "--speed", 0, status=1) == "error: enough\n"
    assert "warning: down.npz: the pulse falls faster" in call(down, "--speed", 0, status=1)
    assert "warning" not in call(down, "--speed", 0, "--polarity", "inverted", status=1)
    np.testing.assert_array_equal(packets[0], packets[2])
    np.testing.assert_array_equal(packets[0], -packets[1])


@pytest.mark.usefixtures("web")
def test_it_says_its_address_at_once_and_stays_until_ctrl_c(wrist, started):
    command = [sys.executable, "-m", "ppgfast", "monitor", str(wrist), "--speed", "0", "--port", "0"]
    for extra in ([], ["--json"]):
        with started([*command, *extra], env={**os.environ, "PYTHONUNBUFFERED": ""}) as process:
            line = process.stdout.readline().decode()
            address = json.loads(line)["address"] if extra else line.split()[0]
            port = int(address.removeprefix("http://127.0.0.1:").strip("/"))
            socket.create_connection(("127.0.0.1", port)).close()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60) == (b"", b"")
            assert process.returncode == 130
