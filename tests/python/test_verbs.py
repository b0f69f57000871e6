"""The verbs on simulated people: what they answer, what each option does, that inputs stay as they were."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ppgfast
from ppgfast.simulate import Sensor

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"
RATE = 64.0
COLUMNS = (
    "t_start",
    "t_end",
    "hr_bpm",
    "hr_std",
    "hr_lo",
    "hr_hi",
    "quality",
    "af_probability",
    "valid",
    "reason",
)


@pytest.fixture(scope="module")
def person():
    return ppgfast.ppg_simulate(
        duration=60, sampling_rate=RATE, seed=3, heart_rate=((0.0, 60.0), (65.0, 95.0)), motion="gestures"
    )


@pytest.fixture(scope="module")
def af_model():
    """A tiny model that answers with a probability."""
    return MODELS / "v1.0_mlp_f32.ppgf"


def same(a, b) -> bool:
    return all(np.array_equal(a[name], b[name], equal_nan=a[name].dtype.kind == "f") for name in a.columns)


def test_heart_rates_are_near_the_truth(person):
    table = ppgfast.ppg_rate(person.signal, sampling_rate=RATE)
    assert table.columns == COLUMNS
    assert len(table) == 27
    np.testing.assert_allclose(table["t_start"], person.windows(8, 2))
    np.testing.assert_allclose(table["t_end"] - table["t_start"], 8)
    truth = person.hr(8, 2)
    assert np.median(np.abs(table["hr_bpm"] - truth)) < 1.5
    inside = (table["hr_lo"] <= truth) & (truth <= table["hr_hi"])
    assert inside.mean() > 0.8
    assert table["valid"].mean() > 0.7
    assert set(table["reason"]) <= {"ok", "low_confidence"}
    assert np.isnan(table["af_probability"]).all()


@pytest.mark.parametrize(
    "option",
    [
        {"sampling_rate": 50.0},
        {"hop": 1.0},
        {"track": False},
        {"min_quality": 0.99},
        {"model": "hr-gpt50k-s8"},
        {"clip": (-0.4, 0.4)},
        {"worn": (-0.4, 0.4)},
        {"polarity": "inverted"},
    ],
    ids=lambda option: next(iter(option)),
)
@pytest.mark.filterwarnings("ignore::ppgfast.SignalWarning")
def test_every_option_of_ppg_rate_changes_the_result(person, option):
    usual = ppgfast.ppg_rate(person.signal, sampling_rate=RATE)
    other = ppgfast.ppg_rate(person.signal, **{"sampling_rate": RATE, **option})
    assert len(usual) != len(other) or not same(usual, other)


@pytest.mark.parametrize("verb", ["ppg_rate", "ppg_quality", "ppg_process", "ppg_peaks", "ppg_clean"])
@pytest.mark.filterwarnings("ignore::ppgfast.SignalWarning")
def test_options_of_the_samples_change_every_verb(person, verb):
    def text(ppg, **options):
        found = getattr(ppgfast, verb)(ppg, **options)
        found = found[1]["windows"] if verb == "ppg_process" else found
        return found.tobytes() if isinstance(found, np.ndarray) else repr(list(found.rows()))

    x = person.signal
    usual = text(x, sampling_rate=RATE)
    stamps = np.arange(len(x)) / RATE
    late = stamps + (np.arange(len(x)) > 1500) * 3.0
    assert text(x, timestamps=stamps) == usual
    assert text(x, timestamps=late) != usual
    assert text(x, sampling_rate=60.0) != usual
    assert text(x, sampling_rate=RATE, clip=(-0.3, 0.3)) != usual
    assert text(x, sampling_rate=RATE, worn=(-0.3, 0.3)) != usual
    assert text(x, sampling_rate=RATE, polarity="inverted") != usual
    both = np.stack([x[::-1], x], axis=1)
    assert text(both, sampling_rate=RATE, channel=1) == usual
    assert text(both, sampling_rate=RATE, channel=0) != usual


def test_options_of_single_verbs_change_their_result(person, af_model):
    x = person.signal
    clean = ppgfast.ppg_clean(x, sampling_rate=RATE)
    for option in ({"low": 0.8}, {"high": 5.0}, {"order": 3}):
        assert not np.array_equal(clean, ppgfast.ppg_clean(x, sampling_rate=RATE, **option))
    usual = ppgfast.ppg_peaks(x, sampling_rate=RATE)
    assert len(ppgfast.ppg_peaks(x, sampling_rate=RATE, min_interval=1.0)) < len(usual)
    quality = ppgfast.ppg_quality(x, sampling_rate=RATE)
    for option in ({"track": False}, {"model": "hr-gpt50k-s8"}, {"hop": 4.0}):
        other = ppgfast.ppg_quality(x, sampling_rate=RATE, **option)
        assert len(other) != len(quality) or not same(other, quality)
    af = ppgfast.ppg_af(x, sampling_rate=RATE, model=af_model)
    assert len(ppgfast.ppg_af(x, sampling_rate=RATE, model=af_model, hop=4.0)) < len(af)
    assert not ppgfast.ppg_af(x, sampling_rate=RATE, model=af_model, min_quality=1.0)["valid"].any()
    _, info = ppgfast.ppg_process(x, sampling_rate=RATE)
    assert "pass af_model=" in info["af"]
    _, info = ppgfast.ppg_process(x, sampling_rate=RATE, af_model=af_model)
    assert same(info["af"], af)
    assert np.isfinite(info["windows"]["af_probability"]).mean() > 0.8
    for option in ({"track": False}, {"model": "hr-gpt50k-s8"}, {"hop": 4.0}, {"min_quality": 0.99}):
        _, other = ppgfast.ppg_process(x, sampling_rate=RATE, **option)
        assert len(other["windows"]) != 27 or not same(other["windows"], info["windows"])


def test_an_accelerometer_changes_the_answer_and_belongs_to_a_model_that_takes_it(person):
    x, acc = person.signal, {"acc": person.acc, "acc_rate": person.acc_rate}
    for verb in (ppgfast.ppg_rate, ppgfast.ppg_quality):
        with_acc = verb(x, sampling_rate=RATE, **acc)
        assert with_acc.info["model"]["name"] == "hr-tcn5k-acc-s8"
        still = verb(x, sampling_rate=RATE, acc=np.tile([0.0, 0.0, 1.0], (len(acc["acc"]), 1)), acc_rate=32)
        assert not np.array_equal(with_acc["quality"], still["quality"])
        slower = verb(x, sampling_rate=RATE, acc=person.acc[::2], acc_rate=16)
        assert not np.array_equal(with_acc["quality"], slower["quality"])
    _, info = ppgfast.ppg_process(x, sampling_rate=RATE, **acc)
    assert info["windows"].info["model"]["name"] == "hr-tcn5k-acc-s8"
    lost = person.acc.copy()
    lost[600:640] = np.nan
    table = ppgfast.ppg_rate(x, sampling_rate=RATE, acc=lost, acc_rate=32)
    touched = (table["t_start"] < 20) & (table["t_end"] > 18.75)
    np.testing.assert_array_equal(table["reason"] == "gap", touched)
    with pytest.raises(ValueError, match=r"PPG alone.*leave acc out"):
        ppgfast.ppg_rate(x, sampling_rate=RATE, model="hr-tcn5k-s8", **acc)
    with pytest.raises(TypeError, match=r"takes the accelerometer: pass acc="):
        ppgfast.ppg_rate(x, sampling_rate=RATE, model="hr-tcn5k-acc-s8")


@pytest.mark.filterwarnings("ignore::ppgfast.SignalWarning")
def test_what_was_passed_is_not_changed(person, af_model):
    pd = pytest.importorskip("pandas")
    x = person.signal.astype(np.float64)
    x[700:720] = np.nan
    acc, stamps = person.acc.copy(), np.arange(len(x)) / RATE
    before = [value.tobytes() for value in (x, acc, stamps)]
    ppgfast.ppg_process(x, timestamps=stamps, acc=acc, acc_rate=32, polarity="auto")
    ppgfast.ppg_rate(x, sampling_rate=RATE, polarity="inverted")
    ppgfast.ppg_af(x, sampling_rate=RATE, model=af_model)
    ppgfast.ppg_quality(x, sampling_rate=RATE)
    ppgfast.ppg_peaks(x, sampling_rate=RATE)
    ppgfast.ppg_clean(x, sampling_rate=RATE)
    ppgfast.ppg_check(x, sampling_rate=RATE, acc=acc, acc_rate=32)
    assert [value.tobytes() for value in (x, acc, stamps)] == before
    x[700:720] = 0.0
    series = pd.Series(x, index=np.arange(len(x))[::-1])
    kinds = [x, x.tolist(), series, x[:, None], np.stack([x, x], axis=1)[:, 0]]
    expected = ppgfast.ppg_rate(x, sampling_rate=RATE)
    assert all(same(ppgfast.ppg_rate(kind, sampling_rate=RATE), expected) for kind in kinds)
    frame = pd.DataFrame({"time": stamps, "bvp": x})
    assert same(ppgfast.ppg_rate(frame, sampling_rate=RATE, channel="bvp"), expected)
    dates = pd.Timestamp("2026-01-01") + pd.to_timedelta(stamps, unit="s")
    np.testing.assert_allclose(ppgfast.ppg_rate(x, timestamps=dates)["hr_bpm"], expected["hr_bpm"], atol=0.05)


def test_a_table_works_with_pandas_polars_or_neither(person):
    table = ppgfast.ppg_rate(person.signal, sampling_rate=RATE)
    assert list(table) == list(table.keys()) == list(COLUMNS)
    assert dict(table.to_dict())["hr_bpm"] is table["hr_bpm"]
    first = next(table.rows())
    assert list(first) == list(COLUMNS)
    assert json.dumps(first["valid"]) in ("true", "false")
    assert repr(table).endswith("[27 rows]")
    assert len(repr(table).splitlines()) == 11
    assert "hr_bpm" in repr(table)
    with pytest.raises(KeyError, match=r"no column 'bpm': there are t_start"):
        table["bpm"]
    pd = pytest.importorskip("pandas")
    frame = table.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == list(COLUMNS)


@pytest.mark.parametrize("key", [0, slice(2), ["t_start", "hr_bpm"], np.ones(27, bool), None])
def test_a_table_asked_for_rows_says_what_works(person, key):
    table = ppgfast.ppg_rate(person.signal, sampling_rate=RATE)
    with pytest.raises(
        TypeError, match=r"expected a column by its name.*table\['t_start'\]\[:10\].*table\.to_pandas\(\)"
    ):
        table[key]


def test_a_table_becomes_a_polars_frame(person):
    pytest.importorskip("polars")
    frame = ppgfast.ppg_rate(person.signal, sampling_rate=RATE).to_polars()
    assert frame.columns == list(COLUMNS)
    assert frame.height == 27


def test_signals_have_a_row_for_each_sample(person):
    signals, info = ppgfast.ppg_process(person.signal, sampling_rate=RATE)
    assert signals.columns == ("PPG_Raw", "PPG_Clean", "PPG_Rate", "PPG_Quality", "PPG_Peaks")
    assert len(signals) == len(person.signal)
    np.testing.assert_array_equal(signals["PPG_Raw"], person.signal)
    np.testing.assert_array_equal(signals["PPG_Clean"], ppgfast.ppg_clean(person.signal, sampling_rate=RATE))
    np.testing.assert_array_equal(np.flatnonzero(signals["PPG_Peaks"]), info["PPG_Peaks"])
    windows = info["windows"]
    assert same(windows, ppgfast.ppg_rate(person.signal, sampling_rate=RATE))
    at = round((windows["t_start"][5] + 4.0) * RATE)
    assert signals["PPG_Rate"][at] == pytest.approx(windows["hr_bpm"][5], abs=0.01)
    assert signals["PPG_Quality"][at] == pytest.approx(windows["quality"][5], abs=1e-3)
    assert info["versions"]["ppgfast"] == ppgfast.__version__
    assert info["model"]["sha256"] == ppgfast.models()["hr-tcn5k-s8"]["sha256"]


def test_bad_samples_have_a_reason_and_no_number():
    person = ppgfast.ppg_simulate(duration=120, sampling_rate=RATE, seed=5)
    x = person.signal.astype(np.float64)
    marks = {"gap": 15.0, "out_of_range": 35.0, "clipped": 55.0, "off_wrist": 75.0, "flat": 95.0}
    values = dict(zip(marks, (np.nan, 3e9, 100.0, -50.0, 0.123), strict=True))
    for name, at in marks.items():
        x[round(at * RATE) : round((at + 1) * RATE)] = values[name]
    table = ppgfast.ppg_rate(x, sampling_rate=RATE, clip=(-100, 100), worn=(-20, 200))
    for name, at in marks.items():
        # flat says so from half a second on
        touched = (table["t_start"] < at + 1) & (table["t_end"] > at + (0.5 if name == "flat" else 0.0))
        assert (table["reason"][touched] == name).all()
        assert np.isnan(table["hr_bpm"][touched]).all()
        assert (table["quality"][touched] == 0).all()
        assert not table["valid"][touched].any()
    clear = np.isin(table["reason"], list(marks), invert=True)
    assert np.median(np.abs(table["hr_bpm"] - person.hr(8, 2))[clear]) < 1.5
    clean = ppgfast.ppg_clean(x, sampling_rate=RATE)
    assert np.isnan(clean[round(15.5 * RATE)])
    assert np.isfinite(clean[round(20 * RATE)])


def test_jitter_of_time_stamps_is_smoothed_away(person):
    from ppgfast.verbs.signal import signal_of

    rng = np.random.default_rng(0)
    true = np.arange(len(person.signal)) / RATE + 2e-4 * np.sin(np.arange(len(person.signal)) / 2000)
    true[2000:] += 5.0
    signal = signal_of(
        person.signal, sampling_rate=None, timestamps=true + rng.uniform(-0.006, 0.006, len(true))
    )
    assert np.abs(signal.times - true).max() < 0.002
    assert signal.rate == pytest.approx(RATE, rel=1e-3)


def test_time_stamps_are_followed_through_jitter_drift_and_gaps(person):
    rng = np.random.default_rng(0)
    x, true = person.signal, 63.3
    stamps = 1e5 + np.arange(len(x)) / true + rng.uniform(-0.005, 0.005, len(x))
    kept = np.r_[0:1500, 1700 : len(x)]
    table = ppgfast.ppg_rate(x[kept], timestamps=stamps[kept])
    assert table["t_start"][0] == pytest.approx(1e5, abs=0.02)
    away = (table["t_start"] > 1e5 + 1700 / true) | (table["t_end"] < 1e5 + 1500 / true)
    np.testing.assert_array_equal(table["reason"] == "gap", ~away)
    truth = person.hr(8, 2)[: len(table)] * true / RATE
    assert np.median(np.abs(table["hr_bpm"] - truth)[away]) < 1.5
    signals, _ = ppgfast.ppg_process(x[kept], timestamps=stamps[kept])
    assert len(signals) == len(kept)
    beats = ppgfast.ppg_peaks(x[kept], timestamps=stamps[kept])
    near = x[kept][beats["sample"]]
    assert np.abs(stamps[kept][beats["sample"]] - beats["t"]).max() < 0.02
    assert (near > np.median(x)).mean() > 0.9
    assert not ((beats["t"] > 1e5 + 1505 / true) & (beats["t"] < 1e5 + 1695 / true)).any()


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"sampling_rate": None}, TypeError, r"neither sampling_rate nor timestamps.*no default"),
        ({"sampling_rate": 1}, ValueError, r"sampling_rate is 1 Hz, expected 20 to 4000"),
        ({"sampling_rate": "64"}, TypeError, r"sampling_rate is '64', expected a number of Hz"),
        ({"ppg": ["a"]}, TypeError, r"ppg holds .*expected numbers"),
        ({"ppg": np.zeros((9, 2))}, ValueError, r"shape \(9, 2\): say which column is the PPG with channel="),
        ({"ppg": np.zeros((9, 2)), "channel": 2}, ValueError, r"channel is 2, expected 0 to 1"),
        ({"ppg": np.zeros((9, 2)), "channel": "x"}, TypeError, r"ppg has no names"),
        ({"channel": 0}, ValueError, r"expected \(n, channels\), for channel="),
        ({"ppg": np.zeros((2, 3, 4))}, ValueError, r"shape \(2, 3, 4\)"),
        ({"timestamps": [1.0, 2.0]}, ValueError, r"timestamps has shape \(2,\), expected \(640,\)"),
        ({"timestamps": np.zeros(640)}, ValueError, r"expected seconds that rise"),
        ({"timestamps": np.arange(640.0)}, ValueError, r"timestamps advance by 1 s.*seconds"),
        ({"timestamps": ["x"] * 640}, TypeError, r"timestamps hold str"),
        ({"polarity": "down"}, ValueError, r"polarity is 'down', expected one of upright"),
        ({"clip": (1, 0)}, ValueError, r"clip is \(1, 0\), expected low below high"),
        ({"worn": 3}, TypeError, r"worn is 3, expected \(low, high\)"),
        ({"hop": 0}, ValueError, r"hop is 0 s"),
        ({"min_quality": 2}, ValueError, r"min_quality is 2, expected 0 to 1$"),
        ({"min_quality": "a"}, TypeError, r"min_quality is 'a', expected a number from 0 to 1$"),
        ({"ppg": "a.csv"}, TypeError, r"ppg is 'a.csv'.*read it first: ppgfast.read\(path\)"),
        ({"ppg": Path("a.csv")}, TypeError, r"ppg is 'a.csv'.*read it first: ppgfast.read\(path\)"),
        ({"ppg": [1.0, None, 2.0]}, TypeError, r"ppg holds None.*missing samples are NaN"),
        ({"acc": np.zeros((9, 3))}, TypeError, r"acc and acc_rate belong together"),
        ({"acc": np.zeros((3, 9)), "acc_rate": 32}, ValueError, r"acc has shape \(3, 9\), expected \(k, 3\)"),
        (
            {"acc_start": 1.0},
            TypeError,
            r"acc_start is 1 s, and no acc is given: pass acc= and acc_rate= too",
        ),
        ({"acc_start": np.nan}, ValueError, r"acc_start is nan s, expected"),
        ({"acc_start": None}, TypeError, r"acc_start is None, expected a number of s"),
        ({"model": 3}, TypeError, r"model is a int, expected a name of ppgfast.models\(\)"),
        ({"model": "no-such"}, ppgfast.ModelFileError, r"no-such"),
    ],
)
def test_misuse_says_what_was_found_and_how_to_mend_it(change, error, match):
    noise = np.random.default_rng(0).standard_normal(640)
    given = {"ppg": noise, "sampling_rate": RATE, **change}
    with pytest.raises(error, match=match):
        ppgfast.ppg_rate(given.pop("ppg"), **given)


def test_a_recording_passed_whole_is_told_what_to_pass(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("ppg\n" + "".join(f"{i % 50}\n" for i in range(640)))
    recording = ppgfast.read(file, sampling_rate=RATE)
    wanted = r"ppg is a Recording.*recording\.signal \(and sampling_rate=recording\.sampling_rate\)"
    with pytest.raises(TypeError, match=wanted):
        ppgfast.ppg_rate(recording)


def test_masked_samples_are_missing(person):
    x = np.ma.masked_array(np.rint(1000 * person.signal).astype(np.int32), mask=False)
    x[1280:1344] = np.ma.masked
    table = ppgfast.ppg_rate(x, sampling_rate=RATE)
    assert same(table, ppgfast.ppg_rate(x.astype(np.float64).filled(np.nan), sampling_rate=RATE))
    touched = (table["t_start"] < 21) & (table["t_end"] > 20)
    np.testing.assert_array_equal(table["reason"] == "gap", touched)
    acc = np.ma.masked_array(person.acc, mask=False)
    acc[640:672] = np.ma.masked
    table = ppgfast.ppg_rate(person.signal, sampling_rate=RATE, acc=acc, acc_rate=person.acc_rate)
    np.testing.assert_array_equal(table["reason"] == "gap", touched)


def test_where_the_accelerometer_has_ended_rows_are_a_gap(person):
    x, acc, rate = person.signal, person.acc, person.acc_rate
    whole = ppgfast.ppg_rate(x, sampling_rate=RATE, acc=acc, acc_rate=rate)
    with pytest.warns(ppgfast.SignalWarning, match=r"lasts 30 s, and the PPG 60 s.*check acc_rate=32"):
        table = ppgfast.ppg_rate(x, sampling_rate=RATE, acc=acc[: round(30 * rate)], acc_rate=rate)
    assert [finding.kind for finding in table.info["findings"]] == ["acc_duration"]
    np.testing.assert_array_equal(table["t_start"], whole["t_start"])
    missing = table["t_end"] > 30
    assert (table["reason"][missing] == "gap").all()
    assert np.isnan(table["hr_bpm"][missing]).all()
    assert not table["valid"][missing].any()
    assert np.isin(table["reason"][~missing], ("ok", "low_confidence")).all()
    nearly = ppgfast.ppg_rate(x, sampling_rate=RATE, acc=acc[:-1], acc_rate=rate)
    assert nearly["reason"][-1] == "gap"
    assert (nearly["reason"][:-1] != "gap").all()
    with pytest.warns(ppgfast.SignalWarning, match="lasts 0 s"):
        none = ppgfast.ppg_rate(x, sampling_rate=RATE, acc=np.zeros((0, 3)), acc_rate=rate)
    assert len(none) == 27
    assert (none["reason"] == "gap").all()


@pytest.mark.parametrize("start", [10.0, -10.0])
def test_an_accelerometer_that_began_at_another_time_is_aligned(person, start):
    x, acc, rate = person.signal, person.acc, person.acc_rate
    n = round(abs(start) * rate)
    ahead = np.full((n, 3), np.nan) if start > 0 else acc[:0]
    shifted = acc[n:] if start > 0 else np.concatenate([acc[:n], acc])
    aligned = np.concatenate([ahead, shifted if start > 0 else acc])
    by_hand = ppgfast.ppg_rate(x, sampling_rate=RATE, acc=aligned, acc_rate=rate)
    table = ppgfast.ppg_rate(x, sampling_rate=RATE, acc=shifted, acc_rate=rate, acc_start=start)
    assert same(table, by_hand)
    np.testing.assert_array_equal(table["reason"] == "gap", table["t_start"] < start)
    assert table.info["findings"] == []
    stamps = {"timestamps": 1e5 + np.arange(len(x)) / RATE}
    later = ppgfast.ppg_rate(x, **stamps, acc=shifted, acc_rate=rate, acc_start=start)
    np.testing.assert_array_equal(later["hr_bpm"], by_hand["hr_bpm"])
    read = ppgfast.Recording(x, RATE, None, shifted.astype(np.float64), rate, start, {})
    np.testing.assert_array_equal(read.acc_from_start(), aligned.astype(np.float32))


def test_an_accelerometer_that_began_after_the_end_is_a_gap(person):
    with pytest.warns(ppgfast.SignalWarning, match=r"check acc_rate="):
        table = ppgfast.ppg_rate(
            person.signal, sampling_rate=RATE, acc=person.acc, acc_rate=person.acc_rate, acc_start=1e9
        )
    assert (table["reason"] == "gap").all()


def test_no_rate_is_held_after_the_last_window(person):
    signals, info = ppgfast.ppg_process(person.signal, sampling_rate=RATE, hop=35.0, min_quality=0.0)
    assert len(info["windows"]) == 2
    end = round(info["windows"]["t_end"][-1] * RATE)
    for name in ("PPG_Rate", "PPG_Quality"):
        assert np.isfinite(signals[name][: end + 1]).all()
        assert np.isnan(signals[name][end + 1 :]).all()


def test_misuse_of_other_verbs(person, af_model):
    x = person.signal
    with pytest.raises(ValueError, match=r"pass model=.*a \.ppgf file with task 'af'"):
        ppgfast.ppg_af(x, sampling_rate=RATE)
    with pytest.raises(ValueError, match=r"answers 'hr', expected a model for 'af'"):
        ppgfast.ppg_af(x, sampling_rate=RATE, model="hr-tcn5k-s8")
    with pytest.raises(ValueError, match=r"answers 'af', expected a model for 'hr'"):
        ppgfast.ppg_rate(x, sampling_rate=RATE, model=ppgfast.load(af_model))
    with pytest.raises(ValueError, match=r"expected low below high"):
        ppgfast.ppg_clean(x, sampling_rate=RATE, low=5.0, high=1.0)
    with pytest.raises(ValueError, match=r"high is 40 Hz"):
        ppgfast.ppg_clean(x, sampling_rate=RATE, high=40.0)
    with pytest.raises(TypeError, match=r"as ppg_process returns them"):
        ppgfast.ppg_plot(x, {})


def test_a_model_without_a_distribution_has_no_interval(person):
    table = ppgfast.ppg_rate(person.signal, sampling_rate=RATE, model=MODELS / "v1.0_gpt_f32.ppgf")
    assert np.isfinite(table["hr_bpm"]).all()
    assert np.isnan(np.stack([table[name] for name in ("hr_std", "hr_lo", "hr_hi")])).all()
    assert (table["quality"] > 0).all()


def test_an_inverted_sensor_is_the_same_person():
    sensor = Sensor(polarity=-1)
    turned = ppgfast.ppg_simulate(duration=60, sampling_rate=RATE, seed=8, sensor=sensor)
    stated = ppgfast.ppg_rate(turned.signal, sampling_rate=RATE, polarity="inverted")
    found = ppgfast.ppg_rate(turned.signal, sampling_rate=RATE, polarity="auto")
    flipped = ppgfast.ppg_rate(-turned.signal, sampling_rate=RATE)
    assert same(stated, flipped)
    signals, _ = ppgfast.ppg_process(turned.signal, sampling_rate=RATE, polarity="inverted")
    np.testing.assert_array_equal(signals["PPG_Raw"], -turned.signal)
    assert same(found, flipped)
    assert found.info["inverted"]


def test_plot_draws_what_it_is_given(person, af_model):
    pytest.importorskip("matplotlib")
    signals, info = ppgfast.ppg_process(person.signal, sampling_rate=RATE)
    figure = ppgfast.ppg_plot(signals, info)
    assert len(figure.axes) == 3
    x, y = figure.axes[1].lines[0].get_data()
    np.testing.assert_array_equal(y, np.where(info["windows"]["valid"], info["windows"]["hr_bpm"], np.nan))
    part = ppgfast.ppg_plot(signals, info, start=10, end=20)
    assert part.axes[0].get_xlim() == (10, 20)
    assert len(part.axes[1].lines[0].get_xdata()) < len(x)
    drawn = part.axes[0].lines[0].get_xdata()
    assert (drawn[0], drawn[-1]) == (10, 20)
    assert figure.canvas.manager is None  # no window is opened, no list of figures grows
    with pytest.raises(ValueError, match=r"no sample lies between start = 99 s"):
        ppgfast.ppg_plot(signals, info, start=99)
    signals, info = ppgfast.ppg_process(person.signal, sampling_rate=RATE, af_model=af_model)
    assert len(ppgfast.ppg_plot(signals, info).axes) == 4


def test_variability_needs_its_library(person, monkeypatch):
    monkeypatch.setitem(sys.modules, "neurokit2", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'ppgfast\[hrv\]'"):
        ppgfast.ppg_process(person.signal, sampling_rate=RATE, hrv=True)


def test_variability_is_that_of_the_beats():
    pytest.importorskip("neurokit2")
    person = ppgfast.ppg_simulate(duration=180, sampling_rate=125, seed=2)
    _, info = ppgfast.ppg_process(person.signal, sampling_rate=125, hrv=True)
    rr = 1000 * np.diff(person.pulse_times)
    assert info["hrv"]["reason"] == "ok"
    assert info["hrv"]["SDNN"] == pytest.approx(rr.std(ddof=1), rel=0.1)
    assert info["hrv"]["RMSSD"] == pytest.approx(np.sqrt(np.mean(np.diff(rr) ** 2)), rel=0.2)
    noise = np.random.default_rng(0).standard_normal(4000)
    _, info = ppgfast.ppg_process(noise, sampling_rate=125, hrv=True)
    assert np.isnan(info["hrv"]["RMSSD"])
    assert "at least 20" in info["hrv"]["reason"]


def test_verbs_need_numpy_alone():
    code = (
        "import sys, numpy as np, ppgfast;"
        "ppgfast.ppg_process(np.sin(np.arange(4000) / 8.0), sampling_rate=64);"
        "print([m for m in ('scipy', 'pandas', 'torch', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == "[]"
