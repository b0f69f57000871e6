"""Windows lie where they should, and what they cannot show is dropped or counted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data import DataError
from training.data.cut import CutConfig, cut
from training.data.recording import PerSegment, PerWindow, Recording, Sampled

CONFIG = CutConfig(
    task="hr",
    sampling_rate=40.0,
    window=320,
    hop=80,
    filter_low=0.5,
    filter_high=8.0,
    filter_order=0,
    polarity=1,
    acc=True,
    drop_flat=False,
)


def sine(seconds, rate, frequency=1.3, phase=0.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate + phase)


def recording(ppg, rate, **values):
    return Recording(name="r", subject="s", source=None, ppg=np.atleast_2d(ppg), sampling_rate=rate, **values)


@pytest.mark.parametrize("rate", [125.0, 64.0, 32.0, 100.0, 62.4725])
@pytest.mark.parametrize("order", [0, 2])
def test_each_window_shows_its_own_seconds(rate, order):
    part = cut(recording(sine(61, rate), rate), replace(CONFIG, filter_order=order))
    np.testing.assert_array_equal(part.t_start, np.arange(27) * 2.0)
    assert part.ppg.shape == (27, 320)
    assert part.ppg.dtype == np.float32
    t = part.t_start[:, None] + np.arange(320) / 40
    expected = np.sin(2 * np.pi * 1.3 * t)
    np.testing.assert_allclose(part.ppg[2:-2], expected[2:-2], atol=0.03 if order else 1e-3)


def test_the_accelerometer_runs_in_step():
    acc = np.stack([sine(60, 32, phase=p) for p in (0, 1, 2)])[None]
    part = cut(recording(sine(60, 64), 64.0, acc=acc, acc_rate=32.0), CONFIG)
    assert part.acc.shape == (27, 3, 320)
    np.testing.assert_allclose(part.acc[2:-2, 0], part.ppg[2:-2], atol=1e-3)
    t = part.t_start[2:-2, None] + np.arange(320) / 40
    np.testing.assert_allclose(part.acc[2:-2, 2], np.sin(2 * np.pi * 1.3 * t + 2), atol=1e-3)
    assert cut(recording(sine(60, 64), 64.0, acc=acc, acc_rate=32.0), replace(CONFIG, acc=False)).acc is None


def test_windows_end_where_the_shorter_channel_ends():
    acc = np.stack([sine(59.2, 32, phase=p) for p in (0, 1, 2)])[None]
    assert len(cut(recording(sine(60, 64), 64.0, acc=acc, acc_rate=32.0), CONFIG).label) == 26


def test_polarity_turns_the_signal():
    up, down = (cut(recording(sine(20, 40), 40.0), replace(CONFIG, polarity=sign)).ppg for sign in (1, -1))
    np.testing.assert_array_equal(up, -down)


def test_the_filter_sees_the_whole_recording():
    slow = sine(60, 40) + 100 * sine(60, 40, frequency=0.05)
    part = cut(recording(slow, 40.0), replace(CONFIG, filter_order=2))
    t = part.t_start[:, None] + np.arange(320) / 40
    np.testing.assert_allclose(part.ppg[8:-8], np.sin(2 * np.pi * 1.3 * t[8:-8]), atol=0.1)


@given(st.integers(0, 59 * 125), st.integers(1, 300))
def test_windows_that_lack_samples_are_dropped_and_counted(first, length):
    x = sine(60, 125)
    x[first : first + length] = np.nan
    part = cut(recording(x, 125.0), CONFIG)
    a, b = first / 125, min(first + length, len(x)) / 125
    starts = np.arange(27) * 2.0
    touched = (starts < b) & (starts + 8 > a)
    np.testing.assert_array_equal(part.t_start, starts[~touched])
    assert part.missing.tolist() == [touched.sum()]
    assert np.isfinite(part.ppg).all()


def test_windows_that_lack_acceleration_are_dropped_too():
    acc = np.stack([sine(60, 32, phase=p) for p in (0, 1, 2)])[None]
    acc[0, 1, 32 * 30] = np.nan
    part = cut(recording(sine(60, 64), 64.0, acc=acc, acc_rate=32.0), CONFIG)
    assert part.missing.tolist() == [4]
    assert 24.0 not in part.t_start


def test_flat_windows_are_counted_and_dropped_if_asked():
    x = sine(60, 125)
    x[20 * 125 : 30 * 125] = 3.0
    kept = cut(recording(x, 125.0), replace(CONFIG, filter_order=2))
    assert kept.flat.tolist() == [2]
    assert len(kept.label) == 27
    dropped = cut(recording(x, 125.0), replace(CONFIG, filter_order=2, drop_flat=True))
    assert set(kept.t_start) - set(dropped.t_start) == {20.0, 22.0}


def test_segments_are_never_joined():
    segments = np.stack([sine(25, 32, phase=p) for p in range(5)])
    config = replace(CONFIG, task="af", window=1000, hop=1000, filter_order=2)
    part = cut(recording(segments, 32.0, labels={"af": PerSegment(np.arange(5) % 2)}), config)
    assert part.ppg.shape == (5, 1000)
    np.testing.assert_array_equal(part.label, [0, 1, 0, 1, 0])
    np.testing.assert_array_equal(part.t_start, np.arange(5) * 25.0)
    np.testing.assert_array_equal(part.ppg[3:4], cut(recording(segments[3], 32.0), config).ppg)


def test_segments_may_be_cut_into_more_windows():
    config = replace(CONFIG, task="af", window=400, hop=400)
    labels, activity = {"af": PerSegment(np.array([0, 1]))}, PerSegment(np.array([4, 5]))
    starts = np.array([100.0, 900.0])
    values = {"labels": labels, "activity": activity, "segment_starts": starts}
    part = cut(recording(np.stack([sine(25, 32), sine(25, 32)]), 32.0, **values), config)
    np.testing.assert_array_equal(part.t_start, [100, 110, 900, 910])
    np.testing.assert_array_equal(part.label, [0, 0, 1, 1])
    np.testing.assert_array_equal(part.activity, [4, 4, 5, 5])
    np.testing.assert_array_equal(part.segment, [0, 0, 1, 1])


def test_labels_follow_their_windows_past_a_gap():
    x = sine(60, 125)
    x[20 * 125] = np.nan
    labels = {"hr": PerWindow(np.arange(27.0), 8, 2)}
    activity = Sampled(np.repeat([1.0, np.nan], 120), 4, codes=True)
    part = cut(recording(x, 125.0, labels=labels, activity=activity), CONFIG)
    np.testing.assert_array_equal(part.label, part.t_start / 2)
    np.testing.assert_array_equal(part.activity, np.where(part.t_start + 8 <= 30, 1, -1))


def test_records_without_labels_are_unlabelled():
    assert np.isnan(cut(recording(sine(20, 40), 40.0), CONFIG).label).all()


def test_records_shorter_than_a_window_are_refused():
    with pytest.raises(DataError, match=r"record r lasts 7\.975 s, a window 8 s.*exclude"):
        cut(recording(sine(7.975, 40), 40.0), CONFIG)
    assert len(cut(recording(sine(8, 40), 40.0), CONFIG).label) == 1
