"""Files whose bytes are in order and whose numbers make no model: each has its own status."""

from pathlib import Path

import numpy as np
import pytest

import ppgfast
from ppgfast import format as ppgf

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"


S8 = ["gpt_s8", "papagei_s8", "tcn_s8", "mlp_s8", "linear_s8", "streamgpt_s8"]
KINDS = [*(kind.replace("s8", "f32") for kind in S8), *S8]


def content(kind: str = "gpt_f32") -> tuple[dict, dict]:
    file = ppgf.read(MODELS / f"v1.0_{kind}.ppgf")
    return dict(file.config), dict(file.tensors)


def status_of(config: dict, tensors: dict) -> tuple[str, str]:
    with pytest.raises(ppgfast.ModelFileError) as caught:
        ppgfast.load(ppgf.dumps(config, tensors))
    assert caught.value.status in str(ppgfast._core.statuses())
    assert caught.value.name in str(caught.value)
    return caught.value.status, caught.value.name


INTEGERS = {  # config value: what it may not be
    "model.precision": (-1, 2),
    "model.n_outputs": (0, -1, 4097, 2**31, 2**63 - 1),
    "model.n_patches": (0, -1, 4097, 2**31, 2**63 - 1),
    "model.patch": (0, -1, 16385, 2**31, 2**63 - 1),
    "model.d_model": (0, 3, 16385, 2**31, 2**63 - 1),
    "model.n_layers": (0, -1, 100, 2**31, 2**63 - 1),
    "model.n_heads": (0, -1, 5, 7, 2**31, 2**63 - 1),
    "input.window": (0, 34, 36, 2**63 - 1),
    "input.hop": (-1, 2**31 + 1),
    "input.channels": (0, 2, 3, 5),
    "input.polarity": (0, 2, -2),
    "input.scaling": (-1, 3),
    "input.filter_order": (-1, 17),
    "output.task": (-1, 3),
    "output.units": (-1, 3),
    "output.activation": (-1, 3),
}
REALS = {
    "input.sampling_rate": (-1.0, 1e7),
    "input.filter_low": (-0.1, 1e7),
    "input.filter_high": (-0.1, 1e7),
    "output.mean": (-1e10, 1e10),
    "output.std": (0.0, -1.0, 1e10),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in {**INTEGERS, **REALS}.items() for value in values]
)
def test_config_out_of_range(name, value):
    config, tensors = content()
    config[name] = value
    assert status_of(config, tensors) == ("bad_config_value", name)


SHAPES = {
    ("papagei", "model.base_filters"): (0, -1, 16385, 2**63 - 1),
    ("papagei", "model.n_blocks"): (0, -1, 100, 53, 2**63 - 1),  # 53 blocks end with 6 * 2^13 channels
    ("papagei", "model.d_classifier"): (0, -1, 16385, 2**63 - 1),
    ("tcn", "model.d_model"): (0, -1, 16385, 2**63 - 1),
    ("tcn", "model.n_blocks"): (0, -1, 100, 2**63 - 1),
    ("streamgpt", "model.d_model"): (0, 1, 16385, 2**63 - 1),
    ("streamgpt", "model.n_layers"): (0, -1, 100, 2**63 - 1),
    ("streamgpt", "model.n_heads"): (0, 3, 4, 20, 2**63 - 1),  # 4 heads would have 5 dimensions
    ("streamgpt", "model.reach"): (0, -1, 4097, 2**63 - 1),
    ("streamgpt", "input.scaling"): (1, 2),  # it scales its patches itself
    ("streamgpt", "input.hop"): (1, 6, 8),  # and answers at the end of one of 7 samples
}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [(*place, value) for place, values in SHAPES.items() for value in values],
)
def test_config_of_a_kind_out_of_range(kind, name, value):
    config, tensors = content(f"{kind}_f32")
    config[name] = value
    assert status_of(config, tensors) == ("bad_config_value", name)


@pytest.mark.parametrize(("kind", "name"), [("papagei", "model.base_filters"), ("tcn", "model.d_model")])
def test_int8_needs_an_even_number_of_channels(kind, name):
    config, tensors = content(f"{kind}_s8")
    config[name] = 7
    assert status_of(config, tensors) == ("bad_config_value", name)


@pytest.mark.parametrize("kind", ["linear", "mlp", "papagei", "streamgpt"])
def test_kinds_without_accelerometer(kind):
    config, tensors = content(f"{kind}_f32")
    config["input.channels"] = 4
    assert status_of(config, tensors) == ("bad_config_value", "input.channels")


def test_a_distribution_has_at_least_two_bins():
    config, tensors = content()
    config |= {"output.activation": 2, "model.n_outputs": 1}
    assert status_of(config, tensors) == ("bad_config_value", "output.activation")


