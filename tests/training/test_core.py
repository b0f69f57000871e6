"""The C++ core against torch: the published reference numbers, and random models in float64."""

import numpy as np
import pytest
import torch

import ppgfast
from training import models
from training.export import to_ppgf

ISAS = [isa for isa, supported in ppgfast.cpu()["isas"].items() if supported]
GOLDEN = (
    "gpt_1m_n8_c1",
    "gpt_1m_n30_c2",
    "gpt_d256_l2_h8_n12_c3",
    "papagei_f8_n8_c1",
    "papagei_f8_n30_c2",
    "mlp_320_c1",
    "mlp_1200_c2",
)
HIDDEN = {"gpt": "tokens_last", "papagei": "global_features", "mlp": "hidden"}


def published(reference, name):
    state = {key[len("state/") :]: value for key, value in reference.items() if key.startswith("state/")}
    kind = name.split("_")[0]
    # PaPaGei takes any length: its weights do not tell the number of patches.
    config = {"n_patches": reference["input"].shape[1]} if kind == "papagei" else {}
    return models.from_published(kind, state, **config)


@pytest.mark.parametrize("name", GOLDEN)
def test_published_reference_numbers(golden, name, tmp_path):
    reference = golden(name)
    path = tmp_path / "model.ppgf"
    to_ppgf(published(reference, name), path)
    windows = reference["input"]
    predictions = {isa: ppgfast.load(path, isa=isa).predict(windows) for isa in ISAS}
    for isa in ISAS:
        assert np.abs(predictions[isa] - reference["output/prediction"]).max() < 2e-5
        np.testing.assert_array_equal(predictions[isa], predictions["scalar"])
    hidden = ppgfast.load(path).embed(windows)
    expected = reference[f"output/{HIDDEN[name.split('_')[0]]}"]
    assert np.abs(hidden - expected.reshape(hidden.shape)).max() < 2e-5


def test_a_row_of_64_windows_is_that_window_alone(golden, tmp_path):
    reference = golden("gpt_1m_n8_c1")
    to_ppgf(published(reference, "gpt_1m_n8_c1"), tmp_path / "model.ppgf")
    model = ppgfast.load(tmp_path / "model.ppgf")
    windows = np.random.default_rng(0).random((64, 320), np.float32)
    together = model.predict(windows)
    for row in range(64):
        np.testing.assert_array_equal(model.predict(windows[row]), together[row])


def with_statistics(module):
    """BatchNorms as after training: none of their numbers at its start, so that each one counts."""
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2.0)
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.2)
    for name, value in module.named_parameters():
        if name.endswith((".age", "norm")):
            value.data.normal_(1, 0.3)
    return module


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("gpt50k", {"n_patches": 8}),
        ("gpt250k", {"n_patches": 10, "n_outputs": 2}),
        ("gpt50k", {"n_patches": 16, "patch": 20}),
        ("gpt50k", {"n_patches": 4, "patch": 80}),
        ("papagei", {"n_patches": 10, "patch": 125}),
        ("papagei", {"n_patches": 3, "patch": 7, "n_outputs": 2, "base_filters": 5, "d_classifier": 3}),
        ("papagei", {"n_patches": 1, "patch": 1, "base_filters": 1, "n_blocks": 5}),
        ("papagei", {"n_patches": 8, "base_filters": 8, "n_blocks": 1}),
        ("tcn5k", {"n_patches": 8}),
        ("tcn5k", {"n_patches": 30, "n_outputs": 2}),
        ("tcn5k", {"n_patches": 3, "patch": 7, "d_model": 21, "n_blocks": 5}),
        ("tcn5k", {"n_patches": 1, "patch": 1, "d_model": 1, "n_blocks": 1}),
        ("stream50k", {"n_patches": 8}),
        ("stream50k", {"n_patches": 30, "n_outputs": 2}),
        ("stream50k", {"n_patches": 3, "patch": 7, "d_model": 18, "n_heads": 3, "n_layers": 2, "reach": 5}),
        ("stream50k", {"n_patches": 1, "patch": 1, "d_model": 2, "n_heads": 1, "reach": 1}),
        ("mlp", {"n_patches": 8}),
        ("linear", {"n_patches": 10, "n_outputs": 2}),
    ],
)
@pytest.mark.parametrize("isa", ISAS)
def test_random_models_agree_with_float64(name, shape, isa, tmp_path):
    torch.manual_seed(0)
    module = with_statistics(models.build(name, **shape).eval())
    to_ppgf(module, tmp_path / "model.ppgf")
    N, P = shape["n_patches"], shape.get("patch", 40)
    windows = np.random.default_rng(1).random((7, N, P), np.float32)
    with torch.no_grad():
        expected = module.double()(torch.from_numpy(windows).double())
    model = ppgfast.load(tmp_path / "model.ppgf", isa=isa)
    assert np.abs(model.predict(windows) - expected.prediction.numpy()).max() < 5e-6
    if module.config.kind in ("mlp", "papagei", "tcn"):
        assert np.abs(model.embed(windows)[:, 0] - expected.feature.numpy()).max() < 5e-6


@pytest.mark.parametrize("isa", ISAS)
def test_a_signal_patch_by_patch_is_the_sequence_of_torch(isa, tmp_path):
    torch.manual_seed(0)
    module = with_statistics(models.build("stream50k", n_patches=8, n_outputs=2).eval())
    to_ppgf(module, tmp_path / "model.ppgf", sampling_rate=40.0, hop=80)
    signal = np.cumsum(np.random.default_rng(1).standard_normal(40 * 100)).astype(np.float32)
    with torch.no_grad():
        expected = module.double().sequence(torch.from_numpy(signal[None]).double(), 2).prediction.numpy()
    answers = ppgfast.load(tmp_path / "model.ppgf", isa=isa).predict_sequence(signal)
    np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["gpt50k", "tcn5k"])
def test_accelerometer_and_bins_as_in_torch(name, tmp_path):
    torch.manual_seed(5)
    module = with_statistics(models.build(name, n_patches=8, channels=4, n_outputs=96)).eval()
    random = np.random.default_rng(3)
    gravity, spread = [[500.0], [0.0], [-0.7], [0.7]], [[50.0], [0.1], [0.5], [1.0]]
    windows = random.normal(gravity, spread, (16, 4, 320)).astype(np.float32)
    contract = {"scaling": "zscore", "task": "hr", "activation": "distribution"}
    to_ppgf(module, tmp_path / "m.ppgf", channels=4, label_mean=30.0, label_std=2.0, **contract)

    scaled = windows.astype(np.float64) - windows.astype(np.float64).mean(-1, keepdims=True)
    scaled[:, 0] /= scaled[:, 0].std(-1, keepdims=True)
    with torch.no_grad():
        x = models.from_channels(torch.from_numpy(scaled), patch=40)
        expected = torch.softmax(module.double()(x).prediction, -1).numpy()
    model = ppgfast.load(tmp_path / "m.ppgf")
    np.testing.assert_allclose(model.distribution(windows), expected, atol=2e-6)
