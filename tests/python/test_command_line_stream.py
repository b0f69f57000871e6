"""`ppgfast stream` as a shell uses it: what goes in, what comes out and when, how it ends."""

import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import ppgfast
from ppgfast.cli.app import app

RATE = 50
COMMAND = [sys.executable, "-m", "ppgfast", "stream"]
BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}  # as in a user's shell


@pytest.fixture(scope="module")
def made():
    return ppgfast.ppg_simulate(duration=24, sampling_rate=RATE, seed=2)


@pytest.fixture(scope="module")
def lines(made):
    return "".join(f"{value!r}\n" for value in made.signal.tolist()).encode()


def call(data, *options, status=0):
    done = CliRunner().invoke(app, ["stream", *map(str, options)], input=data)
    assert done.exit_code == status, (done.output, done.exception)
    return done.stdout, done.stderr


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def expected(made, model="hr-tcn5k-s8", **options):
    stream = ppgfast.load(model).stream(sampling_rate=RATE, **options)
    return [result._asdict() for result in stream.push(made.signal)]


def test_a_pipe_gets_csv_and_machines_json(made, lines):
    out, err = call(lines, "--sampling-rate", RATE)
    assert err == ""
    results = expected(made)
    assert [{k: "" if v != v else str(v) for k, v in row.items()} for row in results] == rows(out)
    assert any(row["valid"] for row in results)
    said = [json.loads(line) for line in call(lines, "--sampling-rate", RATE, "--json")[0].splitlines()]
    assert said == [{k: None if v != v else v for k, v in row.items()} for row in results]


@pytest.mark.parametrize(
    ("options", "stream"),
    [
        (["--model", "af-tcn5k-s8"], {"model": "af-tcn5k-s8"}),
        (["--hop", 1], {"hop": 1.0}),
        (["--both-ways"], {"both_ways": True}),
        (["--no-track"], {"track": False}),
        (["--polarity", "inverted"], {}),
    ],
)
def test_every_option_of_the_stream_reaches_it(made, lines, options, stream):
    out, _ = call(lines, "--sampling-rate", RATE, "--json", *options)
    plain, _ = call(lines, "--sampling-rate", RATE, "--json")
    wanted = expected(replace(made, signal=-made.signal) if "inverted" in options else made, **stream)
    results = [{k: None if v != v else v for k, v in row.items()} for row in wanted]
    assert [json.loads(line) for line in out.splitlines()] == results
    assert out != plain


def test_float32_and_text_are_one(made, lines):
    options = ("--sampling-rate", RATE)
    assert call(made.signal.tobytes(), *options, "--format", "f32")[0] == call(lines, *options)[0]


def test_time_stamps_tell_the_rate_in_the_unit_that_is_stated(made):
    for scale, unit in ((1.0, "s"), (1e3, "ms")):
        data = "".join(f"{scale * k / RATE:.6f},{x!r}\n" for k, x in enumerate(made.signal.tolist()))
        found = rows(call(data.encode(), "--time-unit", unit)[0])
        assert [float(row["t_end"]) for row in found] == pytest.approx(
            [row["t_end"] for row in expected(made)], abs=1e-3
        )
    assert "state --sampling-rate, or the unit of the time" in call(data.encode(), status=1)[1]
    assert "expected one of s, ms, us, ns" in call(data.encode(), "--time-unit", "h", status=2)[1]


def test_columns_are_chosen_by_name(made):
    x = made.signal.tolist()
    data = "ppg 1,ppg 2,u,v,w\n" + "".join(f"{-a!r},{a!r},0,0,1\n" for a in x)
    options = ("--sampling-rate", RATE)
    second = call(data.encode(), *options, "--column", "ppg 2")[0]
    assert rows(second) == rows(call("".join(f"{a!r}\n" for a in x).encode(), *options)[0])
    assert second != call(data.encode(), *options, "--column", "ppg 1")[0]
    assert "says PPG: state --column" in call(data.encode(), *options, status=1)[1]
    with_acc = ("--column", "ppg 2", "--model", "hr-tcn5k-acc-s8")
    assert rows(call(data.encode(), *options, *with_acc, "--acc-columns", "u,v,w")[0])
    assert "has none: add ax,ay,az in g" in call(data.encode(), *options, *with_acc, status=1)[1]
    assert "expected three names" in call(data.encode(), *options, "--acc-columns", "u", status=2)[1]


def test_a_bad_line_is_named_and_makes_a_gap(lines):
    data = lines.replace(lines.splitlines()[700], b"oops", 1)
    out, err = call(data, "--sampling-rate", RATE)
    assert "line 701: 'oops' holds something that is no number: a missing sample" in err
    assert {row["reason"] for row in rows(out) if float(row["t_end"]) > 14} >= {"gap"}


def test_each_result_comes_as_soon_as_it_is_known_and_ctrl_c_ends_with_130(lines, started):
    command = [*COMMAND, "--sampling-rate", str(RATE)]
    with started(command, stdin=subprocess.PIPE, env=BUFFERED) as process:
        process.stdin.write(lines[: len(lines) // 2])
        process.stdin.flush()
        late = threading.Timer(60, process.kill)
        late.start()
        head = [process.stdout.readline() for _ in range(3)]
        late.cancel()
        assert head[0].startswith(b"t_start,t_end,")
        assert head[2].count(b",") == head[0].count(b",")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (130, b"")


def test_a_reader_that_has_seen_enough_is_no_error(lines):
    with subprocess.Popen(
        [*COMMAND, "--sampling-rate", str(RATE), "--hop", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=BUFFERED,
    ) as process:
        process.stdout.close()
        process.stdin.write(lines)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=20) == 0


def test_a_terminal_gets_a_table(lines):
    master, slave = pty.openpty()
    command = [*COMMAND, "--sampling-rate", str(RATE)]
    subprocess.run(command, input=lines, stdout=slave, check=True, timeout=20)
    os.close(slave)
    text = os.read(master, 1 << 16).decode()
    os.close(master)
    assert "from, s" in text
    assert "warming_up" in text
    assert "t_start" not in text


def test_a_sensor_whose_stated_rate_is_wrong_is_told_once(made):
    data = "".join(f"{k / RATE:.6f},{x!r}\n" for k, x in enumerate(np.tile(made.signal, 2).tolist()))
    err = call(data.encode(), "--sampling-rate", "52")[1]
    assert err.startswith("warning: the time stamps run at")
    assert err.count("warning") == 1
