"""Signals that are not what they are said to be, simulated and recorded, are named; others are left alone."""

import numpy as np
import pytest

import ppgfast
from ppgfast.simulate import Pulse, Sensor

RATE = 64.0


@pytest.fixture(scope="module")
def person():
    return ppgfast.ppg_simulate(duration=120, sampling_rate=RATE, seed=3, heart_rate=75).signal


@pytest.fixture(scope="module")
def patient(real_data):
    """Finger PPG at 125 Hz, in which nothing is wrong."""
    return ppgfast.read(
        real_data / "bidmc" / "bidmc_31_Signals.csv", column="PLETH", sampling_rate=125
    ).signal


@pytest.fixture(scope="module")
def runner(real_data):
    """Wrist PPG at 125 Hz of a person on a treadmill."""
    path = real_data / "ieee_spc2015" / "DATA_08_TYPE02.mat"
    return ppgfast.read(path, column="sig.1", sampling_rate=125).signal


def kinds(ppg, rate=RATE, **options):
    return {finding.kind for finding in ppgfast.ppg_check(ppg, sampling_rate=rate, **options)}


def test_good_signals_are_left_alone(person):
    assert kinds(person) == set()
    for seed, rate in ((4, 32.0), (5, 100.0), (6, 500.0)):
        other = ppgfast.ppg_simulate(duration=60, sampling_rate=rate, seed=seed, rhythm="pvc", heart_rate=55)
        assert kinds(other.signal, rate) == set()


def test_real_signals_are_left_alone(patient, runner):
    assert kinds(patient, 125) == set()
    assert kinds(runner, 125) == set()


def test_a_finding_says_what_where_and_how_to_mend_it(person):
    (finding,) = ppgfast.ppg_check(-person, sampling_rate=RATE)
    assert isinstance(finding, ppgfast.Finding)
    assert (finding.kind, finding.t_start, finding.t_end, finding.warns) == ("inverted", 0.0, 120.0, True)
    assert "'inverted'" in finding.message
    with pytest.warns(ppgfast.SignalWarning, match="falls faster than it rises") as caught:
        table = ppgfast.ppg_rate(-person, sampling_rate=RATE)
    assert caught[0].filename == __file__
    assert table.info["findings"] == [finding]


@pytest.mark.parametrize("source", ["person", "patient"])
def test_an_inverted_signal_is_found_and_put_right(source, request):
    ppg, rate = request.getfixturevalue(source), RATE if source == "person" else 125.0
    assert kinds(-ppg, rate) == {"inverted"}
    assert kinds(-ppg, rate, polarity="inverted") == set()
    right = ppgfast.ppg_rate(ppg, sampling_rate=rate)
    put = ppgfast.ppg_rate(-ppg, sampling_rate=rate, polarity="auto")
    np.testing.assert_array_equal(put["hr_bpm"], right["hr_bpm"])
    assert put.info["inverted"]
    assert put.info["findings"] == []
    left = ppgfast.ppg_rate(ppg, sampling_rate=rate, polarity="auto")
    np.testing.assert_array_equal(left["hr_bpm"], right["hr_bpm"])
    assert not left.info["inverted"]


@pytest.mark.parametrize("form", ["whole", "smooth", "stored"])
def test_a_series_of_heart_rates_is_no_ppg(form):
    rng = np.random.default_rng(1)
    bpm = 72 + np.cumsum(rng.normal(0, 0.3, 900))
    if form == "smooth":
        bpm = np.interp(np.arange(0, 900, 1 / RATE), np.arange(900), bpm)
    if form == "stored":
        bpm = np.repeat(np.rint(bpm), 10)
    assert kinds(np.rint(bpm) if form == "whole" else bpm) == {"bpm_series"}
    with pytest.raises(ValueError, match="a series of heart rates is no PPG"):
        ppgfast.ppg_rate(bpm, timestamps=np.arange(len(bpm)))


def test_a_real_series_of_heart_rates_is_no_ppg(real_data):
    path = real_data / "bidmc" / "bidmc_31_Numerics.csv"
    bpm = np.genfromtxt(path, delimiter=",", skip_header=1)[:, 1]
    assert kinds(bpm) == {"bpm_series"}


