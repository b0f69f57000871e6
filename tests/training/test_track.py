"""The core's tracker against its reference in numpy, and what a tracker is for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppgfast
from ppgfast import format as ppgf
from tests.python.test_model import MODELS
from training import tracker

LOWEST, STEP, BINS = 40.0, 10.0, 17  # of the file


@pytest.fixture(scope="module")
def model():
    return ppgfast.load(MODELS / "v1.0_gpt_acc_f32.ppgf")


def of_bins(n, step, lowest=30.0):
    config, _ = ppgf.read(MODELS / "v1.0_linear_f32.ppgf")
    config |= {"model.n_outputs": n, "output.activation": 2, "output.mean": lowest, "output.std": step}
    tensors = {"out.weight": np.zeros((n, 15), np.float32), "out.bias": np.zeros(n, np.float32)}
    return ppgfast.load(ppgf.dumps(config, tensors))


def around(rates, deviation=4.0):
    """Distributions over 30, 32 ... 220 bpm around each rate."""
    bins = 30 + 2 * np.arange(96)
    p = np.exp(-0.5 * np.square((bins - np.asarray(rates)[:, None]) / deviation))
    return (p / p.sum(1, keepdims=True)).astype(np.float32)


@given(n=st.integers(1, 30), hop=st.sampled_from([0.25, 1.0, 2.0, 8.0]), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_it_is_the_reference(model, n, hop, seed):
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.full(BINS, 0.3), n).astype(np.float32)
    p[random.random(n) < 0.2] = np.nan
    expected = tracker.track(p, hop, LOWEST, STEP)
    np.testing.assert_allclose(model.track(p, hop=hop), expected, rtol=1e-5, atol=1e-3)


def test_an_outlier_is_overruled_and_a_change_is_followed():
    model = of_bins(96, 2.0)
    rates = np.r_[np.full(20, 80.0), 160.0, np.full(20, 80.0), np.linspace(80, 120, 30), np.full(5, 120.0)]
    followed = model.track(around(rates), hop=2.0)
    assert abs(followed[20, 0] - 80) < 5  # the octave above, once
    assert abs(followed[-1, 0] - 120) < 2
    assert np.abs(followed[41:, 0] - rates[41:]).max() < 6


def test_it_never_looks_ahead():
    model = of_bins(96, 2.0)
    p = around(np.random.default_rng(0).uniform(50, 150, 40))
    whole = model.track(p, hop=2.0)
    for n in (1, 7, 39):
        np.testing.assert_array_equal(model.track(p[:n].copy(), hop=2.0), whole[:n])


def test_without_evidence_the_interval_grows():
    model = of_bins(96, 2.0)
    p = np.concatenate((around(np.full(10, 75.0)), np.full((20, 96), np.nan, np.float32)))
    deviation = model.track(p, hop=2.0)[:, 1]
    assert (np.diff(deviation[9:]) > 0).all()
    assert np.isfinite(deviation).all()


@pytest.mark.parametrize("hop", [0.0, -1.0, np.nan, np.inf])
def test_a_hop_is_seconds(model, hop):
    with pytest.raises(ValueError, match=r"hop is .*expected seconds from one window to the next"):
        model.track(np.full((3, BINS), 1 / BINS, np.float32), hop=hop)


@pytest.mark.parametrize("shape", [(BINS,), (3, BINS - 1), (2, 3, BINS)])
def test_a_distribution_has_a_row_for_each_window(model, shape):
    with pytest.raises(ValueError, match=r"expected \(windows, 17\): pass what Model.distribution returned"):
        model.track(np.zeros(shape, np.float32), hop=2.0)


def test_a_model_without_bins_cannot_be_tracked():
    with pytest.raises(ValueError, match="answers with numbers"):
        ppgfast.load(MODELS / "v1.0_gpt_f32.ppgf").track(np.zeros((1, 3), np.float32), hop=2.0)
