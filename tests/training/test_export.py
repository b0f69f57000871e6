"""A model file holds every weight under its name, the whole contract, and the module's own answers."""

import numpy as np
import pytest
import torch

import ppgfast
from ppgfast import format as ppgf
from training.export import to_ppgf
from training.models import build, from_published
from training.models.tcn import STEM_KERNEL


def layers(n, d):
    one = {
        "attention.norm": (d,),
        **{f"attention.{name}.weight": (d, d) for name in ("query", "key", "value", "out")},
        **{f"attention.{name}.bias": (d,) for name in ("query", "key", "value", "out")},
        "ffn.norm": (d,),
        "ffn.up.weight": (4 * d, d),
        "ffn.up.bias": (4 * d,),
        "ffn.down.weight": (d, 4 * d),
        "ffn.down.bias": (d,),
    }
    return {f"layer.{i:02d}.{name}": shape for i in range(n) for name, shape in one.items()}


def norm(name, n):
    return {f"{name}.{part}": (n,) for part in ("weight", "bias", "mean", "var")}


TENSORS = {
    "gpt": {
        "patch.weight": (16, 10),
        "patch.bias": (16,),
        "sep": (16,),
        **layers(11, 16),
        **{f"layer.{i:02d}.attention.rotary": (2,) for i in range(11)},
        "head.norm.weight": (80,),
        "head.norm.bias": (80,),
        "head.linear.weight": (2, 80),
        "head.linear.bias": (2,),
    },
    "papagei": {
        "conv.weight": (4, 3),
        "conv.bias": (4,),
        **norm("bn", 4),
        **{f"block.{i:02d}.conv_1.weight": (8 if i == 4 else 4, 12) for i in range(5)},
        **{f"block.{i:02d}.conv_1.bias": (8 if i == 4 else 4,) for i in range(5)},
        **{f"block.{i:02d}.conv_2.weight": (8, 24) if i == 4 else (4, 12) for i in range(5)},
        **{f"block.{i:02d}.conv_2.bias": (8 if i == 4 else 4,) for i in range(5)},
        **{key: shape for i in range(1, 5) for key, shape in norm(f"block.{i:02d}.bn_1", 4).items()},
        **{key: shape for i in range(4) for key, shape in norm(f"block.{i:02d}.bn_2", 4).items()},
        **norm("block.04.bn_2", 8),
        **norm("final_bn", 8),
        "classifier.hidden.weight": (6, 8),
        "classifier.hidden.bias": (6,),
        "classifier.out.weight": (2, 6),
        "classifier.out.bias": (2,),
    },
    "tcn": {
        "stem.weight": (16, STEM_KERNEL),
        **norm("bn", 16),
        **{f"block.{i:02d}.conv_{k}.weight": (16, 48) for i in range(3) for k in (1, 2)},
        **{
            key: shape
            for i in range(3)
            for k in (1, 2)
            for key, shape in norm(f"block.{i:02d}.bn_{k}", 16).items()
        },
        "head.weight": (2, 16),
        "head.bias": (2,),
    },
    "streamgpt": {
        "patch.weight": (32, 10),
        "patch.bias": (32,),
        **layers(4, 32),
        **{f"layer.{i:02d}.attention.age": (2, 8) for i in range(4)},
        "norm": (32,),
        "head.weight": (2, 32),
        "head.bias": (2,),
    },
    "mlp": {
        "hidden.weight": (128, 40),
        "hidden.bias": (128,),
        **norm("hidden.bn", 128),
        "out.weight": (2, 128),
        "out.bias": (2,),
    },
    "linear": {"out.weight": (2, 40), "out.bias": (2,)},
}
BARE = {
    "model.precision": 0,
    "input.sampling_rate": 0.0,
    "input.window": 40,
    "input.hop": 0,
    "input.channels": 1,
    "input.polarity": 1,
    "input.scaling": 0,
    "input.filter_low": 0.0,
    "input.filter_high": 0.0,
    "input.filter_order": 0,
    "output.task": 0,
    "output.units": 0,
    "output.mean": 0.0,
    "output.std": 1.0,
    "output.activation": 0,
    "model.n_outputs": 2,
    "model.n_patches": 4,
    "model.patch": 10,
}
SHAPES = {
    "gpt": {"model.kind": 2, "model.d_model": 16, "model.n_layers": 11, "model.n_heads": 2},
    "papagei": {"model.kind": 3, "model.base_filters": 4, "model.n_blocks": 5, "model.d_classifier": 6},
    "tcn": {"model.kind": 4, "model.d_model": 16, "model.n_blocks": 3},
    "streamgpt": {
        "model.kind": 5,
        "model.d_model": 32,
        "model.n_layers": 4,
        "model.n_heads": 2,
        "model.reach": 8,
    },
    "mlp": {"model.kind": 1, "model.d_hidden": 128},
    "linear": {"model.kind": 0},
}


