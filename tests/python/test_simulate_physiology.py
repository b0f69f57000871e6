"""What the simulated body does: rhythm, breathing, stroke, vessels, motion."""

from dataclasses import replace

import numpy as np
import pytest

from ppgfast.simulate import Motion, Pulse, Respiration, Rhythm, Sensor, ppg_simulate

STILL = Sensor(noise=0.0, high_pass=0.0, low_pass=1000)


def simulate(**changes):
    return ppg_simulate(**{"duration": 300, "sampling_rate": 50, "seed": 11, **changes})


def power(x, rate, low, high):
    """Power of x, sampled at `rate` Hz, between two frequencies (Hz)."""
    x = x - x.mean()
    f = np.fft.rfftfreq(len(x), 1 / rate)
    return float(np.sum(np.abs(np.fft.rfft(x * np.hanning(len(x))))[(f >= low) & (f < high)] ** 2))


def intervals(record, rate=4):
    """RR of a record on an even grid."""
    t = np.arange(5, record.duration - 5, 1 / rate)
    return np.interp(t, record.beat_times, record.rr_intervals)


def cv(record):
    return record.rr_intervals.std() / record.rr_intervals.mean()


def test_variability_is_what_was_asked_for_and_falls_with_heart_rate():
    rest = simulate(duration=3600, heart_rate=60, rhythm=Rhythm(sdnn=0.06))
    assert rest.rr_intervals.std() == pytest.approx(0.06, rel=0.2)
    assert rest.rr_intervals.mean() == pytest.approx(1.0, rel=0.02)
    fast = simulate(duration=3600, heart_rate=140, rhythm=Rhythm(sdnn=0.06))
    assert fast.rr_intervals.std() < rest.rr_intervals.std() / 4
    assert simulate(rhythm=Rhythm(sdnn=0.0)).rr_intervals.std() < 1e-9


def test_the_spectrum_of_rr_has_two_humps_in_the_ratio_asked_for():
    def humps(ratio):
        rhythm, breath = Rhythm(lf_hf=ratio, fractal=0.0), Respiration(rate=15, variability=0.03)
        rr = intervals(simulate(duration=3600, heart_rate=100, rhythm=rhythm, respiration=breath))
        low, high = power(rr, 4, 0.04, 0.15), power(rr, 4, 0.2, 0.4)
        assert power(rr, 4, 0.15, 0.2) < 0.2 * min(low, high)
        return low / high

    # An interval averages over itself, which takes some of the fast hump.
    assert humps(2.0) == pytest.approx(2.0, rel=0.5)
    assert humps(2.0) / humps(0.2) == pytest.approx(10.0, rel=0.2)


def test_breathing_shows_in_rate_baseline_and_height():
    respiration = Respiration(rate=18, baseline=0.3, amplitude=0.2, variability=0.02)
    flat = Pulse(vasomotion=0.0, wander=0.0, amplitude_cv=0.0)
    record = simulate(
        rhythm=Rhythm(lf_hf=0.1, fractal=0.1), respiration=respiration, pulse=flat, sensor=STILL
    )
    middle = np.interp(record.beat_times - record.rr_intervals / 2, record.time, record.respiration)
    assert np.corrcoef(middle, record.rr_intervals)[0, 1] < -0.7  # inhaling speeds the heart up
    at_beats = np.interp(record.beat_times, record.time, record.respiration)
    assert np.corrcoef(at_beats, record.pulse_heights)[0, 1] > 0.7
    near, beside = (0.27, 0.33), (0.4, 0.46)
    assert power(record.clean, 50, *near) > 10 * power(record.clean, 50, *beside)
    still = simulate(
        rhythm=Rhythm(sdnn=0.0),
        respiration=Respiration(rate=18, baseline=0.0, amplitude=0.0),
        pulse=flat,
        sensor=STILL,
    )
    assert power(still.clean, 50, *near) < 0.01 * power(record.clean, 50, *near)


def test_breathing_follows_its_rate_over_time():
    record = simulate(respiration=Respiration(rate=((0, 300), (10, 30)), variability=0.0))
    crossings = np.flatnonzero(np.diff(np.sign(record.respiration)) > 0) / 50
    assert 60 / np.diff(crossings)[:3].mean() == pytest.approx(10.5, abs=1.5)
    assert 60 / np.diff(crossings)[-3:].mean() == pytest.approx(29.5, abs=1.5)


def test_atrial_fibrillation_is_irregular_at_once_and_without_memory():
    sinus, af = simulate(duration=1200), simulate(duration=1200, rhythm=Rhythm(kind="af", af_cv=0.22))
    assert cv(af) == pytest.approx(0.22, rel=0.1)
    assert cv(af) > 3 * cv(sinus)
    assert af.rr_intervals.mean() == pytest.approx(60 / 70, rel=0.05)
    assert abs(np.corrcoef(af.rr_intervals[1:], af.rr_intervals[:-1])[0, 1]) < 0.1
    assert set(af.beats) == {"af"}


def test_fibrillation_does_not_hear_the_sinus_node():
    quiet, lively = (simulate(rhythm=Rhythm(kind="af", sdnn=sdnn)) for sdnn in (0.0, 0.1))
    assert np.array_equal(quiet.beat_times, lively.beat_times)


def test_no_beat_in_fibrillation_comes_within_the_refractory_period():
    record = simulate(rhythm=Rhythm(kind="af", af_cv=0.45, refractory=0.3), heart_rate=150)
    assert record.rr_intervals.min() >= 0.3 - 1e-6


