"""The C++ core against torch: the published reference numbers, and random models in float64."""

import numpy as np
import pytest
import torch

import ppgfast
from training import models
from training.export import to_ppgf

ISAS = [isa for isa, supported in ppgfast.cpu()["isas"].items() if supported]
GOLDEN = {"gpt_1m_n8_c1": "gpt", "gpt_1m_n30_c2": "gpt", "gpt_d256_l2_h8_n12_c3": "gpt", "mlp_320_c1": "mlp", "mlp_1200_c2": "mlp"}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_published_reference_numbers(golden, name, tmp_path):
    reference = golden(name)
    state = {key[len("state/") :]: value for key, value in reference.items() if key.startswith("state/")}
    path = tmp_path / "model.ppgf"
    to_ppgf(models.from_published(GOLDEN[name], state), path)
    windows = reference["input"]
    predictions = {isa: ppgfast.load(path, isa=isa).predict(windows) for isa in ISAS}
    for isa in ISAS:
        assert np.abs(predictions[isa] - reference["output/prediction"]).max() < 2e-5
        np.testing.assert_array_equal(predictions[isa], predictions["scalar"])
    hidden = ppgfast.load(path).embed(windows)
    expected = reference["output/tokens_last" if GOLDEN[name] == "gpt" else "output/hidden"]
    assert np.abs(hidden - expected.reshape(hidden.shape)).max() < 2e-5


def test_a_row_of_64_windows_is_that_window_alone(golden, tmp_path):
    reference = golden("gpt_1m_n8_c1")
    state = {key[len("state/") :]: value for key, value in reference.items() if key.startswith("state/")}
    to_ppgf(models.from_published("gpt", state), tmp_path / "model.ppgf")
    model = ppgfast.load(tmp_path / "model.ppgf")
    windows = np.random.default_rng(0).random((64, 320), np.float32)
    together = model.predict(windows)
    for row in range(64):
        np.testing.assert_array_equal(model.predict(windows[row]), together[row])


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("gpt50k", {"n_patches": 8}),
        ("gpt250k", {"n_patches": 10, "n_outputs": 2}),
        ("gpt50k", {"n_patches": 16, "patch": 20}),
        ("gpt50k", {"n_patches": 4, "patch": 80}),
        ("mlp", {"n_patches": 8}),
        ("linear", {"n_patches": 10, "n_outputs": 2}),
    ],
)
@pytest.mark.parametrize("isa", ISAS)
def test_random_models_agree_with_float64(name, shape, isa, tmp_path):
    torch.manual_seed(0)
    module = models.build(name, **shape).eval()
    to_ppgf(module, tmp_path / "model.ppgf")
    N, P = shape["n_patches"], shape.get("patch", 40)
    windows = np.random.default_rng(1).random((7, N, P), np.float32)
    with torch.no_grad():
        expected = module.double()(torch.from_numpy(windows).double()).prediction.numpy()
    got = ppgfast.load(tmp_path / "model.ppgf", isa=isa).predict(windows)
    assert np.abs(got - expected).max() < 5e-6