def model(kind, n_outputs=2):
    torch.manual_seed(0)
    name, options = {
        "gpt": ("gpt50k", {"d_model": 16, "n_heads": 2, "n_layers": 11}),
        "papagei": (
            "papagei",
            {"base_filters": 4, "n_blocks": 5, "d_classifier": 6, "published_heads": True},
        ),
        "tcn": ("tcn5k", {}),
        "streamgpt": ("stream50k", {}),
    }.get(kind, (kind, {}))
    module = build(name, n_patches=4, patch=10, n_outputs=n_outputs, **options)
    module(torch.rand(8, 4, 10))  # moves the running statistics of batch normalisation
    return module


@pytest.mark.parametrize("kind", TENSORS)
def test_without_a_contract_the_file_is_the_module(tmp_path, kind):
    module = model(kind)
    to_ppgf(module, tmp_path / "a.ppgf")
    file = ppgf.read(tmp_path / "a.ppgf")
    expected = {**BARE, **SHAPES[kind]}
    assert file.config == expected
    assert {key: type(value) for key, value in file.config.items()} == {
        key: type(value) for key, value in expected.items()
    }
    assert {key: value.shape for key, value in file.tensors.items()} == TENSORS[kind]
    assert {value.dtype for value in file.tensors.values()} == {np.dtype(np.float32)}


def test_weights_keep_their_bits(tmp_path):
    module = model("gpt")
    to_ppgf(module, tmp_path / "a.ppgf")
    tensors = ppgf.read(tmp_path / "a.ppgf").tensors
    state = module.state_dict()
    assert np.array_equal(tensors["layer.10.ffn.up.weight"], state["layer.10.ffn.up.weight"])
    assert np.array_equal(tensors["layer.02.attention.rotary"], state["layer.2.attention.rotary"])
    stored = sum(value.size for value in tensors.values())
    dropped = sum(value.numel() for key, value in state.items() if key.startswith("generative."))
    assert stored == sum(value.numel() for value in state.values()) - dropped

    tcn = model("tcn")
    to_ppgf(tcn, tmp_path / "a.ppgf")
    tensors = ppgf.read(tmp_path / "a.ppgf").tensors
    taps_first = tcn.block[2].conv_1.weight.detach().permute(0, 2, 1).reshape(16, 48)
    assert np.array_equal(tensors["block.02.conv_1.weight"], taps_first)
    assert np.array_equal(tensors["block.02.bn_1.var"], tcn.block[2].bn_1.running_var)

    mlp = model("mlp")
    to_ppgf(mlp, tmp_path / "b.ppgf")
    tensors = ppgf.read(tmp_path / "b.ppgf").tensors
    assert np.array_equal(tensors["hidden.bn.var"], mlp.bn.running_var)
    assert np.array_equal(tensors["hidden.bn.mean"], mlp.bn.running_mean)


@pytest.mark.parametrize("kind", TENSORS)
def test_a_weight_that_no_rule_knows_is_an_error(tmp_path, kind):
    module = model(kind)
    module.register_buffer("gate", torch.ones(3))
    with pytest.raises(ValueError, match=rf"no place in a {kind} file for the weight 'gate': \(3,\)"):
        to_ppgf(module, tmp_path / "a.ppgf")
    assert not list(tmp_path.iterdir())


