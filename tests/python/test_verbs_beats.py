"""Beats against the pulses of simulated people, whose times are known."""

import numpy as np
import pytest

import ppgfast
from ppgfast.simulate import Sensor, random_subject

RATE = 64.0


def after_pulses(times: np.ndarray, pulses: np.ndarray) -> np.ndarray:
    """Of each pulse, the delay of the next beat, s; NaN where there is none within half a second."""
    at = np.searchsorted(times, pulses)
    delay = np.append(times, np.inf)[at] - pulses
    return np.where(delay < 0.5, delay, np.nan)


@pytest.mark.parametrize(
    ("rhythm", "heart_rate", "rate"),
    [
        ("sinus", 45.0, 25.0),
        ("sinus", 75.0, 64.0),
        ("sinus", 160.0, 125.0),
        ("af", 90.0, 64.0),
        ("pvc", 70.0, 500.0),
    ],
)
def test_every_pulse_has_one_beat(rhythm, heart_rate, rate):
    made = ppgfast.ppg_simulate(
        duration=90,
        sampling_rate=rate,
        seed=4,
        rhythm=rhythm,
        heart_rate=heart_rate,
        sensor=Sensor(noise=0.02),
    )
    beats = ppgfast.ppg_peaks(made.signal, sampling_rate=rate)
    inside = (made.pulse_times > 1) & (made.pulse_times < 89) & (made.pulse_heights > 0.3)
    delay = after_pulses(beats["t"], made.pulse_times[inside])
    assert np.isfinite(delay).mean() > 0.97
    # a premature beat may be strong and still too early, a deficit has no pulse
    assert abs(len(beats) - (made.pulse_heights > 0.15).sum()) <= 0.05 * len(beats) + 2
    np.testing.assert_allclose(beats["sample"], beats["t"] * rate, atol=0.51)
    if rhythm == "sinus":
        assert np.nanstd(delay) < 0.02
        off = beats["interval"][2:-2] - np.diff(beats["t"])[1:-2]
        assert np.abs(off).max() < 1e-9


def test_times_are_finer_than_a_sample():
    made = ppgfast.ppg_simulate(duration=60, sampling_rate=32, seed=5, sensor=Sensor(noise=0.0))
    beats = ppgfast.ppg_peaks(made.signal, sampling_rate=32)
    true = np.diff(made.pulse_times)
    at = np.searchsorted(made.pulse_times, beats["t"]) - 1
    whole = np.append(False, np.diff(at) == 1)
    off = beats["interval"][whole] - true[at[whole] - 1]
    assert np.median(np.abs(off)) < 0.12 / 32  # a quarter, where times are whole samples


def test_no_beat_where_samples_are_missing_and_no_interval_across():
    made = ppgfast.ppg_simulate(duration=60, sampling_rate=RATE, seed=6)
    ppg = made.signal.copy()
    ppg[round(20 * RATE) : round(21 * RATE)] = np.nan
    ppg[round(40 * RATE) : round(45 * RATE)] = np.nan
    beats = ppgfast.ppg_peaks(ppg, sampling_rate=RATE)
    t = beats["t"]
    assert not ((t >= 20) & (t < 21)).any()
    assert not ((t >= 40) & (t < 45)).any()
    for end in (21.0, 45.0):
        first = np.searchsorted(t, end)
        assert np.isnan(beats["interval"][first])
        assert np.isfinite(beats["interval"][first + 1])
    assert np.isnan(beats["interval"][0])
    assert np.isnan(beats["interval"]).sum() == 3


def test_a_beat_whose_top_is_missing_is_no_beat():
    ppg = ppgfast.ppg_simulate(duration=60, sampling_rate=RATE, seed=6).signal.copy()
    tops = ppgfast.ppg_peaks(ppg, sampling_rate=RATE)["sample"][5:50:5]
    lost = (tops[:, None] + np.arange(-4, 5)).ravel()
    ppg[lost] = np.nan
    found = ppgfast.ppg_peaks(ppg, sampling_rate=RATE)["sample"]
    assert not np.isin(found, lost).any()


def test_a_pause_is_no_interval():
    made = ppgfast.ppg_simulate(duration=60, sampling_rate=RATE, seed=7, heart_rate=60.0)
    ppg = made.signal.copy()
    hush = slice(round(30 * RATE), round(34 * RATE))
    ppg[hush] = ppg[hush][0] + 1e-4 * np.random.default_rng(0).standard_normal(len(ppg[hush]))
    beats = ppgfast.ppg_peaks(ppg, sampling_rate=RATE)
    assert np.nanmax(beats["interval"]) < 2.5
    assert np.isnan(beats["interval"][1:]).sum() >= 1


def test_heights_follow_the_gain():
    made = ppgfast.ppg_simulate(duration=60, sampling_rate=RATE, seed=8)
    one, ten = (ppgfast.ppg_peaks(gain * made.signal, sampling_rate=RATE) for gain in (1.0, 10.0))
    np.testing.assert_allclose(ten["height"], 10 * one["height"], rtol=1e-3)
    np.testing.assert_allclose(ten["t"], one["t"], atol=1e-4)


def test_a_strong_dicrotic_wave_is_no_beat():
    """One of the simulated people had two beats for most pulses, which made 60 bpm of heart rate 120."""
    person = random_subject(7002, duration=180, setting="daily", rhythm="sinus")
    made = person.simulate(duration=180, sampling_rate=RATE, seed=2)
    beats = ppgfast.ppg_peaks(made.signal, sampling_rate=RATE, polarity="auto")
    first = (beats["t"] > 1) & (beats["t"] < 12)
    pulses = (made.pulse_times > 1) & (made.pulse_times < 12)
    assert abs(first.sum() - pulses.sum()) <= 1
    assert np.nanmin(beats["interval"][first]) > 0.8
