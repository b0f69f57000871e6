"""What the page shows, without the page: samples of files and streams, results, beats, motion."""

import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

import ppgfast
from ppgfast.io import Recording
from ppgfast.monitor import source
from ppgfast.monitor.live import INTERVAL, Live, Options
from ppgfast.monitor.source import Packet, Source

RATE = 64.0


@pytest.fixture(scope="module")
def made():
    return ppgfast.ppg_simulate(duration=60, sampling_rate=RATE, seed=5, motion="walk")


def recording(made, timestamps=None, **changes):
    values = {
        "signal": made.signal,
        "sampling_rate": RATE,
        "timestamps": timestamps,
        "acc": made.acc.astype(np.float64),
        "acc_rate": made.acc_rate,
        "acc_start": 0.0,
        "metadata": {"file": "wrist.csv"},
    }
    return Recording(**{**values, **changes})


def live_of(samples, model="hr-tcn5k-s8", af=None, options=Options()):  # noqa: B008  it is frozen
    return Live(samples, ppgfast.load(model), ppgfast.load(af) if af else None, options)


def told(samples, live):
    """All that is said of a source, one list or dict of columns for each name."""
    said = {}
    for packet in samples.packets:
        for name, value in live.push(packet).items():
            if isinstance(value, dict):
                for key, values in value.items():
                    said.setdefault(name, {}).setdefault(key, []).extend(values)
            else:
                said.setdefault(name, []).extend(value if isinstance(value, list) else [value])
    return said


def nulls(result):
    return {key: None if value != value else value for key, value in result._asdict().items()}


@pytest.mark.parametrize("model", ["hr-tcn5k-s8", "hr-tcn5k-acc-s8", "af-tcn5k-s8"])
def test_a_recording_gives_the_results_of_its_stream(made, model):
    samples = source.played(recording(made), 0)
    said = told(samples, live_of(samples, model))
    stream = ppgfast.load(model).stream(
        sampling_rate=RATE, acc_rate=made.acc_rate if "acc" in model else None
    )
    expected = stream.push(made.signal, acc=made.acc if "acc" in model else None)
    assert [{key: row[key] for key in nulls(expected[0])} for row in said["results"]] == [
        nulls(result) for result in expected
    ]
    assert said["begin"] == [0.0]
    assert said["now"][-1] == pytest.approx(60 - 1 / RATE)
    np.testing.assert_allclose(said["wave"]["y"], made.signal, rtol=1e-5)
    np.testing.assert_allclose(said["wave"]["t"], np.arange(len(made.signal)) / RATE, atol=1e-4)
    assert ("af" in said) == model.startswith("af")
    for row in said["results"]:
        if row["hr_bpm"] is not None:
            assert row["hr_hi"] - row["hr_bpm"] == pytest.approx(INTERVAL * row["hr_std"])
        assert row["latency_ms"] > 0


def test_a_second_model_tells_of_fibrillation_filtered_both_ways(made):
    samples = source.played(recording(made), 0)
    said = told(samples, live_of(samples, af="af-tcn5k-s8"))
    stream = ppgfast.load("af-tcn5k-s8").stream(sampling_rate=RATE, both_ways=True)
    expected = [nulls(result) for result in stream.push(made.signal)]
    assert [{key: row[key] for key in expected[0]} for row in said["af"]] == expected
    assert {row["af_probability"] for row in said["results"]} == {None}


@pytest.mark.parametrize("options", [Options(hop=1.0), Options(both_ways=True), Options(track=False)])
def test_every_option_reaches_the_stream(made, options):
    samples = source.played(recording(made), 0)
    said = told(samples, live_of(samples, options=options))
    stream = ppgfast.load("hr-tcn5k-s8").stream(sampling_rate=RATE, **vars(options))
    expected = [nulls(result) for result in stream.push(made.signal)]
    assert [{key: row[key] for key in expected[0]} for row in said["results"]] == expected


def test_beats_are_those_of_the_whole_recording_and_each_comes_once(made):
    samples = source.played(recording(made), 0)
    beats = np.array(told(samples, live_of(samples))["beats"]["t"])
    assert (np.diff(beats) > 0.25).all()
    whole = ppgfast.ppg_peaks(made.signal, sampling_rate=RATE)["t"]
    off = np.abs(beats[:, None] - whole).min(axis=1)
    assert (off < 0.05).mean() > 0.95
    assert len(beats) >= 0.93 * (whole < 59).sum()


def test_beats_are_the_same_in_any_packets(made):
    whole = Packet(made.signal)
    pieces = [Packet(part) for part in np.array_split(made.signal, 700)]
    found = []
    for packets in ([whole], pieces):
        samples = Source("x", RATE, None, False, iter(packets))
        found.append(np.array(told(samples, live_of(samples))["beats"]["t"]))
    near = np.abs(found[0][:, None] - found[1]).min(axis=1)
    assert (near < 0.05).mean() > 0.95


