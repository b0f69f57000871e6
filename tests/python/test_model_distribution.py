"""Models that also take the accelerometer, and models that answer with a distribution over bins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppgfast
from ppgfast import format as ppgf
from tests.python.test_model import ISAS, MODELS

NAMES = ("gpt_acc_f32", "gpt_acc_s8", "tcn_acc_f32", "tcn_acc_s8")


def content(name="gpt_acc_f32"):
    return ppgf.read(MODELS / f"v1.0_{name}.ppgf")


def model_of(name="gpt_acc_f32", **options):
    return ppgfast.load(MODELS / f"v1.0_{name}.ppgf", **options)


def summary(probability, mean, std):
    """Median, linear inside its bin, and standard deviation of one row, in float64."""
    p = probability.astype(np.float64) / probability.sum(dtype=np.float64)
    bins = np.arange(len(p))
    edges = np.concatenate(([0.0], np.cumsum(p)))
    median = np.interp(0.5, edges, np.arange(len(p) + 1) - 0.5)
    deviation = np.sqrt(p @ (bins - p @ bins) ** 2)
    return median * std + mean, deviation * std


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("isa", ISAS)
def test_stored_answers(name, isa):
    tensors = content(name).tensors
    model = model_of(name, isa=isa)
    windows = tensors["selftest.input"]
    assert windows.shape[1] == model.info["input"]["channels"] == 4
    np.testing.assert_array_equal(model.predict(windows), tensors["selftest.output"])
    np.testing.assert_array_equal(model.predict(windows[3]), tensors["selftest.output"][3])
    np.testing.assert_array_equal(model.predict(windows, threads=3), tensors["selftest.output"])
    scalar = model_of(name, isa="scalar")
    np.testing.assert_array_equal(model.distribution(windows), scalar.distribution(windows))
    np.testing.assert_array_equal(model.embed(windows), scalar.embed(windows))


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_median_and_deviation_of_the_distribution(name):
    model, windows = model_of(name), content(name).tensors["selftest.input"]
    probability = model.distribution(windows)
    assert probability.shape == (6, 17)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, atol=1e-6)
    output = model.info["output"]
    assert (output["activation"], output["units"]) == ("distribution", "bpm")
    expected = [summary(p, output["mean"], output["std"]) for p in probability]
    np.testing.assert_allclose(model.predict(windows), expected, rtol=1e-5)
    np.testing.assert_array_equal(model.distribution(windows[2]), probability[2])


def linear_over_bins(bias, mean=30.0, std=2.0):
    """A model whose distribution is softmax(bias), whatever comes in."""
    bias = np.asarray(bias, np.float32)
    config, _ = ppgf.read(MODELS / "v1.0_linear_f32.ppgf")
    config |= {"model.n_outputs": len(bias), "output.activation": 2, "output.mean": mean, "output.std": std}
    return ppgfast.load(
        ppgf.dumps(config, {"out.weight": np.zeros((len(bias), 15), np.float32), "out.bias": bias})
    )


@given(logits=st.lists(st.floats(-200, 200, width=32), min_size=2, max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_distribution_has_its_median_and_deviation(logits):
    model = linear_over_bins(logits)
    window = np.zeros(15, np.float32)
    got = model.predict(window)
    expected = summary(model.distribution(window), 30.0, 2.0)
    assert np.isfinite(got).all()
    assert (
        29 <= got[0] <= 30 + 2 * len(logits) - 1
    )  # from the lower end of bin 0 to the upper one of the last
    # A median between two far bins of half the weight each may lie anywhere between them.
    p = model.distribution(window).astype(np.float64)
    if np.abs(np.cumsum(p) - 0.5).min() > 1e-5:
        np.testing.assert_allclose(got[0], expected[0], atol=1e-2)
    np.testing.assert_allclose(got[1], expected[1], atol=0.02)


def test_a_certain_model_has_no_deviation():
    hr, deviation = linear_over_bins([-300.0, 300.0, -300.0]).predict(np.zeros(15, np.float32))
    assert hr == 32.0
    assert deviation < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_gravity_takes_no_part_and_motion_does(name):
    model, windows = model_of(name), content(name).tensors["selftest.input"][:5]
    tilted = windows + np.array([0, 0.5, -0.25, 1], np.float32)[:, None]
    np.testing.assert_allclose(model.predict(tilted), model.predict(windows), rtol=1e-3)
    shaken = windows.copy()
    shaken[:, 1] *= 3
    assert np.abs(model.predict(shaken) - model.predict(windows)).max() > 1e-2


def test_out_has_room_for_both_numbers():
    model, windows = model_of(), content().tensors["selftest.input"]
    out = np.empty((6, 2), np.float32)
    assert model.predict(windows, out=out) is out
    np.testing.assert_array_equal(out, model.predict(windows))
    with pytest.raises(ValueError, match=r"out has shape \(6, 17\), expected \(6, 2\)"):
        model.predict(windows, out=np.empty((6, 17), np.float32))


@pytest.mark.parametrize("shape", [(35,), (6, 35), (6, 5, 7), (6, 3, 35), (1, 6, 4, 35), (6, 35, 4)])
def test_windows_without_their_channels_are_refused(shape):
    message = r"expected \(4, 35\) or \(B, 4, 35\): .*35 samples .*accelerometer's x, y and z"
    with pytest.raises(ValueError, match=message):
        model_of().predict(np.ones(shape, np.float32))


def test_a_batch_without_windows_and_a_nan_are_found():
    with pytest.raises(ValueError, match=r"\(0, 4, 35\).*batch is empty"):
        model_of().predict(np.empty((0, 4, 35), np.float32))
    windows = content().tensors["selftest.input"].copy()
    windows[1, 3, 8] = np.nan
    with pytest.raises(ValueError, match=r"windows\[1, 3, 8\] is nan"):
        model_of().distribution(windows)


def test_numbers_have_no_distribution():
    with pytest.raises(
        ValueError, match=r"answers with numbers, not with a distribution over bins: use predict"
    ):
        model_of("gpt_f32").distribution(np.zeros(35, np.float32))
