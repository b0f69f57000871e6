"""What is bundled is what its card says, and what a run becomes when it is bundled."""

import json
from hashlib import sha256

import numpy as np
import pytest
from conftest import QUIET

import ppgfast
from ppgfast import format as ppgf
from ppgfast.bundled import FOLDER
from training.bundle import bundle
from training.config import FinetuneConfig
from training.finetune import finetune


@pytest.mark.parametrize("name", ppgfast.models())
@pytest.mark.parametrize("isa", [isa for isa, runs in ppgfast.cpu()["isas"].items() if runs])
def test_a_bundled_model_is_what_its_card_says(name, isa):
    card, file = ppgfast.models()[name], FOLDER / f"{name}.ppgf"
    assert sha256(file.read_bytes()).hexdigest() == card["sha256"]
    model = ppgfast.load(name, isa=isa)
    tensors = ppgf.read(file).tensors
    np.testing.assert_array_equal(model.predict(tensors["selftest.input"]), tensors["selftest.output"])
    assert model.info["output"]["task"] == card["task"]
    assert card["data"]["licence"] in model.info["note"]
    assert card["use"] == "open"  # what others' licences do not allow to give on is not bundled
    assert "Not a medical device" in card["not_for"]
    for score in card["scores"]:
        ours, baseline = score["models"][name], score["models"]["spectral peak"]
        assert ours["mae"][1] <= ours["mae"][0] <= ours["mae"][2]
        assert ours["mae"][0] < baseline["mae"][0]


def test_the_folder_of_models_is_small_and_each_has_a_card():
    files = {file.stem for file in FOLDER.glob("*.ppgf")}
    assert files == set(ppgfast.models()) != set()
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 6e6


def test_a_file_of_that_name_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = next(iter(ppgfast.models()))
    (tmp_path / name).write_bytes(b"not a model")
    with pytest.raises(ppgfast.ModelFileError, match=r"does not start with the PPGF magic"):
        ppgfast.load(name)


def test_a_run_becomes_a_file_and_a_card(tiny_hr, tmp_path):
    settings = {"model": {"name": "tcn5k"}, "optimiser": {"epochs": 2, "batch": 8}, "device": "cpu"}
    run = finetune(FinetuneConfig(data=tiny_hr, out=tmp_path / "run", **settings), QUIET).folder
    path = bundle("hr-tiny-s8", run, [tiny_hr], tmp_path / "models")
    card = json.loads(path.read_text())
    file = tmp_path / "models" / "hr-tiny-s8.ppgf"
    assert card["sha256"] == sha256(file.read_bytes()).hexdigest()
    assert (card["kind"], card["precision"], card["bytes"]) == ("tcn", "s8", file.stat().st_size)
    record = json.loads((run / "run.json").read_text())
    (score,) = card["scores"]
    assert score["subjects"] == card["subjects"]["test"] == len(record["subjects"]["test"])
    assert set(score["models"]) == {"spectral peak", "hr-tiny-s8"}
