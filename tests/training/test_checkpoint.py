"""A checkpoint gives back the same bits, or says what is wrong with it."""

import json
from pathlib import Path

import pytest
import torch

from training import checkpoint
from training.checkpoint import CheckpointError
from training.models import build

META = {"task": "hr", "label_mean": 75.5, "subjects": ["S1", "S2"], "contract": {"filter": [0.5, 8.0, 2]}}


def model(name="mlp", seed=0):
    torch.manual_seed(seed)
    options = {"gpt50k": {"n_layers": 1}, "papagei": {"base_filters": 4}}.get(name, {})
    module = build(name, n_patches=4, patch=10, n_outputs=2, **options)
    module(torch.rand(8, 4, 10))  # moves the running statistics of batch normalisation
    return module


@pytest.mark.parametrize("name", ["gpt50k", "papagei", "mlp", "linear"])
def test_what_is_saved_is_loaded(tmp_path, name):
    module = model(name)
    checkpoint.save(tmp_path / "new" / "teacher.v2", module, META)
    for path in ("new/teacher.v2", "new/teacher.v2.safetensors", "new/teacher.v2.json"):
        loaded, meta = checkpoint.load(tmp_path / path)
        assert meta == META
        assert loaded.config == module.config
        assert not loaded.training
        ours, theirs = module.state_dict(), loaded.state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "teacher.v2.json",
        "teacher.v2.safetensors",
    ]


def test_the_same_model_gives_the_same_bytes(tmp_path):
    checkpoint.save(tmp_path / "a", model(), META)
    checkpoint.save(tmp_path / "b", model(), META)
    for suffix in (".safetensors", ".json"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "a", model(), META)
    old = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        checkpoint.save(tmp_path / "a", model(seed=1), META)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == old


def test_meta_that_json_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    for meta in ({"mean": float("nan")}, {"scores": torch.zeros(2)}):
        with pytest.raises((ValueError, TypeError)):
            checkpoint.save(tmp_path / "a", model(), meta)
    assert not list(tmp_path.iterdir())


def rewrite(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda w, j: w.write_bytes(w.read_bytes()[:-1]),
            r"a.safetensors is not the file that a.json describes",
        ),
        (lambda w, j: w.write_bytes(b""), r"a.safetensors is not the file that a.json describes"),
        (lambda w, j: j.write_text("{"), r"a.json does not describe a checkpoint .*: save it again"),
        (lambda w, j: j.write_text("[]"), r"a.json does not describe a checkpoint"),
        (lambda w, j: j.write_text("{}"), r"a.json does not describe a checkpoint \('config'\)"),
        (lambda w, j: j.write_bytes(b"\xff\xfe"), r"a.json does not describe a checkpoint"),
        (lambda w, j: rewrite(j, config={"kind": "cnn"}), r"give no model \(unknown model kind 'cnn'"),
        (lambda w, j: rewrite(j, config={"kind": "mlp", "n_patches": 3}), r"give no model .*size mismatch"),
        (lambda w, j: rewrite(j, config={"kind": "mlp"}), r"give no model .*n_patches"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, damage, message):
    checkpoint.save(tmp_path / "a", model(), META)
    damage(*checkpoint.paths(tmp_path / "a"))
    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(tmp_path / "a")


@pytest.mark.parametrize("missing", [".safetensors", ".json"])
def test_a_missing_file_is_named(tmp_path, missing):
    checkpoint.save(tmp_path / "a", model(), META)
    (tmp_path / f"a{missing}").unlink()
    with pytest.raises(FileNotFoundError, match=rf"there is no .*a{missing}: a checkpoint is"):
        checkpoint.load(tmp_path / "a")