def test_the_contract_is_written_down(tmp_path):
    to_ppgf(
        model("gpt", n_outputs=1),
        tmp_path / "a.ppgf",
        sampling_rate=40,
        hop=20,
        polarity=-1,
        scaling="minmax",
        filter=(0.5, 8, 2),
        task="hr",
        label_mean=80.5,
        label_std=21,
        note="Größe: trained on nothing",
    )
    file = ppgf.read(tmp_path / "a.ppgf")
    expected = {
        "input.sampling_rate": 40.0,
        "input.hop": 20,
        "input.polarity": -1,
        "input.scaling": 1,
        "input.filter_low": 0.5,
        "input.filter_high": 8.0,
        "input.filter_order": 2,
        "output.task": 1,
        "output.units": 1,
        "output.mean": 80.5,
        "output.std": 21.0,
        "model.n_outputs": 1,
    }
    assert file.config == {**BARE, **SHAPES["gpt"], **expected}
    assert file.tensors["note"].dtype == np.uint8
    assert file.tensors["note"].tobytes().decode() == "Größe: trained on nothing"


def test_probabilities_come_from_a_softmax(tmp_path):
    to_ppgf(model("mlp"), tmp_path / "a.ppgf", task="af")
    config = ppgf.read(tmp_path / "a.ppgf").config
    assert (config["output.task"], config["output.units"], config["output.activation"]) == (2, 2, 1)
    to_ppgf(model("mlp"), tmp_path / "a.ppgf", task="af", units="none")
    config = ppgf.read(tmp_path / "a.ppgf").config
    assert (config["output.task"], config["output.units"], config["output.activation"]) == (2, 0, 0)


@pytest.mark.parametrize("scaling", ["none", "minmax", "zscore"])
def test_the_self_test_holds_raw_windows_and_finished_outputs(tmp_path, scaling):
    module = model("mlp").train()
    windows = 500 + 30 * np.random.default_rng(0).normal(size=(3, 40))
    windows[2] = 7.0  # flat
    to_ppgf(
        module, tmp_path / "a.ppgf", scaling=scaling, task="hr", label_mean=80, label_std=20, selftest=windows
    )
    assert module.training
    tensors = ppgf.read(tmp_path / "a.ppgf").tensors
    raw = windows.astype(np.float32)
    assert np.array_equal(tensors["selftest.input"], raw.reshape(3, 4, 10))
    low, spread = {
        "none": (0, 1),
        "minmax": (raw.min(1, keepdims=True), np.ptp(raw, axis=1, keepdims=True)),
        "zscore": (raw.mean(1, keepdims=True), raw.std(1, keepdims=True)),
    }[scaling]
    scaled = (raw - low) / np.where(spread == 0, 1, spread)
    with torch.no_grad():
        outputs = module.eval()(torch.from_numpy(scaled.astype(np.float32))).prediction.numpy()
    np.testing.assert_allclose(tensors["selftest.output"], 80 + 20 * outputs, rtol=1e-5)

    to_ppgf(module, tmp_path / "a.ppgf", task="af", selftest=windows)
    outputs = ppgf.read(tmp_path / "a.ppgf").tensors["selftest.output"]
    np.testing.assert_allclose(outputs.sum(1), 1, atol=1e-6)


def test_the_core_answers_as_the_self_test(tmp_path):
    windows = np.random.default_rng(0).normal(500, 30, size=(5, 4, 10)).astype(np.float32)
    for kind in TENSORS:
        for contract in (
            {"task": "hr", "scaling": "minmax", "label_mean": 80.0},
            {"task": "af", "scaling": "zscore"},
        ):
            own = {"scaling": "none"} if kind == "streamgpt" else {}  # it scales its patches itself
            to_ppgf(model(kind), tmp_path / "a.ppgf", selftest=windows, **{**contract, **own})
            expected = ppgf.read(tmp_path / "a.ppgf").tensors["selftest.output"]
            np.testing.assert_allclose(
                ppgfast.load(tmp_path / "a.ppgf").predict(windows), expected, atol=2e-5
            )


