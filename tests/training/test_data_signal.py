"""Resampling keeps time, filtering keeps phase, scaling is exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.data import DataError
from training.data.signal import bandpass, ratio, resample, scale

RATES = [125.0, 100.0, 64.0, 32.0, 25.0, 62.4725, 33.333, 256.0, 40.0]


@pytest.mark.parametrize("rate", RATES)
def test_a_sine_stays_where_it_was(rate):
    seconds, frequency = 60, 1.7
    x = 300 + np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)
    y = resample(x, rate, 40)
    t = np.arange(len(y)) / 40
    inside = (t > 2) & (t < seconds - 2)
    # 1e-3 is a shift of 0.1 ms.
    np.testing.assert_allclose(y[inside], 300 + np.sin(2 * np.pi * frequency * t[inside]), atol=1e-3)


@pytest.mark.parametrize(("rate", "n"), [(32, 800), (125, 3125), (100, 2500)])
def test_25_seconds_are_1000_samples(rate, n):
    assert resample(np.arange(n), rate, 40).shape == (1000,)


def test_a_day_does_not_drift():
    rate = 62.4725
    n = round(86_400 * rate)
    assert resample(np.zeros(n), rate, 40).shape[-1] == 86_400 * 40
    assert ratio(rate, 40).numerator == 16_000


def test_what_the_new_rate_cannot_hold_is_gone():
    t = np.arange(125 * 20) / 125
    aliased = resample(np.sin(2 * np.pi * 25 * t), 125, 40)
    assert np.abs(aliased[40:-40]).max() < 1e-3


@pytest.mark.parametrize("level", [2000.0, -1e4])
def test_an_offset_does_not_ring_at_the_ends(level):
    np.testing.assert_allclose(resample(np.full(1000, level), 125, 40), level, rtol=1e-12)


def test_segments_are_resampled_one_by_one():
    x = np.random.default_rng(0).normal(size=(3, 2, 500))
    y = resample(x, 100, 40)
    assert y.shape == (3, 2, 200)
    np.testing.assert_array_equal(y[2, 1], resample(x[2, 1], 100, 40))


@pytest.mark.parametrize("rate", [0, -1, np.nan, np.inf])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(DataError, match="sampling rate"):
        resample(np.zeros(10), rate, 40)


def test_a_ratio_that_would_drift_is_refused():
    with pytest.raises(DataError, match="round the rates"):
        resample(np.zeros(10), 120.000001, 40)


def test_bandpass_is_in_place_and_in_band():
    t = np.arange(40 * 60) / 40
    inside = slice(400, -400)
    pulse = np.sin(2 * np.pi * 1.5 * t)
    y = bandpass(50 + pulse + np.sin(2 * np.pi * 0.05 * t) + np.sin(2 * np.pi * 18 * t), 40, 0.5, 8, 2)
    np.testing.assert_allclose(y[inside], pulse[inside], atol=0.03)


def test_the_ends_of_a_segment_are_nearly_those_of_the_whole():
    phases = np.linspace(0, 2 * np.pi, 16, endpoint=False)[:, None]
    pulse = np.sin(2 * np.pi * 1.3 * np.arange(400) / 40 + phases)
    error = (bandpass(50 + pulse, 40, 0.5, 8, 2) - pulse) / pulse.std()
    for end in (error[:, :40], error[:, -40:]):
        assert np.sqrt(np.mean(end**2)) < 0.2
    assert np.abs(error[:, 80:-80]).max() < 0.05


@pytest.mark.parametrize("band", [(0, 8), (8, 0.5), (0.5, 20), (0.5, 25), (np.nan, 8)])
def test_impossible_bands_are_refused(band):
    with pytest.raises(DataError, match="filter_low"):
        bandpass(np.zeros(400), 40, *band, 2)


def test_orders_below_one_and_single_samples_are_refused():
    with pytest.raises(DataError, match="filter order 0"):
        bandpass(np.zeros(400), 40, 0.5, 8, 0)
    with pytest.raises(DataError, match="1 samples"):
        bandpass(np.zeros(1), 40, 0.5, 8, 2)


finite = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 50)), elements=finite))
def test_scales(x):
    minmax, zscore = scale(x, "minmax"), scale(x, "zscore")
    flat = x.min(-1) == x.max(-1)
    for y in (minmax, zscore):
        assert y.dtype == np.float32
        assert np.isfinite(y).all()
        assert (y[flat] == 0).all()
    assert (minmax[~flat].min(-1) == 0).all()
    assert (minmax[~flat].max(-1) == 1).all()
    np.testing.assert_array_equal(scale(x, "none"), x)


def test_zscore_uses_the_population_deviation():
    np.testing.assert_allclose(scale(np.array([[1.0, 3.0]]), "zscore"), [[-1, 1]])


def test_equal_numbers_are_flat_whatever_their_mean():
    assert (scale(np.full((1, 3), 0.1, np.float32), "zscore") == 0).all()


def test_unknown_scalings_are_refused():
    with pytest.raises(DataError, match="none, minmax, zscore"):
        scale(np.zeros((1, 4)), "robust")


@pytest.mark.parametrize("n", [0, 1, 2, 3, 40])
def test_very_short_signals_are_resampled_too(n):
    assert resample(np.arange(n) + 5.0, 10, 40).shape == (4 * n,)
    np.testing.assert_allclose(resample(np.full(n, 5.0), 10, 40), 5)
