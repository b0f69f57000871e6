"""The Lab Streaming Layer: an inlet's samples and stamps go through a stream as they come."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import ppgfast

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "data" / "models"
RATE = 64.0

spec = importlib.util.spec_from_file_location("stream_lsl", ROOT / "examples" / "stream_lsl.py")
stream_lsl = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stream_lsl)


class FakeInlet:
    """Packets of (rows, time stamps), then silence."""

    def __init__(self, packets, rate=RATE):
        self.packets, self.rate = list(packets), rate

    def info(self):
        return SimpleNamespace(nominal_srate=lambda: self.rate)

    def pull_chunk(self, timeout):
        return self.packets.pop(0) if self.packets else ([], [])


def signal(seconds=20):
    times = 1000.0 + np.arange(int(seconds * RATE)) / RATE
    ppg = (1e5 + 300 * np.sin(8 * times) + 50 * np.sin(1.7 * times)).astype(np.float32)
    return ppg, times


def packets(columns, times, sizes=(7, 20, 1)):
    rows, at, k = np.column_stack(columns).tolist(), 0, 0
    while at < len(rows):
        n = sizes[k % len(sizes)]
        yield rows[at : at + n], times[at : at + n].tolist()
        at, k = at + n, k + 1


def same(a, b):
    return [tuple(map(repr, x)) for x in a] == [tuple(map(repr, x)) for x in b]


def test_an_inlet_gives_the_results_of_its_samples_and_stamps():
    ppg, times = signal()
    model = ppgfast.load(MODELS / "v1.0_gpt_f32.ppgf")
    inlet = FakeInlet(packets([np.zeros_like(ppg), ppg], times))
    got = list(stream_lsl.results(model, inlet, channel=1, patience=0.01))
    expected = model.stream(sampling_rate=RATE, timestamps=True).push(ppg, timestamps=times)
    assert len(got) > 3
    assert same(got, expected)
    assert got[-1].t_end > 1000  # the clock of the stamps


def test_an_inlet_brings_the_accelerometer():
    ppg, times = signal()
    acc = np.random.default_rng(0).standard_normal((len(ppg), 3)).astype(np.float32)
    model = ppgfast.load(MODELS / "v1.0_tcn_acc_s8.ppgf")
    inlet = FakeInlet(packets([ppg, acc], times))
    got = list(stream_lsl.results(model, inlet, acc=1, patience=0.01))
    stream = model.stream(sampling_rate=RATE, acc_rate=RATE, timestamps=True)
    assert len(got) > 3
    assert same(got, stream.push(ppg, acc=acc, timestamps=times))


def test_a_clock_that_is_set_back_a_little_does_not_stop_the_stream():
    ppg, times = signal()
    times[640:] -= 0.02
    model = ppgfast.load(MODELS / "v1.0_gpt_f32.ppgf")
    got = list(stream_lsl.results(model, FakeInlet(packets([ppg], times)), patience=0.01))
    assert all(result.reason != "gap" for result in got)


def test_a_stream_without_a_rate_needs_one():
    model = ppgfast.load(MODELS / "v1.0_gpt_f32.ppgf")
    with pytest.raises(TypeError, match="sampling_rate is missing"):
        list(stream_lsl.results(model, FakeInlet([], rate=0.0), patience=0.01))
    assert list(stream_lsl.results(model, FakeInlet([], rate=0.0), rate=RATE, patience=0.01)) == []


def test_a_real_outlet_on_this_computer():
    pylsl = pytest.importorskip("pylsl", exc_type=Exception)
    ppg, times = signal()
    info = pylsl.StreamInfo("ppgfast-test", "PPG", 1, RATE, pylsl.cf_float32, "ppgfast-test")
    outlet = pylsl.StreamOutlet(info)
    inlet = stream_lsl.resolve("ppgfast-test", 5.0)
    inlet.open_stream(timeout=5.0)
    now = pylsl.local_clock()
    for x, t in zip(ppg, times, strict=True):
        outlet.push_sample([x], now + t - 1000)
    model = ppgfast.load(MODELS / "v1.0_gpt_f32.ppgf")
    got = list(stream_lsl.results(model, inlet, patience=1.0))
    expected = model.stream(sampling_rate=RATE).push(ppg)
    assert len(got) == pytest.approx(len(expected), abs=1)
    assert got[-1].t_end - now == pytest.approx(expected[-1].t_end, abs=0.2)
    assert {result.reason for result in got} == {result.reason for result in expected}


def test_a_stream_that_is_not_there_is_said(monkeypatch):
    fake = SimpleNamespace(resolve_byprop=lambda *_, **__: [])
    monkeypatch.setitem(__import__("sys").modules, "pylsl", fake)
    with pytest.raises(SystemExit, match=r"no LSL stream of name wrist within 0.1 s"):
        stream_lsl.resolve("wrist", 0.1)