def test_published_weights_are_exported_whole(golden, tmp_path):
    arrays = golden("gpt_1m_n30_c2")
    state = {key.removeprefix("state/"): value for key, value in arrays.items() if key.startswith("state/")}
    to_ppgf(from_published("gpt", state), tmp_path / "a.ppgf", selftest=arrays["input"])
    tensors = ppgf.read(tmp_path / "a.ppgf").tensors
    np.testing.assert_allclose(tensors["selftest.output"], arrays["output/prediction"], atol=1e-5)
    weights = [value for name, value in tensors.items() if not name.startswith("selftest.")]
    assert sum(w.size for w in weights) == 1_021_690 - 80 * 128 - 80


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        ({"scaling": "l2"}, "scaling is 'l2', expected one of none, minmax, zscore"),
        ({"task": "rr"}, "task is 'rr', expected one of none, hr, af"),
        ({"units": "Hz"}, "units is 'Hz', expected one of none, bpm, probability"),
        ({"activation": "relu"}, "activation is 'relu', expected one of none, softmax, distribution"),
        ({"polarity": 0}, "polarity is 0, expected 1 or -1"),
        ({"hop": -1}, "hop is -1"),
        ({"sampling_rate": float("nan")}, "sampling_rate is nan, expected Hz"),
        ({"label_std": 0.0}, "label_std 0.0: expected finite numbers, the deviation above 0"),
        ({"label_mean": float("inf")}, "label_mean inf"),
        ({"task": "af", "label_mean": 1.0}, "leave label_mean at 0 and label_std at 1"),
        ({"filter": (8.0, 0.5, 2)}, r"filter is \(8.0, 0.5, 2\), expected \(low Hz, high Hz, order\)"),
        ({"filter": (0.5, 8.0, 0)}, r"filter is \(0.5, 8.0, 0\)"),
        ({"channels": 4}, r"takes 1 channel\(s\) and the contract states 4: state as many"),
        ({"selftest": np.zeros((2, 41))}, r"shape \(2, 41\), expected .*\(B, 4, 10\)"),
        ({"selftest": np.full((2, 40), np.nan)}, r"windows\[0, 0\] is nan"),
    ],
)
def test_a_wrong_contract_is_refused(tmp_path, contract, message):
    with pytest.raises(ValueError, match=message):
        to_ppgf(model("mlp"), tmp_path / "a.ppgf", **contract)
    assert not list(tmp_path.iterdir())


def test_an_unknown_keyword_is_refused(tmp_path):
    with pytest.raises(TypeError, match="rate"):
        to_ppgf(model("mlp"), tmp_path / "a.ppgf", rate=40)


def test_models_that_the_core_cannot_run_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"takes 4 channel\(s\) and the contract states 1"):
        to_ppgf(build("tcn5k", n_patches=4, channels=4), tmp_path / "a.ppgf")
    with pytest.raises(
        ValueError, match=r"the mlp takes 4 channels, and the core runs one of that kind with 1$"
    ):
        to_ppgf(build("mlp", n_patches=4, channels=4), tmp_path / "a.ppgf", channels=4)
    with pytest.raises(ValueError, match=r"the gpt takes 3 channels.* with 1 or 4$"):
        to_ppgf(build("gpt50k", n_patches=4, channels=3), tmp_path / "a.ppgf", channels=3)
    module = model("mlp")
    module.out.bias.data[0] = torch.nan
    streaming = build("stream50k", n_patches=4)
    for contract in ({"scaling": "minmax"}, {"hop": 60}):
        with pytest.raises(
            ValueError, match=r"scales its patches itself.*scaling='none' and a multiple of 40"
        ):
            to_ppgf(streaming, tmp_path / "a.ppgf", **contract)
    with pytest.raises(ValueError, match=r"weight 'out.bias' holds NaN or infinity: the training diverged"):
        to_ppgf(module, tmp_path / "a.ppgf")
    assert not list(tmp_path.iterdir())
