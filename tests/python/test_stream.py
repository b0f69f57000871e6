"""Streams: any cut gives the results of predict on the prepared signal; bad samples are flagged."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppgfast
from ppgfast import format as ppgf
from ppgfast import stream as streams

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"
RATE = 64.0
EVERYTHING = {"min_quality": 0.0, "max_hr_std": 1e9}


def model_of(kind: str) -> ppgfast.Model:
    return ppgfast.load(MODELS / f"v1.0_{kind}.ppgf")


def pulses(seconds: float, rate: float = RATE) -> np.ndarray:
    t = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(1).standard_normal(len(t))
    beat = 2 * np.pi * 1.25 * t
    return (1e5 + 500 * np.sin(1.7 * t) + 300 * np.sin(beat) + 99 * np.sin(2 * beat) + noise).astype(
        np.float32
    )


def accelerations(seconds: float, rate: float) -> np.ndarray:
    t = np.arange(int(seconds * rate)) / rate
    return np.stack([np.sin(9 * t), np.sin(5 * t), 1 + 0.1 * np.sin(t)], axis=1).astype(np.float32)


def answered(results):
    return [r for r in results if r.reason in ("ok", "low_confidence")]


def assert_same(got, expected):
    np.testing.assert_array_equal([r[:7] for r in got], [r[:7] for r in expected])
    assert [r[7:] for r in got] == [r[7:] for r in expected]


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 1280), max_size=30),
    kind=st.sampled_from(["gpt_f32", "tcn_s8", "mlp_f32", "streamgpt_s8"]),
)
def test_any_cut_gives_the_same_results(cuts, kind):
    samples = pulses(20)
    samples[300:310] = np.nan
    stream = model_of(kind).stream(sampling_rate=RATE, **EVERYTHING)
    expected = stream.push(samples)
    stream.reset()
    got = [r for part in np.split(samples, sorted(cuts)) for r in stream.push(part)]
    assert len(answered(got)) > 5
    assert_same(got, expected)


@pytest.mark.parametrize("rate", [25, 31.25, 40, 64, 100, 128, 176, 500])
def test_a_stream_is_predict_on_the_prepared_signal(rate):
    model = model_of("gpt_f32")
    samples = pulses(20, rate)
    results = answered(model.stream(sampling_rate=rate, **EVERYTHING).push(samples))
    signal = model.prepare(samples, sampling_rate=rate)
    starts = np.round([r.t_start * 40 for r in results]).astype(int)
    windows = np.stack([signal[s : s + 35] for s in starts])
    np.testing.assert_array_equal(np.float32([r.hr_bpm for r in results]), model.predict(windows)[:, 0])


def test_a_stream_can_filter_its_windows_backwards_too():
    from scipy.signal import butter, sosfilt

    model, samples = model_of("gpt_f32"), pulses(20)
    once = answered(model.stream(sampling_rate=RATE, **EVERYTHING).push(samples))
    got = answered(model.stream(sampling_rate=RATE, both_ways=True, **EVERYTHING).push(samples))
    signal = model.prepare(samples, sampling_rate=RATE).astype(np.float64)
    low, high, order = model.info["input"]["filter"]
    sections = butter(order, (low, high), "bandpass", fs=40, output="sos")
    starts = [round(r.t_start * 40) for r in got]
    windows = np.float32([sosfilt(sections, signal[s : s + 35][::-1])[::-1] for s in starts])
    assert len(got) > 5
    np.testing.assert_allclose([r.hr_bpm for r in got], model.predict(windows)[:, 0], rtol=1e-4)
    assert all(a.hr_bpm != b.hr_bpm and a.quality == b.quality for a, b in zip(got, once, strict=True))
    assert_same(got, answered(model.stream(sampling_rate=RATE, both_ways=True, **EVERYTHING).push(samples)))
    with pytest.raises(ValueError, match="cannot be filtered backwards"):
        model_of("streamgpt_f32").stream(sampling_rate=RATE, both_ways=True)


@pytest.mark.parametrize("kind", ["streamgpt_f32", "streamgpt_s8"])
@pytest.mark.parametrize("patches", [1, 2, 9])  # the last is longer than a window
def test_a_stream_is_predict_sequence_on_the_prepared_signal(kind, patches):
    model, hop = model_of(kind), patches * 7 / 40
    samples = pulses(20)
    results = answered(model.stream(sampling_rate=RATE, hop=hop, **EVERYTHING).push(samples))
    signal = model.prepare(samples, sampling_rate=RATE)
    answers = model.predict_sequence(signal[round(results[0].t_start * 40) :], hop=hop)
    np.testing.assert_array_equal(np.float32([r.hr_bpm for r in results]), answers[:, 0])
    own = model.predict_sequence(signal[round(results[0].t_start * 40) :])  # a patch, as the file says
    np.testing.assert_array_equal(answers, own[::patches])
    first = model.predict(signal[round(results[0].t_start * 40) :][:35])
    np.testing.assert_array_equal(first, answers[0])


@pytest.mark.parametrize("kind", ["gpt_f32", "gpt_s8"])
@pytest.mark.parametrize("isa", [isa for isa, runs in ppgfast.cpu()["isas"].items() if runs])
def test_windows_side_by_side_are_computed_as_they_arrive_where_nothing_scales_them(kind, isa):
    config, tensors = ppgf.read(MODELS / f"v1.0_{kind}.ppgf")
    model = ppgfast.load(ppgf.dumps({**config, "input.scaling": 0, "input.hop": 35}, tensors), isa=isa)
    samples = pulses(30, 40) / 300
    samples[500] = np.nan
    stream = model.stream(sampling_rate=40, **EVERYTHING)
    assert stream.nbytes > model.stream(sampling_rate=40, hop=34 / 40, **EVERYTHING).nbytes  # keys and values
    got = answered([r for part in np.array_split(samples, 77) for r in stream.push(part)])
    stream.reset()
    assert_same(answered(stream.push(samples)), got)
    windows = []
    for first, end in ((0, 500), (501, len(samples))):
        signal = model.prepare(samples[first:end], sampling_rate=40)
        starts = [round(r.t_start * 40) - first for r in got if first <= r.t_start * 40 < end]
        windows += [signal[s : s + 35] for s in starts]
    assert len(windows) == len(got) > 20
    expected = model.predict(np.stack(windows))[:, 0]
    assert expected.std() > 0.01
    np.testing.assert_array_equal(np.float32([r.hr_bpm for r in got]), expected)


def test_predict_sequence_over_bins_is_the_stream_untracked():
    config, tensors = ppgf.read(MODELS / "v1.0_streamgpt_f32.ppgf")
    over_bins = {"output.activation": 2, "output.mean": 60.0, "output.std": 30.0}
    model = ppgfast.load(ppgf.dumps({**config, **over_bins}, tensors))
    samples = pulses(20, 40)
    results = answered(model.stream(sampling_rate=40, track=False, **EVERYTHING).push(samples))
    signal = model.prepare(samples, sampling_rate=40)
    answers = model.predict_sequence(signal[80:])
    np.testing.assert_array_equal(np.float32([r[3:5] for r in results]), answers)
    chances = model.predict_sequence(signal[80:], distribution=True)
    assert chances.shape == (len(answers), 2)
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-6)
    tracked = answered(model.stream(sampling_rate=40, **EVERYTHING).push(samples))
    follows = model.track(chances, hop=7 / 40)
    np.testing.assert_array_equal(np.float32([r[3:5] for r in tracked]), follows)


def test_what_predict_sequence_cannot_take():
    model = model_of("streamgpt_f32")
    signal = np.zeros(100, np.float32)
    for bad, message in (
        (signal[:34], r"samples has shape \(34,\), expected \(n,\) with at least 35 samples"),
        (signal[None], r"samples has shape \(1, 100\), expected \(n,\)"),
        (np.full(40, np.nan, np.float32), r"samples\[0\] is nan, expected finite samples"),
    ):
        with pytest.raises(ValueError, match=message):
            model.predict_sequence(bad)
    with pytest.raises(TypeError, match="samples"):
        model.predict_sequence(signal.astype(np.float64))
    with pytest.raises(TypeError, match="hop is a str, expected a number of seconds"):
        model.predict_sequence(signal, hop="2")
    for hop in (0.0, -1.0, 0.1, float("nan")):
        with pytest.raises(ValueError, match=r"hop is .* s, expected a multiple of a patch: 7 samples at 40"):
            model.predict_sequence(signal, hop=hop)
    with pytest.raises(ValueError, match="no whole number of patches, and this model answers"):
        model.stream(sampling_rate=64, hop=0.3)
    with pytest.raises(ValueError, match="not with a distribution over bins: use predict"):
        model.predict_sequence(signal, distribution=True)
    with pytest.raises(ValueError, match="whole windows only: cut the signal into windows"):
        model_of("gpt_f32").predict_sequence(signal)


@pytest.mark.parametrize("rate", [25, 64, 128, 250])
def test_the_prepared_signal_is_what_scipy_makes_of_it(rate):
    signal = pytest.importorskip("scipy.signal")
    model = model_of("gpt_f32")
    low, high, order = model.info["input"]["filter"]
    samples = pulses(60, rate).astype(np.float64)
    up, down = np.array([40, rate]) // np.gcd(40, rate)
    lowpass = signal.firwin(2 * 64 * max(up, down) + 1, 1 / max(up, down), window=("kaiser", 8.0))
    offset = samples[0]
    resampled = signal.resample_poly(samples - offset, up, down, window=lowpass)
    sections = signal.butter(order, (low, high), "bandpass", fs=40, output="sos")
    expected = signal.sosfilt(sections, resampled)
    got = model.prepare(samples.astype(np.float32), sampling_rate=rate)
    inner = slice(400, len(got) - 100)
    assert np.abs(got[inner] - expected[: len(got)][inner]).max() < 3e-3 * np.abs(expected[inner]).max()


def test_tracked_answers_are_those_of_track():
    model = model_of("gpt_acc_f32")
    samples, acc = pulses(20, 40), accelerations(20, 40)
    options = {"sampling_rate": 40, "acc_rate": 40, "hop": 0.5, **EVERYTHING}
    tracked = answered(model.stream(**options).push(samples, acc))
    single = answered(model.stream(track=False, **options).push(samples, acc))
    signal = model.prepare(samples, sampling_rate=40)
    length = model.info["input"]["window"]
    starts = [round(r.t_start * 40) for r in tracked]
    cuts = [np.vstack([signal[s : s + length], acc[s : s + length].T]) for s in starts]
    windows = np.ascontiguousarray(cuts, dtype=np.float32)
    np.testing.assert_array_equal(np.float32([r[3:5] for r in single]), model.predict(windows))
    follows = model.track(model.distribution(windows), hop=0.5)
    np.testing.assert_array_equal(np.float32([r[3:5] for r in tracked]), follows)


def test_samples_of_a_sensor_that_falls_with_the_pulse_are_turned_over():
    config, tensors = ppgf.read(MODELS / "v1.0_gpt_f32.ppgf")
    turned = ppgfast.load(ppgf.dumps({**config, "input.polarity": -1}, tensors))
    samples = pulses(20)
    expected = model_of("gpt_f32").stream(sampling_rate=RATE, **EVERYTHING).push(samples)
    assert_same(turned.stream(sampling_rate=RATE, **EVERYTHING).push(-samples), expected)
    np.testing.assert_array_equal(
        turned.prepare(-samples, sampling_rate=RATE), model_of("gpt_f32").prepare(samples, sampling_rate=RATE)
    )


def test_accelerometer_at_its_own_rate_in_any_packets():
    model = model_of("tcn_acc_s8")
    samples, acc = pulses(20, 100), accelerations(20, 25)
    stream = model.stream(sampling_rate=100, acc_rate=25, **EVERYTHING)
    expected = stream.push(samples, acc)
    assert len(answered(expected)) > 5
    stream.reset()
    got = []
    for i in range(0, len(acc), 10):
        got += stream.push(np.empty(0, np.float32), acc[i : i + 10])
        got += stream.push(samples[4 * i : 4 * i + 40], np.empty((0, 3), np.float32))
    assert_same(got, expected)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "gap"), (np.inf, "gap"), (1e30, "out_of_range"), (4095, "clipped"), (50, "off_wrist")],
)
def test_bad_samples_say_why(value, reason):
    samples = 2000 + (pulses(30) - 1e5) / 10
    samples[640:960] = value
    stream = model_of("gpt_f32").stream(sampling_rate=RATE, clip=(0, 4095), worn=(100, np.inf), **EVERYTHING)
    touching = [r for r in stream.push(samples) if r.t_end > 10.01 and r.t_start < 14.99]
    assert touching
    assert {r.reason for r in touching} == {reason}
    assert not any(r.valid for r in touching)
    assert np.isnan([r.hr_bpm for r in touching]).all()


def test_noise_is_no_pulse():
    model = model_of("gpt_f32")
    noise = np.random.default_rng(0).standard_normal(6000).astype(np.float32)
    samples = pulses(60)
    loud = model.stream(sampling_rate=RATE, min_quality=0.9).push(noise)
    assert {r.reason for r in answered(loud)} == {"low_confidence"}
    assert all(0 <= r.quality <= 1 for r in loud + model.stream(sampling_rate=RATE).push(samples))


def test_a_drift_is_no_pulse():
    samples = (1e5 + np.arange(7680)).astype(np.float32)
    results = answered(model_of("gpt_f32").stream(sampling_rate=RATE).push(samples))
    assert {(r.reason, r.quality) for r in results} == {("low_confidence", 0.0)}


def test_results_are_a_table():
    first = model_of("mlp_f32").stream(sampling_rate=RATE).push(pulses(10))[0]
    assert first._fields == (
        "t_start", "t_end", "sample", "hr_bpm", "hr_std", "af_probability", "quality", "valid", "reason",
    )  # fmt: skip
    assert isinstance(first, streams.StreamResult)
    assert first.reason == "warming_up"


def test_time_goes_on_from_the_first_sample():
    stream = model_of("mlp_f32").stream(sampling_rate=RATE, first_sample=2**31 - 100, **EVERYTHING)
    last = stream.push(pulses(10))[-1]
    assert last.sample > 2**31
    assert last.t_end == pytest.approx(last.sample / RATE, abs=1 / RATE)


def test_a_wrong_rate_is_reported_with_both_numbers():
    stream = model_of("gpt_f32").stream(sampling_rate=64, timestamps=True)
    times = 1000 + np.arange(64 * 60) / 62.0
    assert answered(stream.push(pulses(60), timestamps=times))  # where warnings are errors, it waits
    assert stream.measured_rate == pytest.approx(62, rel=1e-3)
    with pytest.warns(UserWarning, match=r"time stamps run at 62 Hz, sampling_rate is 64 Hz"):
        stream.push(np.empty(0, np.float32), timestamps=np.empty(0))
    stream.push(np.empty(0, np.float32), timestamps=np.empty(0))  # once is enough


def test_a_recording_pushed_at_once_has_its_wrong_rate_reported():
    stream = model_of("gpt_f32").stream(sampling_rate=64, timestamps=True)
    with pytest.warns(UserWarning, match=r"time stamps run at 62 Hz, sampling_rate is 64 Hz"):
        results = stream.push(pulses(60), timestamps=1000 + np.arange(64 * 60) / 62.0)
    assert answered(results)


def test_a_rate_that_is_right_is_not_reported():
    stream = model_of("gpt_f32").stream(sampling_rate=64, timestamps=True)
    assert stream.measured_rate is None
    jitter = np.random.default_rng(0).uniform(-0.01, 0.01, 64 * 60)
    stream.push(pulses(60), timestamps=np.sort(np.arange(64 * 60) / 64.3 + jitter))
    stream.push(np.empty(0, np.float32), timestamps=np.empty(0))
    assert stream.measured_rate == pytest.approx(64.3, rel=2e-3)


def test_ten_million_samples_at_once():
    stream = model_of("tcn_s8").stream(sampling_rate=500, hop=60)
    results = stream.push(np.zeros(10_000_000, np.float32))
    assert len(results) == 10_000_000 // 30_000
    assert results[-1].reason == "flat"
    assert stream.push(np.empty(0, np.float32)) == []


def test_two_threads_in_one_stream_are_refused():
    stream = model_of("tcn_s8").stream(sampling_rate=500, hop=60)
    refusals = []

    def push(n: int) -> None:
        try:
            stream.push(np.zeros(n, np.float32))
        except RuntimeError as error:
            refusals.append(str(error))

    other = threading.Thread(target=push, args=(10_000_000,))
    other.start()
    while other.is_alive():
        push(0)
    assert refusals
    assert all("another thread is in this stream" in refusal for refusal in refusals)
    assert stream.push(np.empty(0, np.float32)) == []


STREAM_MISTAKES = [
    ({}, TypeError, "sampling_rate is missing"),
    ({"sampling_rate": "64"}, TypeError, "must be real number"),
    ({"sampling_rate": 0}, ValueError, "sampling_rate is 0, the bound is 20"),
    ({"sampling_rate": -64}, ValueError, "sampling_rate is -64, the bound is 20"),
    ({"sampling_rate": 1e6}, ValueError, "sampling_rate is 1000000, the bound is 500"),
    ({"sampling_rate": float("nan")}, ValueError, "sampling_rate is nan"),
    ({"sampling_rate": 64, "hop": 0}, ValueError, "hop is 0 s"),
    ({"sampling_rate": 64, "hop": -1}, ValueError, "hop is -1, the bound is 0.025"),
    ({"sampling_rate": 64, "clip": 5}, TypeError, r"clip is 5, expected \(low, high\)"),
    ({"sampling_rate": 64, "clip": (5, 1)}, ValueError, "clip_low is 5, the bound is 1"),
    ({"sampling_rate": 64, "worn": (5, 1)}, ValueError, "worn_low is 5, the bound is 1"),
    ({"sampling_rate": 64, "min_quality": 2}, ValueError, "the bound is 1: a limit is beyond the bound"),
    ({"sampling_rate": 64, "min_quality": -1}, ValueError, "min_quality is -1, the bound is 0"),
    ({"sampling_rate": 64, "first_sample": -1}, ValueError, "first_sample is -1"),
    ({"sample_rate": 64}, TypeError, "no option 'sample_rate', expected sampling_rate, acc_rate, hop"),
    ({"sampling_rate": 64, "zzz": 1}, TypeError, "no option 'zzz', expected sampling_rate"),
]


@pytest.mark.parametrize(("options", "error", "message"), STREAM_MISTAKES)
def test_streams_that_cannot_be(options, error, message):
    with pytest.raises(error, match=message):
        model_of("gpt_f32").stream(**options)


def test_a_rate_without_its_name_is_told_the_name():
    model = model_of("gpt_f32")
    with pytest.raises(TypeError, match="was given 64 without a name: pass sampling_rate="):
        model.stream(64)
    with pytest.raises(TypeError, match="was given 64 without a name: pass sampling_rate="):
        model.prepare(pulses(1), 64)
    with pytest.raises(TypeError, match="no option 'rate', expected sampling_rate"):
        model.prepare(pulses(1), rate=64)


def test_models_that_cannot_stream():
    with pytest.raises(ValueError, match=r"output.task is 0.*does not state"):
        model_of("linear_f32").stream(sampling_rate=64)
    with pytest.raises(ValueError, match="acc_rate is 32, and this model does not take the accelerometer"):
        model_of("gpt_f32").stream(sampling_rate=64, acc_rate=32)
    with pytest.raises(TypeError, match="acc_rate is missing"):
        model_of("gpt_acc_f32").stream(sampling_rate=64)


PUSH_MISTAKES = [
    (([1.0, 2.0],), TypeError, "samples is a list"),
    ((np.zeros(5),), TypeError, "samples has dtype float64"),
    ((np.ma.zeros(5, np.float32),), TypeError, r"masked array.*samples.filled\(np.nan\)"),
    ((np.zeros((5, 2), np.float32),), ValueError, r"samples has shape \(5, 2\)"),
    ((np.zeros(10, np.float32)[::2],), ValueError, "not contiguous"),
    ((np.zeros(5, np.float32), np.zeros((5, 3), np.float32)), ValueError, "does not take the accelerometer"),
    ((np.zeros(5, np.float32), None, np.arange(5.0)), ValueError, "the stream was made without"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), PUSH_MISTAKES)
def test_samples_that_cannot_be(arguments, error, message):
    stream = model_of("gpt_f32").stream(sampling_rate=64)
    with pytest.raises(error, match=message):
        stream.push(*arguments)
    assert len(stream.push(pulses(10))) > 5


def test_accelerations_that_cannot_be():
    stream = model_of("gpt_acc_f32").stream(sampling_rate=64, acc_rate=32)
    with pytest.raises(ValueError, match="acc is missing"):
        stream.push(pulses(1))
    with pytest.raises(ValueError, match=r"acc has shape \(3, 4\)"):
        stream.push(pulses(1), np.zeros((3, 4), np.float32))


def test_time_stamps_that_cannot_be():
    stream = model_of("gpt_f32").stream(sampling_rate=64, timestamps=True)
    samples = pulses(1)
    times = np.arange(64) / 64
    with pytest.raises(TypeError, match="contiguous array of float64"):
        stream.push(samples)
    with pytest.raises(ValueError, match=r"timestamps has shape \(63,\), expected \(64,\)"):
        stream.push(samples, timestamps=times[1:])
    with pytest.raises(ValueError, match=r"timestamps\[1\] is 0.96875, the one before 0.984375"):
        stream.push(samples, timestamps=times[::-1].copy())
    stream.push(samples, timestamps=times)
    with pytest.raises(ValueError, match=r"timestamps\[0\] is 0, the one before 0.984375"):
        stream.push(samples, timestamps=times)
    with pytest.raises(ValueError, match="is nan"):
        stream.push(samples, timestamps=np.full(64, np.nan))


@pytest.mark.parametrize(
    ("unit", "per_second"), [("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)]
)
@pytest.mark.parametrize("packet", [1, 64])
def test_time_stamps_in_another_unit_are_named(unit, per_second, packet):
    stream = model_of("gpt_f32").stream(sampling_rate=64, timestamps=True)
    samples, times = pulses(2), np.floor(1.7e9 + np.arange(128) / 64 * per_second)

    def push() -> None:
        for i in range(0, len(samples), packet):
            stream.push(samples[i : i + packet], timestamps=times[i : i + packet])

    with pytest.raises(ValueError, match=f"expected 0.015625 s .*these seem to be {unit}: divide by"):
        push()
    stream.reset()
    times = np.arange(128) / 64
    times += 5.0 * (np.arange(128) // 8)  # gaps are no other unit
    push()


def test_preparing_needs_finite_samples():
    model = model_of("gpt_f32")
    samples = pulses(2)
    samples[7] = np.nan
    with pytest.raises(ValueError, match=r"samples\[7\] is nan"):
        model.prepare(samples, sampling_rate=64)
    with pytest.raises(ValueError, match="sampling_rate is 1, the bound is 20"):
        model.prepare(pulses(2), sampling_rate=1)
    assert len(model.prepare(np.empty(0, np.float32), sampling_rate=64)) == 0


def test_reasons_are_those_of_the_core():
    assert streams.REASONS[0] == "ok"
    assert len(set(streams.REASONS)) == 8


def test_a_stream_keeps_its_model():
    stream = model_of("gpt_f32").stream(sampling_rate=64, **EVERYTHING)
    expected = model_of("gpt_f32").stream(sampling_rate=64, **EVERYTHING).push(pulses(10))
    assert_same(stream.push(pulses(10)), expected)
    assert stream.nbytes % 64 == 0
    assert stream.latency == pytest.approx(8 / 40, abs=1 / 64)


def test_the_example_runs():
    example = MODELS.parents[2] / "examples" / "stream.py"
    command = [sys.executable, str(example), str(MODELS / "v1.0_gpt_f32.ppgf"), "--speed", "0"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert len(output.splitlines()) > 500
    assert re.search(r"119\.\d s +[\d.]+ bpm  quality [\d.]+  \w+", output)


def test_published_recordings_stream_as_they_predict(real_data):
    loadmat = pytest.importorskip("scipy.io").loadmat
    model = model_of("gpt_f32")
    for name in ("DATA_01_TYPE01", "DATA_12_TYPE02"):
        samples = loadmat(real_data / "ieee_spc2015" / f"{name}.mat")["sig"][1].astype(np.float32)
        results = answered(model.stream(sampling_rate=125, hop=2).push(samples))
        signal = model.prepare(samples, sampling_rate=125)
        windows = np.stack([signal[round(r.t_start * 40) :][:35] for r in results])
        assert len(results) > 130
        np.testing.assert_array_equal(np.float32([r.hr_bpm for r in results]), model.predict(windows)[:, 0])