@pytest.mark.parametrize("source", ["person", "patient", "runner"])
@pytest.mark.parametrize("factor", [3.0, 4.0, 1 / 3, 0.25])
def test_a_rate_that_is_far_off_is_named(source, factor, request):
    ppg, rate = request.getfixturevalue(source), RATE if source == "person" else 125.0
    if not 20 <= rate * factor <= 4000:
        with pytest.raises(ValueError, match="sampling_rate"):
            kinds(ppg, rate * factor)
        return
    assert kinds(ppg, rate * factor) & {"sampling_rate", "time_scale"}


def test_windows_with_missing_samples_are_not_looked_at(person):
    from ppgfast.verbs.guard import _look
    from ppgfast.verbs.signal import signal_of

    ppg = person.copy()
    ppg[: 60 * 64 : 512] = np.nan  # a sample in each of eight windows of 8 s, the last of which it shares
    whole, half = (signal_of(x, sampling_rate=RATE, timestamps=None) for x in (person, ppg))
    assert _look(whole.values, whole.bad, RATE).windows == 15
    assert _look(half.values, half.bad, RATE).windows == 7


def test_a_rate_beside_the_time_stamps_is_named(person):
    stamps = np.arange(len(person)) / RATE
    assert kinds(person, RATE, timestamps=stamps) == set()
    assert kinds(person, 1.01 * RATE, timestamps=stamps) == set()
    (finding,) = ppgfast.ppg_check(person, sampling_rate=50, timestamps=stamps)
    assert finding.kind == "sampling_rate"
    assert "sampling_rate is 50 Hz" in finding.message
    assert "run at 64 Hz" in finding.message
    with pytest.warns(ppgfast.SignalWarning, match="run at 64 Hz"):
        followed = ppgfast.ppg_rate(person, sampling_rate=50, timestamps=stamps)
    right = ppgfast.ppg_rate(person, sampling_rate=RATE)
    np.testing.assert_allclose(followed["hr_bpm"], right["hr_bpm"], atol=0.05)


@pytest.mark.parametrize("source", ["person", "patient"])
def test_stretched_windows_are_named(source, request):
    """As code does that forces any window to one length: here 8 s to 24 s of samples."""
    ppg, rate = request.getfixturevalue(source), RATE if source == "person" else 125.0
    at = np.arange(3 * len(ppg)) / 3
    stretched = np.interp(at, np.arange(len(ppg)), ppg)
    assert "time_scale" in kinds(stretched, rate)


def test_a_stretch_off_the_wrist_is_found():
    person = ppgfast.ppg_simulate(
        duration=600, sampling_rate=RATE, seed=2, sensor=Sensor(off_wrist=12.0, off_wrist_length=30.0)
    )
    edges = np.flatnonzero(np.diff(person.lost.astype(int), prepend=0, append=0)) / RATE
    spells = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 12]
    found = [f for f in ppgfast.ppg_check(person.signal, sampling_rate=RATE) if f.kind == "off_wrist"]
    assert len(spells) >= 1
    assert not any(finding.warns for finding in found)
    for start, end in spells:
        assert any(f.t_start < end and f.t_end > start for f in found)
    for finding in found:
        first, last = (round(t * RATE) for t in (finding.t_start, finding.t_end))
        assert person.lost[first:last].mean() > 0.7


def test_a_sensor_in_a_drawer_is_found(patient):
    ppg = patient.copy()
    ppg[20_000:30_000] = ppg[20_000] + 1e-5 * np.random.default_rng(0).standard_normal(10_000)
    (finding,) = [f for f in ppgfast.ppg_check(ppg, sampling_rate=125) if f.kind == "off_wrist"]
    assert finding.t_start == pytest.approx(160, abs=4)
    assert finding.t_end == pytest.approx(240, abs=4)


@pytest.mark.parametrize("at", [0.0, 40.3, 99.0])
@pytest.mark.parametrize("lasts", [6.0, 20.0, 21.0])
def test_a_gap_is_no_sensor_off_the_wrist(person, patient, at, lasts):
    for ppg, rate in ((person, RATE), (patient, 125.0)):
        first, last = round(at * rate), round((at + lasts) * rate)
        holed = ppg.astype(np.float64)
        holed[first:last] = np.nan
        assert kinds(holed, rate) == set()
        stamps = np.arange(len(ppg)) / rate
        kept = np.isfinite(holed)
        assert ppgfast.ppg_check(holed[kept], timestamps=stamps[kept]) == []


