"""Stresses do what they say, and the sweep and its page say what they do to models."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import QUIET, tiny_windows

from training import results_robustness
from training.config import RobustnessConfig
from training.data.signal import bandpass
from training.metrics import spectral_peak
from training.robustness import robustness
from training.stresses import STRESSES, Stretch, bridged, joined, stressed, stretches, with_signal


def pulse(n: int = 2400) -> Stretch:
    """A minute of a 75 bpm sine of RMS 2 at 40 Hz, at rest."""
    ppg = 2 * np.sqrt(2) * np.sin(2 * np.pi * 1.25 * np.arange(n) / 40)
    return Stretch(ppg, np.zeros((3, n)), 40.0, 2.0)


def rng():
    return np.random.default_rng(3)


def test_noise_and_motion_are_in_units_of_the_pulse():
    x = pulse()
    for name in ("noise", "motion"):
        mild, hard = (STRESSES[name].apply(x, level, rng()) for level in (0.5, 2.0))
        np.testing.assert_allclose(hard.ppg - x.ppg, 4 * (mild.ppg - x.ppg), atol=1e-9)  # same draw, louder
        assert (hard.ppg - x.ppg).std() == pytest.approx(4, rel=0.1)
    assert np.abs(hard.acc).max() > 0.5
    np.testing.assert_array_equal(hard.acc, mild.acc)
    assert STRESSES["motion"].apply(replace(x, acc=None), 1.0, rng()).acc is None


def test_a_converter_of_few_bits_has_few_values():
    ramp = pulse().with_ppg(np.linspace(-4, 4, 2400))
    for bits in (3, 6):
        coarse = STRESSES["bits"].apply(ramp, bits, rng()).ppg
        assert len(np.unique(coarse.round(9))) == 2**bits
        assert np.abs(coarse - ramp.ppg).max() <= 0.51 * 8 / (2**bits - 1)
    flat = pulse().with_ppg(np.zeros(100))
    assert not STRESSES["bits"].apply(flat, 8, rng()).ppg.any()


def test_a_slow_device_loses_what_it_cannot_sample_and_keeps_time():
    x = pulse(2401)
    for rate in STRESSES["rate"].levels:
        there = STRESSES["rate"].apply(x, rate, rng()).ppg
        np.testing.assert_allclose(there[40:-40], x.ppg[40:-40], atol=2e-3)
    fast = x.with_ppg(np.sin(2 * np.pi * 15 * np.arange(2401) / 40))
    assert np.abs(STRESSES["rate"].apply(fast, 25, rng()).ppg[100:-100]).max() < 0.01


def test_lost_samples_are_bridged_and_as_many_as_asked_for():
    x = pulse(4000).with_ppg(np.random.default_rng(0).standard_normal(4000))
    for name, level, share in (("missing", 20, 0.2), ("bursts", 2, 0.2)):
        y = STRESSES[name].apply(x, level, rng()).ppg
        assert (y != x.ppg).mean() == pytest.approx(share, abs=0.02)
    np.testing.assert_array_equal(bridged(np.array([0.0, 9, 9, 3]), np.array([0, 1, 1, 0], bool)), range(4))
    assert not bridged(np.ones(3), np.ones(3, bool)).any()


def test_upside_down_is_upside_down():
    np.testing.assert_array_equal(STRESSES["polarity"].apply(pulse(), -1, rng()).ppg, -pulse().ppg)


def test_a_recording_is_put_together_from_overlapping_windows_alone():
    windows = tiny_windows(subjects=2, windows=5)
    rows = np.arange(5, 10)
    ((members, starts),) = stretches(windows, rows)
    np.testing.assert_array_equal(members, rows)
    np.testing.assert_array_equal(starts, np.arange(5) * 80)
    whole = joined(windows, members, starts)
    for member, start in zip(members, starts, strict=True):
        np.testing.assert_array_equal(whole.ppg[start : start + 320], windows.ppg[member])
    apart = replace(windows, t_start=windows.t_start * 4)  # end to end, which may be of different times
    assert len(list(stretches(apart, rows))) == 5


def test_windows_without_a_signal_are_left_out():
    windows = tiny_windows(subjects=2, windows=8)
    ppg = np.array(windows.ppg)
    ppg[3] *= 1e-6
    ppg[12] = 0
    rows = np.array([1, 2, 3, 12, 15])
    np.testing.assert_array_equal(with_signal(replace(windows, ppg=ppg), rows), [1, 2, 15])


def test_windows_without_stress_are_filtered_and_no_more():
    windows = tiny_windows(subjects=2, windows=6)
    windows = replace(windows, acc=np.repeat(windows.ppg[:, None], 3, 1))
    rows = np.array([8, 3])
    plain = stressed(windows, rows, None)
    assert len(plain) == 2
    np.testing.assert_array_equal(plain.acc, windows.acc[rows])
    np.testing.assert_array_equal(plain.label, windows.label[rows])
    (members, starts), _ = stretches(windows, np.arange(12))
    whole = bandpass(joined(windows, members, starts).ppg, 40.0, 0.5, 8.0, 2)
    np.testing.assert_allclose(plain.ppg[1], whole[240:560], atol=1e-6)
    down = stressed(windows, rows, STRESSES["polarity"], -1)
    np.testing.assert_allclose(down.ppg, -plain.ppg, atol=1e-6)
    walk = stressed(windows, rows, STRESSES["motion"], 1.0)
    assert np.abs(walk.acc - windows.acc[rows]).max() > 0.3
    np.testing.assert_allclose(spectral_peak(plain.ppg, 40.0), windows.label[rows], atol=3)


@pytest.mark.parametrize("task", ["hr", "af"])
def test_the_sweep_says_what_breaks_a_model(task, tmp_path, request):
    folder = request.getfixturevalue(f"tiny_{task}")
    out = tmp_path / "out.json"
    asked = RobustnessConfig(data=folder, out=out, stresses=("noise", "polarity"), bootstrap=20, windows=40)
    found = robustness(asked, QUIET)
    assert json.loads(out.read_text()) == found
    (name,) = found["models"]
    assert found["windows"] <= 40
    noise = found["stresses"]["noise"]
    assert noise["levels"] == list(STRESSES["noise"].levels)
    key = found["headline"]
    for at in noise["scores"]:
        moved = at[name][key]["value"] - found["plain"][name][key]["value"]
        assert at[name]["change"]["value"] == pytest.approx(moved, abs=2e-4)
    if task == "hr":  # a spectral peak stands noise, until it is all there is
        assert noise["scores"][0][name]["mae"]["value"] < 3 < noise["scores"][-1][name]["mae"]["value"]
        text = results_robustness.page(found)
        assert "- `spectral peak`: broken by noise from 3 on; not by polarity." in text
        assert "| 3 | **" in text
        assert [a.get_title() for a in results_robustness.picture(found).axes][:2] == ["noise", "polarity"]


def test_worse_means_the_interval_too():
    better, unsure = {"value": -4, "low": -5, "high": -3}, {"value": 4, "low": -1, "high": 9}
    worse = {"value": 4, "low": 3, "high": 5}
    assert [results_robustness.breaks("hr", change) for change in (better, unsure, worse)] == [0, 0, 1]
    fallen = {"value": -0.1, "low": -0.2, "high": -0.05}
    assert results_robustness.breaks("af", fallen)
    assert not results_robustness.breaks("hr", {"value": 4, "low": None, "high": None})
