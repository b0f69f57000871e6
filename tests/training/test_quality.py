"""The quality of `ppg_quality`: windows are those of training, fit and tables say what they should."""

from dataclasses import replace

import numpy as np
import pytest

import ppgfast
from ppgfast.verbs.features import ANSWER, AROUND, SIGNAL, around, features
from ppgfast.verbs.signal import signal_of
from ppgfast.verbs.windows import cut
from training import quality, quality_trials
from training.data.signal import bandpass, resample


@pytest.mark.parametrize("rate", [25.0, 40.0, 62.4725, 64.0, 125.0, 1000.0])
def test_a_window_is_what_training_makes_of_it(rate):
    about = ppgfast.load("hr-tcn5k-s8").info["input"]
    person = ppgfast.ppg_simulate(duration=30, sampling_rate=rate, seed=3)
    signal = signal_of(person.signal, sampling_rate=rate, timestamps=None)
    got = cut(signal, about)
    expected = bandpass(resample(person.signal, rate, 40.0), 40.0, 0.5, 8.0, 2)
    assert len(got.ppg) == len(expected)
    np.testing.assert_allclose(got.ppg, expected, atol=5e-3 * expected.std())
    assert got.at(np.array([1])).shape == (1, 320)
    np.testing.assert_array_equal(got.at(np.array([1]))[0], got.ppg[80:400])


def windows(n: int, seed: int = 0) -> quality.Windows:
    """Windows whose first feature alone decides whether the answer is near."""
    rng = np.random.default_rng(seed)
    looks, answer = rng.standard_normal((n, len(SIGNAL))), rng.standard_normal((n, len(ANSWER)))
    near = rng.uniform(size=n) < 1 / (1 + np.exp(-2 * looks[:, 0]))
    error = np.where(near, 1.0, 20.0)
    empty = np.empty((n, 0), np.float32)
    return quality.Windows(np.full(n, "x"), error, answer[:, 0], near, looks, answer, empty, empty)


def test_the_fit_finds_the_chance(monkeypatch):
    learned, held_out = windows(8000), windows(8000, seed=1)
    fit = quality.fit(learned.looks, learned.near)
    monkeypatch.setattr("ppgfast.verbs.quality.coefficients", lambda: {"signal": fit})
    found = held_out.quality_of_signal
    # Bounded at 3 deviations, with squares that the truth does not have.
    true = 1 / (1 + np.exp(-2 * held_out.looks[:, 0]))
    assert np.abs(found - true).mean() < 0.02
    assert np.isnan(held_out.looks).sum() == 0
    held_out.looks[0, 3] = np.nan
    assert held_out.quality_of_signal[0] == 0.0


def test_tables_say_what_is_true(monkeypatch):
    found = windows(1000, seed=1)
    exact = np.where(found.near, 0.95, 0.1)
    monkeypatch.setattr(quality.Windows, "quality", property(lambda self: exact))
    (row,) = quality.calibration({"x": found}).splitlines()[2:]
    good, bad = found.near.sum(), (~found.near).sum()
    assert (
        row
        == f"| x | 0 % ({bad}) | - | - | - | - | 100 % ({good}) | {(good * 0.05 + bad * 0.1) / 1000:.3f} |"
    )
    best, _ = quality.coverage({"x": found}).splitlines()[2:]
    assert best.startswith(f"| x, by `quality` | {np.abs(found.error).mean():.2f} |")
    assert best.endswith(" | 1.00 |")
    (row,) = quality.interval({"x": found}).splitlines()[2:]
    assert row == f"| x | {found.near.mean():.0%} | 100 % | 100 % |".replace("%", " %", 1)


def test_a_table_replaces_the_one_before():
    page = "a\n<!-- x:start -->\nold\n<!-- x:end -->\nb"
    assert quality.put(page, "x", "new") == "a\n<!-- x:start -->\nnew\n<!-- x:end -->\nb"


def test_the_picture_has_a_panel_for_each_set(monkeypatch):
    found = windows(1000, seed=1)
    monkeypatch.setattr(quality.Windows, "quality", property(lambda self: self.looks[:, 0]))
    figure = quality.picture({"x": found, "y": found})
    assert len(figure.axes) == 2
    quality_, _, perfect = (line.get_ydata() for line in figure.axes[0].lines)
    assert quality_[-1] == pytest.approx(np.abs(found.error).mean())
    assert (perfect <= quality_ + 1e-9).all()