@pytest.mark.parametrize("kind", ["papagei", "tcn"])
def test_a_convolution_has_a_longest_window(kind):
    config, tensors = content(f"{kind}_f32")
    config |= {"model.n_patches": 4096, "model.patch": 16, "input.window": 65536}
    ppgfast.load(ppgf.dumps(config, tensors))
    config |= {"model.n_patches": 4096, "model.patch": 17, "input.window": 4096 * 17}
    assert status_of(config, tensors) == ("bad_config_value", "input.window")


@pytest.mark.parametrize("name", [*INTEGERS, *REALS])
def test_config_of_the_other_type(name):
    config, tensors = content()
    config[name] = 1.0 if name in INTEGERS else 1
    assert status_of(config, tensors) == ("bad_config_value", name)


@pytest.mark.parametrize("kind", KINDS)
def test_every_config_value_and_every_tensor_is_needed(kind):
    config, tensors = content(kind)
    for name in config:
        assert status_of({k: v for k, v in config.items() if k != name}, tensors) == ("missing_config", name)
    for name in tensors:
        rest = {k: v for k, v in tensors.items() if k != name}
        if name == "note" or name.startswith("selftest."):
            ppgfast.load(ppgf.dumps(config, rest))
        else:
            assert status_of(config, rest) == ("missing_tensor", name)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_else_may_be_in_the_file(kind):
    config, tensors = content(kind)
    assert status_of({**config, "model.extra": 1}, tensors) == ("unknown_config", "model.extra")
    extra = {**tensors, "layer.00.extra": np.ones(3, np.float32)}
    assert status_of(config, extra) == ("unknown_tensor", "layer.00.extra")


@pytest.mark.parametrize("kind", KINDS)
def test_shape_dtype_and_values_of_every_tensor(kind):
    config, tensors = content(kind)
    for name, value in tensors.items():
        if name == "note" or name.startswith("selftest."):
            continue
        longer = np.concatenate([value, value[-1:]])
        assert status_of(config, {**tensors, name: longer}) == ("wrong_tensor_shape", name)
        assert status_of(config, {**tensors, name: value[None]}) == ("wrong_tensor_shape", name)
        assert status_of(config, {**tensors, name: value.astype(np.float16)}) == ("wrong_tensor_dtype", name)
        if value.dtype == np.int8:
            continue
        for bad, status in (
            (np.nan, "tensor_not_finite"),
            (np.inf, "tensor_not_finite"),
            (2e18, "tensor_out_of_range"),
        ):
            broken = value.copy()
            broken.flat[-1] = bad
            assert status_of(config, {**tensors, name: broken}) == (status, name)


@pytest.mark.parametrize("kind", S8)
def test_int8_weights_keep_to_what_the_kernels_need(kind):
    config, tensors = content(kind)
    for name, value in tensors.items():
        if value.dtype != np.int8:
            continue
        minimum, pair, opposite = value.copy(), value.copy(), value.copy()
        minimum.flat[-2:] = (0, -128)
        assert status_of(config, {**tensors, name: minimum}) == ("tensor_out_of_range", name)
        pair[0, :2] = (-65, -65)
        assert status_of(config, {**tensors, name: pair}) == ("weight_pair_too_large", name)
        opposite[0, :2] = (127, -127)
        ppgfast.load(ppgf.dumps(config, {**tensors, name: opposite}))


def test_values_with_a_range_of_their_own():
    config, tensors = content("mlp_s8")
    tensors["out.scale"] = -tensors["out.scale"]
    assert status_of(config, tensors) == ("tensor_out_of_range", "out.scale")
    config, tensors = content("mlp_f32")
    tensors["hidden.bn.var"] = -tensors["hidden.bn.var"]
    assert status_of(config, tensors) == ("tensor_out_of_range", "hidden.bn.var")
    config, tensors = content("gpt_f32")
    tensors["layer.01.attention.rotary"] = tensors["layer.01.attention.rotary"] * -1
    assert status_of(config, tensors) == ("tensor_out_of_range", "layer.01.attention.rotary")


@pytest.mark.parametrize("kind", [-1, 6, 2**62])
def test_an_unknown_kind(kind):
    config, tensors = content()
    assert status_of({**config, "model.kind": kind}, tensors) == ("unknown_model_kind", "model.kind")


def test_the_offset_is_that_of_the_bad_number():
    config, tensors = content()
    tensors["sep"] = tensors["sep"].copy()
    tensors["sep"][3] = np.nan
    data = ppgf.dumps(config, tensors)
    with pytest.raises(ppgfast.ModelFileError) as caught:
        ppgfast.load(data)
    assert np.isnan(np.frombuffer(data, "<f4", 1, caught.value.offset)[0])
