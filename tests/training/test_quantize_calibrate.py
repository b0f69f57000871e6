"""Calibration: biases take up what rounding shifts; export in int8 uses it and says what is left."""

import re
from copy import deepcopy

import numpy as np
import pytest
import torch
from conftest import QUIET
from typer.testing import CliRunner

import ppgfast
from ppgfast import format as ppgf
from training import checkpoint, export_model, models
from training.cli import app
from training.config import ConfigError, ExportConfig, FinetuneConfig, QuantizeConfig
from training.export_model import ExportError, export
from training.finetune import finetune
from training.inputs import open_windows, subject_names
from training.quantize_aware import as_int8, int8_layers, quantize
from training.quantize_calibrate import calibrated, mean

SMALL = {"name": "gpt50k", "overrides": {"d_model": 16, "n_layers": 2}}


@pytest.mark.parametrize("name", ["gpt50k", "stream50k", "mlp", "tcn5k", "papagei"])
def test_every_product_has_its_mean_again(name):
    torch.manual_seed(0)
    options = {"base_filters": 8, "n_blocks": 5} if name == "papagei" else {}
    module = models.build(name, n_patches=4, **options)
    windows = torch.rand(64, 160)
    module(windows)
    before = {key: value.clone() for key, value in module.state_dict().items()}

    def means(network, outputs):
        found = {}
        for key, layer, norm in int8_layers(network):
            part = (norm or layer) if outputs == "float" else layer
            part.register_forward_hook(lambda _, __, y, k=key, at=layer: found.update({k: mean(at, y)}))
        with torch.no_grad():
            network.eval()(windows)
        return found

    exact = means(deepcopy(module), "float")
    plain = means(as_int8(deepcopy(module)), "int8")
    after = means(calibrated(module, windows), "int8")
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert max((plain[key] - exact[key]).abs().max() for key in exact) > 1e-4
    assert max((after[key] - exact[key]).abs().max() for key in exact) < 1e-5


@pytest.fixture(scope="module")
def source(tiny_hr, tmp_path_factory):
    """A finetune run."""
    out = tmp_path_factory.mktemp("calibrate") / "source"
    config = FinetuneConfig(data=tiny_hr, out=out, device="cpu", model=SMALL, optimiser={"epochs": 2})
    return finetune(config, QUIET).folder


def test_export_in_int8_says_how_far_it_is_from_float32(source, monkeypatch):
    seen = []
    monkeypatch.setattr(export_model, "calibrated", lambda m, x: seen.append(x) or calibrated(m, x))
    text = CliRunner().invoke(app, ["export", str(source), "--precision", "s8"]).output
    model = ppgfast.load(source / "model-s8.ppgf")
    assert model.info["precision"] == "s8"
    change = re.search(r"int8 against float32 on (\d+) windows: mean change (\S+) bpm, largest (\S+)", text)
    note = ppgf.read(source / "model-s8.ppgf").tensors["note"].tobytes().decode()
    assert change[0] in note

    meta = checkpoint.load(source / "best.safetensors")[1]
    windows = open_windows([source.parent / folder for folder in meta["data"]["folders"]])
    names = np.array(subject_names(windows))[windows.subject]
    test = windows.ppg[np.isin(names, meta["subjects"]["test"])]
    export(ExportConfig(model=source))
    exact = ppgfast.load(source / "model.ppgf").predict(test)
    each = np.abs(model.predict(test) - exact)
    assert int(change[1]) == len(test)
    assert float(change[2]) == pytest.approx(each.mean(), rel=0.1)
    assert float(change[3]) == pytest.approx(each.max(), rel=0.1)
    # Nothing held out took part.
    learned = windows.ppg[np.isin(names, meta["subjects"]["train"])]
    scaled = (learned - learned.min(1, keepdims=True)) / np.ptp(learned, axis=1, keepdims=True)
    assert len(seen[0]) == len(learned)
    np.testing.assert_allclose(seen[0].numpy(), scaled, atol=1e-6)


def test_plain_rounding_and_a_quantised_run_need_no_calibration(source, tiny_hr, tmp_path, monkeypatch):
    out = tmp_path / "q"
    quantize(QuantizeConfig(source=source, out=out, device="cpu", optimiser={"epochs": 1}), QUIET)
    monkeypatch.setattr(export_model, "calibrated", None)
    for folder, settings in ((source, {"calibration": 0}), (out, {})):
        file = tmp_path / "a.ppgf"
        export(ExportConfig(model=folder, out=file, precision="s8", **settings))
        module, _ = checkpoint.load(folder / "best.safetensors")
        bias = ppgf.read(file).tensors["layer.01.ffn.down.bias"]
        np.testing.assert_array_equal(bias, module.state_dict()["layer.1.ffn.down.bias"])
    assert export(ExportConfig(model=source / "best.safetensors", calibration=0, precision="s8")).path == (
        source / "best-s8.ppgf"
    )


def test_export_needs_windows_to_calibrate_with(source, tiny_af, tmp_path):
    asked = {"model": source, "out": tmp_path / "a.ppgf", "precision": "s8", "selftest": 0}
    module, meta = checkpoint.load(source / "best.safetensors")
    meta["subjects"]["train"] = ["someone/else"]
    checkpoint.save(tmp_path / "b.safetensors", module, meta)
    with pytest.raises(ConfigError, match=r"learned from no subject of the data; .* --set calibration=0"):
        export(ExportConfig(**{**asked, "model": tmp_path / "b.safetensors"}))
    with pytest.raises(ConfigError, match=r"no windows for the calibration \(.*\); give --data"):
        export(ExportConfig(**asked, data=tmp_path / "nowhere"))
    assert export(ExportConfig(**asked)).int8_change == ""


def test_a_file_that_is_not_the_int8_module_is_refused(source, monkeypatch):
    monkeypatch.setattr(export_model, "in_int8", lambda config, module, meta, stated: module)
    with torch.no_grad():  # torch answers in float32, the core in int8: the median tells
        assert export(ExportConfig(model=source, precision="f32")).int8_change == ""
    with pytest.raises(ExportError, match="answers differ from torch's"):
        export(ExportConfig(model=source, out=source / "wrong.ppgf", precision="s8"))
