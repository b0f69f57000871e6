"""The tracker: causal, follows what is likely, overrules a window that is wrong and certain."""

import numpy as np
import pytest

from training import tracker

RATE = tracker.LOWEST + tracker.STEP * np.arange(96)


def around(bpm, width=3.0):
    p = np.exp(-0.5 * np.square((RATE - np.asarray(bpm)[..., None]) / width))
    return p / p.sum(-1, keepdims=True)


def test_summary_is_median_and_deviation():
    p = np.zeros((3, 96))
    p[0, 20] = 1  # one bin: its centre
    p[1, [10, 30]] = 0.25, 0.75
    p[2, 5:7] = 0.5  # half of the probability lies below the edge between them
    expected = [RATE[20], RATE[30] + 2 * (0.25 / 0.75 - 0.5), RATE[5] + 1]
    assert tracker.summary(p)[:, 0] == pytest.approx(expected)
    assert tracker.summary(p)[:, 1] == pytest.approx([0, 40 * np.sqrt(0.25 * 0.75), 1])


def test_rows_of_the_transition_are_chances():
    for hop in (1.0, 2.0, 8.0):
        moves = tracker.transition(96, hop)
        assert moves.min() > 0
        assert moves.sum(1) == pytest.approx(np.ones(96))
    near, far = (tracker.transition(96, hop)[48, 48] for hop in (2.0, 8.0))
    assert near > far  # more time, more change


def test_is_the_stated_formula():
    p = np.random.default_rng(0).dirichlet(np.ones(96), 5)
    belief = np.full(96, 1 / 96)
    for t, window in enumerate(p):
        belief = np.maximum(window, tracker.TINY) ** tracker.WEIGHT * (tracker.transition(96, 2.0).T @ belief)
        belief /= belief.sum()
        assert tracker.beliefs(p)[t] == pytest.approx(belief)


def test_causal():
    p = around(np.linspace(70, 90, 20))
    changed = p.copy()
    changed[12:] = around(np.full(8, 160.0))
    assert np.array_equal(tracker.track(p)[:12], tracker.track(changed)[:12])
    assert not np.array_equal(tracker.track(p)[12:], tracker.track(changed)[12:])


def test_one_wrong_window_is_overruled_and_many_are_not():
    bpm = np.full(30, 80.0)
    bpm[15] = 160.0  # an octave off, and certain
    answer = tracker.track(around(bpm))[:, 0]
    assert np.abs(answer - 80).max() < 3
    bpm[15:] = 160.0
    assert abs(tracker.track(around(bpm))[-1, 0] - 160) < 3


def test_follows_a_rising_heart_rate():
    bpm = np.linspace(70, 170, 100)  # 0.5 bpm per second
    assert np.abs(tracker.track(around(bpm))[:, 0] - bpm).max() < 6


def test_a_missing_window_adds_doubt_alone():
    p = around(np.full(9, 100.0))
    p[5:8] = np.nan
    answer = tracker.track(p)
    assert np.isfinite(answer).all()
    assert np.abs(answer[:, 0] - 100).max() < 3
    assert (np.diff(answer[4:8, 1]) > 0).all()
    assert answer[8, 1] < answer[7, 1]


def test_errors():
    with pytest.raises(ValueError, match=r"shape \(96,\), expected \(windows, bins\)"):
        tracker.track(np.ones(96))
    with pytest.raises(ValueError, match="hop is 0, expected seconds above 0"):
        tracker.track(np.ones((2, 96)), hop=0)
