"""int8: the grid that weights are rounded to, and the arithmetic of the core against numpy."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ppgfast
from ppgfast import format as ppgf
from training import models
from training.export import to_ppgf
from training.quantize import LARGEST, PAIR_LIMIT, quantize_tensors, quantize_weight

ISAS = [isa for isa, supported in ppgfast.cpu()["isas"].items() if supported]


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    heavy=st.booleans(),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_weights_keep_to_the_kernels_limits_and_lose_half_a_step(rows, columns, seed, heavy, scale):
    random = np.random.default_rng(seed)
    weight = scale * (
        random.standard_t(2, (rows, columns)) if heavy else random.standard_normal((rows, columns))
    )
    q, step = quantize_weight(weight)
    assert q.dtype == np.int8
    assert np.abs(q.astype(int)).max() <= LARGEST
    pairs = np.pad(q.astype(int), ((0, 0), (0, columns % 2))).reshape(rows, -1, 2).sum(axis=2)
    assert np.abs(pairs).max() <= PAIR_LIMIT
    # Half a step for rounding, a whole one where a pair had to give something back, and float32's own error.
    assert (np.abs(q * step[:, None].astype(float) - weight) <= 1.5001 * step[:, None]).all()
    assert np.mean(np.abs(q * step[:, None].astype(float) - weight) <= 0.5001 * step[:, None]) > 0.5


def test_zeros_and_constants():
    q, step = quantize_weight(np.zeros((2, 5)))
    assert not q.any()
    assert not step.any()
    q, _ = quantize_weight(np.ones((1, 4)))
    assert (np.abs(q.astype(int).reshape(-1, 2).sum(axis=1)) <= PAIR_LIMIT).all()


def fake_quantized(x: np.ndarray, q: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """One s8 Linear as docs/numerics.md states it, in numpy: (B, k) float32 -> (B, n) float32."""
    largest = np.abs(x).max(axis=1)
    usable = largest > np.float32(1e-30)
    inverse = np.divide(np.float32(127), largest, out=np.zeros_like(largest), where=usable)
    x_scale = np.where(usable, largest / np.float32(127), np.float32(0)).astype(np.float32)
    rounded = np.rint(x * inverse[:, None]).astype(np.int64)
    sums = (rounded @ q.astype(np.int64).T).astype(np.float32)
    factor = x_scale[:, None] * scale[None, :]
    # A fused multiply-add: the product is exact in 64 bits of mantissa.
    return (sums.astype(np.longdouble) * factor + bias).astype(np.float32)


@pytest.mark.parametrize("isa", ISAS)
@settings(max_examples=40, deadline=None)
@given(
    n_patches=st.integers(1, 9),
    patch=st.integers(1, 47),
    n_outputs=st.integers(1, 40),
    batch=st.integers(1, 14),
    seed=st.integers(0, 2**32 - 1),
    gain=st.sampled_from([0.0, 1e-35, 1e-3, 1.0, 1e6]),
)
def test_a_linear_is_its_fake_quantised_self_bit_for_bit(
    isa, n_patches, patch, n_outputs, batch, seed, gain, tmp_path_factory
):
    path = tmp_path_factory.mktemp("s8") / "linear.ppgf"
    torch.manual_seed(seed % 1000)
    to_ppgf(
        models.build("linear", n_patches=n_patches, patch=patch, n_outputs=n_outputs).eval(),
        path,
        precision="s8",
    )
    tensors = ppgf.read(path).tensors
    x = (gain * np.random.default_rng(seed).standard_normal((batch, n_patches * patch))).astype(np.float32)
    expected = fake_quantized(x, tensors["out.weight"], tensors["out.scale"], tensors["out.bias"])
    np.testing.assert_array_equal(ppgfast.load(path, isa=isa).predict(x), expected)


@pytest.mark.parametrize(
    ("name", "options", "limit"),
    [
        ("gpt50k", {}, 0.1),
        ("gpt250k", {"n_outputs": 2}, 0.1),
        ("papagei", {"n_blocks": 6}, 0.3),  # untrained blocks tell windows apart by little more than noise
        ("stream50k", {}, 0.1),
        ("tcn5k", {"n_outputs": 2}, 0.1),
        ("mlp", {"n_outputs": 2}, 0.1),
        ("linear", {}, 0.1),
    ],
)
def test_s8_stays_close_to_f32(name, options, limit, tmp_path):
    torch.manual_seed(0)
    module = models.build(name, n_patches=8, **options).eval()
    random = np.random.default_rng(0)  # pulses of every rate, and noise
    rate, phase = random.uniform(0.7, 3.0, (200, 1)), random.uniform(0, 2 * np.pi, (200, 1))
    windows = 0.5 + 0.4 * np.sin(2 * np.pi * rate * np.arange(320) / 40 + phase)
    windows = (windows + 0.05 * random.standard_normal(windows.shape)).astype(np.float32)
    predictions = {}
    for precision in ("f32", "s8"):
        to_ppgf(module, tmp_path / "model.ppgf", precision=precision)
        model = ppgfast.load(tmp_path / "model.ppgf")
        assert model.info["precision"] == precision
        predictions[precision] = model.predict(windows)
    error = predictions["s8"] - predictions["f32"]
    rms = float(np.sqrt(np.mean(error**2)))
    # Random weights: a network that nobody trained to be robust.
    assert 0 < rms < limit * predictions["f32"].std()


def test_the_file_shrinks_to_a_quarter(tmp_path):
    module = models.build("gpt1m", n_patches=8).eval()
    for precision in ("f32", "s8"):
        to_ppgf(module, tmp_path / f"{precision}.ppgf", precision=precision)
    sizes = {p: (tmp_path / f"{p}.ppgf").stat().st_size for p in ("f32", "s8")}
    assert sizes["s8"] < 0.28 * sizes["f32"]


def test_folding_leaves_no_norm_behind():
    module = models.build("gpt50k", n_patches=4)
    with torch.no_grad():
        for name, value in module.named_parameters():
            if name.endswith("norm"):
                value.uniform_(0.5, 2.0)
    from training.export import _tensors

    tensors = _tensors(module)
    s8 = quantize_tensors("gpt", tensors)
    assert not [name for name in s8 if name.endswith(("attention.norm", "ffn.norm"))]
    name = "layer.00.ffn.up"
    restored = s8[f"{name}.weight"] * s8[f"{name}.scale"][:, None]
    exact = tensors[f"{name}.weight"] * tensors["layer.00.ffn.norm"]
    assert np.abs(restored - exact).max() <= s8[f"{name}.scale"].max()


def test_norms_behind_convolutions_are_folded_in(tmp_path):
    folded = {"papagei": r"bn|.*bn_2", "tcn5k": r"bn|.*bn_\d"}
    for name, norms in folded.items():
        module = models.build(name, n_patches=2)
        for precision in ("f32", "s8"):
            to_ppgf(module, tmp_path / "model.ppgf", precision=precision)
            tensors = ppgf.read(tmp_path / "model.ppgf").tensors
            left = [key for key in tensors if re.fullmatch(rf"({norms})\.(weight|bias|mean|var)", key)]
            assert bool(left) == (precision == "f32")
        floats = {key.removesuffix(".weight") for key in tensors if key.endswith(".weight")}
        floats = {key for key in floats if tensors[f"{key}.weight"].dtype == np.float32 and "bn" not in key}
        assert floats == ({"conv", "classifier.out"} if name == "papagei" else {"stem", "head"})


@pytest.mark.parametrize(("name", "options"), [("papagei", {"base_filters": 5}), ("tcn5k", {"d_model": 5})])
def test_pairs_of_inputs_stay_within_a_time_step(name, options, tmp_path):
    module = models.build(name, n_patches=2, **options)
    with pytest.raises(ValueError, match="has 5 channels, expected an even number"):
        to_ppgf(module, tmp_path / "model.ppgf", precision="s8")
    to_ppgf(module, tmp_path / "model.ppgf")


def test_an_unknown_precision_is_refused(tmp_path):
    with pytest.raises(ValueError, match="precision is 's4', expected one of f32, s8"):
        to_ppgf(models.build("linear", n_patches=1), tmp_path / "a.ppgf", precision="s4")