@pytest.mark.parametrize(("kind", "pause"), [("pvc", 2.0), ("pac", 1.7)])
def test_premature_beats_come_early_and_pause_as_their_kind_does(kind, pause):
    record = simulate(rhythm=Rhythm(kind=kind, sdnn=0.0, coupling=0.65, ectopy=0.15))
    early = np.flatnonzero(record.beats == kind)[:-1]
    assert len(early) / len(record.beats) == pytest.approx(0.15, abs=0.05)
    usual = 60 / 70
    assert record.rr_intervals[early] / usual == pytest.approx(np.full(len(early), 0.65), abs=0.2)
    assert (record.rr_intervals[early] + record.rr_intervals[early + 1]) / usual == pytest.approx(
        np.full(len(early), pause), abs=0.2
    )
    assert record.pulse_heights[early].mean() < 0.7 * record.pulse_heights[early - 1].mean()
    assert record.pulse_heights[early + 1].mean() > 1.05 * record.pulse_heights[early - 1].mean()


def test_bigeminy_is_every_second_beat():
    beats = simulate(rhythm="bigeminy").beats
    assert set(beats[::2]) != set(beats[1::2])
    assert {*beats[::2], *beats[1::2]} == {"sinus", "pvc"}


def test_short_intervals_give_weak_pulses_or_none():
    record = simulate(duration=1200, rhythm=Rhythm(kind="af", af_cv=0.3), heart_rate=110)
    assert np.corrcoef(record.rr_intervals, record.pulse_heights)[0, 1] > 0.6
    assert 0.005 < (record.pulse_heights < 0.1).mean() < 0.2
    weak = record.pulse_heights < 0.1
    assert record.rr_intervals[weak].max() < np.median(record.rr_intervals)
    assert not (simulate(heart_rate=110).pulse_heights < 0.1).any()


def test_the_pulse_narrows_as_the_heart_speeds_up():
    calm = {
        "rhythm": Rhythm(sdnn=0.0),
        "pulse": Pulse(wander=0, vasomotion=0),
        "sensor": STILL,
        "sampling_rate": 200,
    }

    def rise(rate):
        record = simulate(heart_rate=rate, duration=30, **calm)
        foot = int(record.pulse_times[10] * 200)
        return record.clean[foot : foot + int(0.5 * 60 / rate * 200) + 20].argmax() / 200

    assert rise(60) == pytest.approx(rise(135) * np.sqrt(135 / 60), rel=0.15)


def test_the_dicrotic_wave_of_the_young_is_gone_in_the_old():
    def second_waves(years):
        pulse = Pulse.at_age(years, wander=0.0, vasomotion=0.0)
        clean = simulate(duration=40, heart_rate=60, pulse=pulse, sensor=STILL).clean
        tops = (clean[1:-1] > clean[:-2]) & (clean[1:-1] >= clean[2:])
        return tops.sum() / 40

    assert second_waves(20) == pytest.approx(2.0, abs=0.15)
    assert second_waves(85) == pytest.approx(1.0, abs=0.15)
    with pytest.raises(ValueError, match="age is 12, expected 20 to 90 years"):
        Pulse.at_age(12)


def test_gait_shows_in_the_accelerometer_at_its_cadence_and_strength():
    sensor = Sensor(acc_rate=50.0)
    record = simulate(motion=Motion(activity="run", run_cadence=168, cadence_cv=0.0), sensor=sensor)
    moving = record.acc - record.acc.mean(axis=0)
    f = np.fft.rfftfreq(len(moving), 1 / 50)
    spectrum = np.abs(np.fft.rfft(moving, axis=0)).sum(axis=1)
    assert f[spectrum.argmax()] in (pytest.approx(2.8, abs=0.02), pytest.approx(1.4, abs=0.02))
    assert 0.9 < np.sqrt((moving**2).sum(axis=1).mean()) < 1.4
    still = simulate(sensor=Sensor(acc_noise=0.0)).acc
    assert np.linalg.norm(still, axis=1) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(("activity", "heart_rate", "steps"), [("run", 156, 156), ("walk", 190, 95)])
def test_locked_cadence_is_heart_rate_or_half_of_it(activity, heart_rate, steps):
    def line(lock):
        motion = Motion(activity=activity, cadence_lock=lock, cadence_cv=0.0)
        acc = simulate(motion=motion, heart_rate=heart_rate).acc
        spectrum = np.abs(np.fft.rfft(acc - acc.mean(axis=0), axis=0)).sum(axis=1)
        return spectrum[round(steps / 60 * 300)] / np.median(spectrum)

    assert line(1.0) > 20
    assert line(0.0) < 10


def test_the_artefact_grows_with_acceleration_and_saturates():
    def added(**changes):
        record = simulate(motion=Motion(activity="run", slips=0.0, **changes), sensor=STILL)
        return np.abs(record.signal - record.clean).max()

    assert added(artefact=0.0) < 1e-3
    assert 1.5 * added(artefact=0.1) < added(artefact=0.3)
    assert added(artefact=100.0, saturation=1.0) <= 1.05 * (1.0 + np.tanh(0.3))
    assert added(artefact=1.0, intensity=0.0) < 1e-3 + added(artefact=1.0) / 2


def test_the_artefact_is_a_filtered_copy_of_the_acceleration():
    motion = Motion(activity="walk", artefact=0.5, saturation=50, asymmetry=0, slips=0, coupling_time=1000)
    record = simulate(motion=motion, sensor=replace(STILL, acc_rate=50.0, acc_noise=0.0))
    added = record.signal - record.clean
    lags = np.column_stack([np.roll(record.acc[:, k], lag) for k in range(3) for lag in range(0, 40, 2)])
    lags = np.column_stack([lags, np.ones(len(lags))])[100:]
    fit, *_ = np.linalg.lstsq(lags, added[100:], rcond=None)
    assert np.var(added[100:] - lags @ fit) < 0.1 * np.var(added[100:])