def test_samples_missing_here_and_there_hide_no_sensor_off_the_wrist(person):
    ppg = person.astype(np.float64)
    ppg[2560:5120] = 1e-5 * np.random.default_rng(0).standard_normal(2560)
    ppg[::10] = np.nan
    (finding,) = [f for f in ppgfast.ppg_check(ppg, sampling_rate=RATE) if f.kind == "off_wrist"]
    assert (finding.t_start, finding.t_end) == (pytest.approx(40, abs=4), pytest.approx(80, abs=4))


def test_clipping_is_found(person, patient):
    for ppg, rate in ((person, RATE), (patient, 125.0)):
        low, high = np.quantile(ppg, (0.05, 0.9))
        assert "clipped" in kinds(np.minimum(ppg, high), rate)
        findings = ppgfast.ppg_check(np.clip(ppg, low, high), sampling_rate=rate)
        assert [f.kind for f in findings].count("clipped") == 2
        assert not any(f.warns for f in findings if f.kind == "clipped")
        marked = ppgfast.ppg_rate(np.minimum(ppg, high), sampling_rate=rate, clip=(-1e9, high))
        assert (marked["reason"] == "clipped").mean() > 0.9


def test_units_of_the_accelerometer_are_checked(person):
    acc = np.tile([0.1, 0.2, 0.97], (3840, 1))
    assert kinds(person, acc=acc, acc_rate=32) == set()
    for scale in (9.81, 1000, 64):
        assert kinds(person, acc=scale * acc, acc_rate=32) == {"acc_units"}
    with pytest.warns(ppgfast.SignalWarning, match=r"median is 9\.\d+, expected about 1 g"):
        ppgfast.ppg_rate(person, sampling_rate=RATE, acc=9.81 * acc, acc_rate=32)


def test_a_recording_shorter_than_a_window_has_no_row(person):
    with pytest.warns(ppgfast.SignalWarning, match="lasts 4 s, and a window 8 s"):
        table = ppgfast.ppg_rate(person[:256], sampling_rate=RATE)
    assert len(table) == 0
    assert [finding.kind for finding in table.info["findings"]] == ["too_short"]


def test_a_short_recording_is_named_by_ppg_check_too(person):
    (finding,) = ppgfast.ppg_check(person[:300], sampling_rate=125)
    assert (finding.kind, finding.warns) == ("too_short", True)
    assert "lasts 2.4 s, and a window 8 s" in finding.message


@pytest.mark.parametrize("value", [0.0, 1.0, 72.0, np.nan])
def test_a_dead_recording_is_found(value):
    (finding,) = ppgfast.ppg_check(np.full(5120, value), sampling_rate=RATE)
    assert (finding.kind, finding.t_start, finding.t_end, finding.warns) == ("off_wrist", 0.0, 80.0, True)
    with pytest.warns(ppgfast.SignalWarning, match="every sample is"):
        ppgfast.ppg_rate(np.full(5120, value), sampling_rate=RATE)


def test_an_accelerometer_of_another_duration_is_found(person):
    acc = np.tile([0.1, 0.2, 0.97], (3840, 1))
    assert kinds(person, acc=acc[:3600], acc_rate=32) == set()  # 7.5 s less
    for other, rate in ((acc[:3500], 32), (acc, 64), (acc, 16)):
        assert kinds(person, acc=other, acc_rate=rate) == {"acc_duration"}


def test_a_slow_pulse_of_a_stiff_artery_is_no_wrong_rate():
    for wave in (Pulse(), Pulse(amplitude=0.2), Pulse(amplitude=3.0)):
        for bpm in (40.0, 75.0, 150.0):
            made = ppgfast.ppg_simulate(
                duration=60, sampling_rate=RATE, seed=1, heart_rate=bpm, pulse=wave
            ).signal
            assert kinds(made) == set()


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.9])
def test_a_sensor_that_lay_on_the_table_for_most_of_the_time_is_found(share, noise):
    ppg = ppgfast.ppg_simulate(duration=300, sampling_rate=RATE, seed=1).signal.astype(np.float64)
    n = round(share * len(ppg))
    ppg[:n] = 2.0 + noise * ppg.std() * np.random.default_rng(0).standard_normal(n)
    (finding,) = [f for f in ppgfast.ppg_check(ppg, sampling_rate=RATE) if f.kind == "off_wrist"]
    assert finding.t_start == pytest.approx(0.0, abs=4)
    assert finding.t_end == pytest.approx(n / RATE, abs=4)
    assert not finding.warns