def test_attempts_are_compared_on_the_same_draws():
    found = replace(windows(600, seed=1), subject=np.repeat([f"s{i}" for i in range(6)], 100))
    error = np.abs(found.error)
    best, worst = quality_trials.area(-error, error), quality_trials.area(error, error)
    assert best < error.mean() < worst
    assert quality_trials.brier(found.near.astype(float), found.error) == 0.0
    assert quality_trials.brier(np.full(600, 0.5), found.error) == 0.25
    judges = {"half": lambda w: np.full(len(w.error), 0.5), "sure": lambda w: w.near.astype(float)}
    rows = quality_trials.table(judges, {"x": found}, quality_trials.brier, 2).splitlines()
    assert rows[0] == "| Brier score | x |"
    assert rows[2:] == ["| half | 0.25 (0.25 to 0.25) |", "| sure | 0.00 (-0.25 to -0.25) |"]


def test_waveforms_are_learned(monkeypatch):
    monkeypatch.setattr(quality_trials, "EPOCHS", {"large": 1, "small": 5})
    rng = np.random.default_rng(0)
    plain = windows(640, seed=1)
    wave = (
        np.sin(np.arange(320) / 5.0)
        + rng.standard_normal((640, 320)) * np.where(plain.near, 0.1, 2.0)[:, None]
    )
    found = replace(plain, ppg=wave.astype(np.float32))
    large = quality_trials.trained("large", found)
    small = quality_trials.trained("small", found, large)
    seen = quality_trials.seen_by(small)(found)
    assert seen.shape == (640, len(SIGNAL) + len(ANSWER) + 1)
    assert np.corrcoef(seen[:, -1], found.near)[0, 1] > 0.8


def test_bundled_coefficients_are_those_of_the_features():
    held = quality.coefficients()
    assert tuple(held["features"]["signal"]) == SIGNAL
    assert tuple(held["features"]["answer"]) == (*SIGNAL, *ANSWER)
    for of, n in (("signal", len(SIGNAL)), ("answer", len(SIGNAL) + len(ANSWER))):
        assert len(held[of]["mean"]) == len(held[of]["scale"]) == n
        assert len(held[of]["weights"]) == 2 * n


@pytest.mark.parametrize("hop", [0.5, 2.0, 8.0, 9.0])
def test_neighbours_are_those_that_start_within_8_s(hop):
    person = ppgfast.ppg_simulate(duration=60, sampling_rate=64, seed=1).signal
    person[1600:1610] = np.nan
    signal = signal_of(person, sampling_rate=64, timestamps=None)
    cuts = cut(signal, ppgfast.load("hr-tcn5k-s8").info["input"], hop=hop)
    looks, _ = features(signal, cuts)
    own = looks[:, SIGNAL.index("concentrated")]
    expected = own.copy()
    for i in np.flatnonzero(cuts.whole):
        beside = np.abs(cuts.start - cuts.start[i]) <= AROUND
        beside[i] = False
        if (beside & cuts.whole).any():
            expected[i] = own[beside & cuts.whole].mean()
    assert 0 < np.isnan(own).sum() < len(own)
    np.testing.assert_allclose(looks[:, SIGNAL.index("concentrated_around")], expected, rtol=1e-12)
    np.testing.assert_array_equal(around(np.full(len(own), np.nan), cuts), np.nan)


def test_alone_a_window_is_its_own_neighbour():
    alone = windows(10).alone
    np.testing.assert_array_equal(alone.looks[:, -1], alone.looks[:, 1])
    np.testing.assert_array_equal(alone.answer[:, -1], alone.answer[:, 0])
    assert (SIGNAL[-1], ANSWER[-1]) == ("concentrated_around", "unsure_around")


def test_quality_rises_with_the_signal():
    noise = np.random.default_rng(0).standard_normal(64 * 60)
    clean = ppgfast.ppg_simulate(duration=60, sampling_rate=64, seed=1).signal
    found = [
        ppgfast.ppg_quality(clean + amount * noise, sampling_rate=64)["quality"].mean()
        for amount in (0.0, 0.5, 2.0, 10.0)
    ]
    assert (np.diff(found) < 0).all()
    assert found[0] > 0.85
    assert found[-1] < 0.4
