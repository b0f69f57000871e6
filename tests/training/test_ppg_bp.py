"""A teacher of which only embeddings are known: the data set, the store, and what the study compares."""

import json

import numpy as np
import pytest

from training import ppg_bp, results_outputs
from training.data.errors import DataError
from training.data.ppg_bp import MEASURED, people
from training.data.prepare import PrepareConfig, prepare
from training.data.windows import load
from training.teacher_cache import open_store

N = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two files in the layout; the embeddings tell the systolic pressure, and nothing tells the diastolic."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("ppg_bp")
    bpm, systolic, diastolic = rng.uniform(60, 120, N), rng.uniform(100, 160, N), rng.uniform(60, 90, N)
    time = np.arange(263) / 125
    clips = np.zeros((N, 3, 1250), np.float32)
    clips[:, :, 493:756] = np.sin(2 * np.pi * bpm[:, None, None] / 60 * time + 1)
    embedding = systolic[:, None] * rng.standard_normal(6) + 0.1 * rng.standard_normal((N, 6))
    for name, part in (("train", slice(0, 16)), ("val", slice(16, N))):
        np.savez(
            folder / f"ppg_bp_{name}.npz",
            ppg=clips[part],
            papagei_s_embedding=embedding[part].astype(np.float32),
            subject=np.arange(N)[part] + 100,
            heart_rate_bpm=bpm[part],
            systolic_mmhg=systolic[part],
            diastolic_mmhg=diastolic[part],
        )
    return folder


def test_clips_lose_their_padding_and_keep_their_person(folder, tmp_path):
    done = prepare("ppg_bp", folder, tmp_path / "data", PrepareConfig(filter_order=0))
    windows = load(done.folder)
    known = people(folder)
    assert (len(windows), windows.window, len(known.names)) == (3 * N, 80, N)
    assert tuple(windows.manifest["subjects"]) == known.names
    np.testing.assert_allclose(windows.label, np.repeat(known.measured["heart_rate_bpm"], 3), rtol=1e-6)
    assert windows.ppg.std(1).min() > 0.5  # nothing of the padding
    assert list(windows.t_start[:3]) == [0, 10, 20]


def test_a_damaged_file_is_one_sentence(folder, tmp_path):
    with np.load(folder / "ppg_bp_val.npz") as content:
        values = dict(content)
    for changes, message in (
        ({"ppg": values["ppg"][:, 0]}, r"ppg is \(8, 1250\), expected \(people, clips, samples\)"),
        ({"ppg": 0 * values["ppg"]}, "clip 0 of subject 116 is 0 throughout"),
    ):
        np.savez(tmp_path / "ppg_bp_val.npz", **{**values, **changes})
        with pytest.raises(DataError, match=message):
            prepare("ppg_bp", tmp_path, tmp_path / "data")


def test_the_study_tells_what_the_embeddings_know_from_what_they_do_not(folder, tmp_path, monkeypatch):
    short = {**ppg_bp.STUDENT, "optimiser": {"epochs": 1, "batch": 16}, "device": "cpu"}
    monkeypatch.setattr(ppg_bp, "STUDENT", short)
    results = tmp_path / "bp.json"
    found = ppg_bp.study(folder, tmp_path / "out", results, folds=2, seeds=1, draws=50)
    assert json.loads(results.read_text()) == found
    rows = found["rows"]
    assert {"student alone", "student, embeddings and labels", "mean of the others"} < set(rows)
    assert rows["ridge on embeddings"]["systolic_mmhg"]["value"] < 3
    assert rows["ridge on embeddings"]["systolic_mmhg"]["gain"]["low"] > 0
    assert rows["ridge on embeddings"]["diastolic_mmhg"]["value"] > 5
    assert set(rows["student alone"]) == {MEASURED[0]}  # it answers heart rates alone
    text = results_outputs.page(found)
    assert "systolic by `ridge on embeddings`" in text
    assert "| student alone | " in text
    assert len(results_outputs.picture(found).axes) == 3
    store = open_store(tmp_path / "out" / "embeddings")
    assert (store.prediction, store.patches, store.feature.shape) == (None, None, (3 * N, 6))
    np.testing.assert_array_equal(store.feature[::3], people(folder).embedding)


def test_a_probe_never_sees_who_it_is_tested_on(folder, tmp_path):
    windows = load(prepare("ppg_bp", folder, tmp_path / "data", PrepareConfig(filter_order=0)).folder)
    known = people(folder)
    tested = [ppg_bp.sides(windows, known, 3, fold) for fold in range(3)]
    assert sorted(np.concatenate([inside for _, inside in tested])) == list(range(N))
    for others, inside in tested:
        assert not set(others) & set(inside)
        assert len(others) + len(inside) == N


def test_the_published_embeddings_can_be_read(real_data):
    known = people(real_data / "ppg_bp")
    assert known.embedding.shape == (164, 512)
    assert len(set(known.names)) == 164