def test_no_beat_is_placed_where_samples_are_missing(made):
    times = np.arange(len(made.signal)) / RATE
    there = (times < 20) | (times > 30)
    samples = source.played(recording(made, times[there], signal=made.signal[there]), 0)
    beats = np.array(told(samples, live_of(samples))["beats"]["t"])
    assert not ((beats > 20) & (beats < 30)).any()
    assert (beats < 20).sum() > 10
    behind = source.played(recording(made, times[times > 30], signal=made.signal[times > 30]), 0)
    assert beats[beats > 30].tolist() == told(behind, live_of(behind))["beats"]["t"]


def test_motion_is_that_of_the_last_second(made):
    still = np.tile([0.0, 0.0, 1.0], (len(made.acc), 1))
    moved = still.copy()
    half = len(moved) // 2
    moved[half:, 2] += 0.5 * np.sin(np.arange(len(moved) - half))
    samples = source.played(recording(made, acc=moved), 0)
    motion = told(samples, live_of(samples))["motion"]
    t, g = np.array(motion["t"]), np.array(motion["g"])
    assert len(t) == 120
    np.testing.assert_allclose(np.diff(t), 0.5, atol=1e-3)
    assert (g[t < 29] < 1e-6).all()
    assert g[t > 32] == pytest.approx(0.5 * 2 / np.pi, rel=0.1)
    samples = source.played(recording(made, acc=None, acc_rate=None), 0)
    assert "motion" not in told(samples, live_of(samples))


def test_a_clock_that_is_set_back_begins_anew(made):
    times = np.arange(len(made.signal)) / RATE
    packets = [Packet(made.signal, None, times + 100), Packet(made.signal, None, times, anew=True)]
    samples = Source("x", RATE, None, True, iter(packets))
    live = live_of(samples)
    first, second = (live.push(packet) for packet in samples.packets)
    assert (first["begin"], second["begin"]) == (100.0, 0.0)
    assert [row["hr_bpm"] for row in first["results"]] == pytest.approx(
        [row["hr_bpm"] for row in second["results"]], nan_ok=True
    )


def test_a_model_that_takes_the_accelerometer_needs_one(made):
    samples = source.played(recording(made, acc=None, acc_rate=None), 0)
    with pytest.raises(ValueError, match=r"wrist.csv has none: add ax,ay,az in g"):
        live_of(samples, "hr-tcn5k-acc-s8")


def test_a_recording_is_played_in_its_own_time(made):
    begin = time.monotonic()
    packets = [
        packet for packet, _ in zip(source.played(recording(made), 10).packets, range(5), strict=False)
    ]
    assert 0.4 <= time.monotonic() - begin < 2.0
    assert [len(packet.ppg) for packet in packets] == [64] * 5
    assert [len(packet.acc) for packet in packets] == [round(made.acc_rate)] * 5


def test_a_lab_streaming_layer_stream_brings_its_time_stamps(monkeypatch, made):
    n = 640
    rows = np.column_stack([np.zeros(n), made.signal[:n], np.ones((n, 3))])
    times = 1000 + np.arange(n) / RATE
    chunks = [
        (rows[:300].tolist(), times[:300].tolist()),
        ([], []),
        (rows[300:].tolist(), (times[300:] - 0.02).tolist()),
    ]
    chunks.append((rows[:64].tolist(), times[:64].tolist()))  # the sensor's clock was set
    inlet = SimpleNamespace(pull_chunk=lambda timeout: chunks.pop(0))
    about = SimpleNamespace(nominal_srate=lambda: RATE, channel_count=lambda: 5, name=lambda: "wrist")
    asked = {}

    def resolve(kind, value, timeout):
        asked.update(kind=kind, value=value)
        return [about] if value != "none" else []

    fake = SimpleNamespace(resolve_byprop=resolve, StreamInlet=lambda *_, **__: inlet, proc_clocksync=1)
    monkeypatch.setitem(sys.modules, "pylsl", fake)
    options = {"name": None, "channel": 1, "acc": 2, "sampling_rate": None, "timeout": 0.1}
    found = source.lsl(**options)
    assert (found.name, found.sampling_rate, found.acc_rate, found.timed) == ("wrist", RATE, RATE, True)
    assert asked == {"kind": "type", "value": "PPG"}
    packets = [next(found.packets) for _ in range(3)]
    np.testing.assert_array_equal(np.concatenate([p.ppg for p in packets[:2]]), made.signal[:n])
    stamps = np.concatenate([p.times for p in packets[:2]])
    assert (np.diff(stamps) >= 0).all()
    assert [p.anew for p in packets] == [False, False, True]
    assert packets[2].acc.shape == (64, 3)
    with pytest.raises(ValueError, match=r"no LSL stream of name none within 0.1 s"):
        source.lsl(**{**options, "name": "none"})
    with pytest.raises(ValueError, match=r"has channels 0 to 4 and no others"):
        source.lsl(**{**options, "acc": 3})
    about.nominal_srate = lambda: 0.0
    with pytest.raises(ValueError, match=r"states no rate: state --sampling-rate"):
        source.lsl(**options)


def test_nothing_of_it_is_loaded_by_import_ppgfast():
    names = "{name.split('.')[-1] for name in sys.modules}"
    code = f"import ppgfast, sys; print({names} & {{'monitor', 'bokeh', 'tornado'}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
