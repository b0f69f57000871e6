"""Labels for any window, and recordings that are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data import DataError
from training.data.recording import Beats, PerSegment, PerWindow, Recording, Sampled, Spans, check

STARTS = np.arange(5) * 2.0


def test_published_windows_keep_their_label():
    labels = PerWindow(np.arange(10.0), seconds=8, hop=2)
    np.testing.assert_array_equal(labels.of(STARTS, 8), [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(labels.of(STARTS * 3, 8), [0, 3, 6, 9, np.nan])


@pytest.mark.parametrize(("starts", "seconds"), [(STARTS, 10), (STARTS / 2, 8), (STARTS + 0.1, 8)])
def test_published_windows_are_not_stretched(starts, seconds):
    with pytest.raises(DataError, match="set window = 8 and hop to a multiple of 2"):
        PerWindow(np.arange(10.0), seconds=8, hop=2).of(starts, seconds)


def test_values_in_a_window_are_averaged_and_gaps_stay():
    labels = Sampled(np.array([80.0, 82, 84, np.nan, 90, 92]), rate=1)
    np.testing.assert_array_equal(labels.of(np.array([0.0, 1, 2, 4, 6]), 2), [81, 83, np.nan, 91, np.nan])


@given(st.integers(1, 300), st.integers(0, 50), st.integers(1, 20), st.sampled_from([1, 4, 30, 125]))
def test_a_window_holds_exactly_its_values(n, first, length, rate):
    labels = Sampled(np.arange(float(n)), rate)
    mean = labels.of(np.array([first / rate]), length / rate)[0]
    inside = np.arange(first, min(first + length, n))
    assert mean == inside.mean() if len(inside) else np.isnan(mean)


def test_codes_are_counted_not_averaged():
    labels = Sampled(np.array([1.0, 1, 7, 7, 7, 2]), rate=1, codes=True)
    np.testing.assert_array_equal(labels.of(np.array([0.0, 1]), 5), [7, 7])


def test_heart_rate_from_beats():
    beats = Beats(np.concatenate([np.arange(0.25, 10, 0.5), np.arange(10, 20, 1.0)]))
    np.testing.assert_allclose(beats.of(np.array([0.0, 12.0]), 8), [120, 60])


def test_heart_rate_needs_beats_throughout():
    beats = Beats(np.array([0.5, 1.5, 2.5, 7.0, 8.0]))
    assert np.isnan(beats.of(np.array([0.0, 20.0]), 8)).all()
    assert np.isnan(Beats(np.array([1.0])).of(np.array([0.0]), 2)).all()


def test_spans_label_windows_that_see_one_value():
    spans = Spans(np.array([2.0, 10.0, 20.0, 30.0]), np.array([0.0, 1.0, 0.0, 0.0]))
    starts = np.array([0.0, 2.0, 5.0, 10.0, 12.0, 19.0, 28.0, 40.0])
    np.testing.assert_array_equal(spans.of(starts, 8), [np.nan, 0, np.nan, 1, 1, np.nan, 0, 0])


def test_segments_keep_their_label():
    np.testing.assert_array_equal(PerSegment(np.array([0, 1])).of(np.zeros(3), 10), [[0, 0, 0], [1, 1, 1]])


def recording(**changes):
    x = np.random.default_rng(0).normal(size=(1, 1000))
    acc = np.random.default_rng(1).normal(size=(1, 3, 500))
    values = {"ppg": x, "sampling_rate": 100.0, "acc": acc, "acc_rate": 50.0}
    return Recording(name="r1", subject="s", source=Path("a/x.mat"), **{**values, **changes})


def changed(array, value, index=...):
    array = array.copy()
    array[index] = value
    return array


def test_good_recordings_pass():
    check(recording(), gaps=False)
    check(recording(ppg=changed(recording().ppg, np.nan, (0, 5))), gaps=True)


@pytest.mark.parametrize("value", [0.0, -3.5])
def test_flat_channels_are_refused_with_file_channel_and_fix(value):
    with pytest.raises(DataError, match=r'x\.mat: record r1: PPG is flat.*exclude = \["r1"\]'):
        check(recording(ppg=np.full((1, 1000), value)), gaps=False)
    with pytest.raises(DataError, match="accelerometer y is flat"):
        check(recording(acc=changed(recording().acc, value, (0, 1))), gaps=False)


def test_all_missing_is_flat_too():
    with pytest.raises(DataError, match="PPG is flat"):
        check(recording(ppg=np.full((1, 1000), np.nan)), gaps=True)


def test_impossible_values_are_refused():
    for value, gaps in ((np.nan, False), (np.inf, False), (np.inf, True), (-np.inf, True)):
        with pytest.raises(DataError, match=r"x\.mat: record r1 has 1 PPG samples that are not finite"):
            check(recording(ppg=changed(recording().ppg, value, (0, 5))), gaps=gaps)
    with pytest.raises(DataError, match="accelerometer z samples"):
        check(recording(acc=changed(recording().acc, np.nan, (0, 2, 7))), gaps=False)


def test_channels_of_different_length_are_refused():
    with pytest.raises(DataError, match=r"10\.0 s of PPG and 20\.0 s of accelerometer"):
        check(recording(acc_rate=25.0), gaps=False)


def test_empty_recordings_are_refused():
    with pytest.raises(DataError, match="no PPG samples"):
        check(recording(ppg=np.zeros((1, 0)), acc=None), gaps=False)
