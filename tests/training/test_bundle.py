"""What is bundled is what its card says, and what a run becomes when it is bundled."""

import json
from functools import partial
from hashlib import sha256

import numpy as np
import pytest
import typer
from conftest import QUIET

import ppgfast
from ppgfast import format as ppgf
from ppgfast.bundled import FOLDER
from training import bundle as bundling
from training import check_cards
from training.bundle import bundle, page
from training.config import FinetuneConfig
from training.data.windows import load
from training.finetune import finetune
from training.sources import use_of


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
    assert card["use"] == use_of(card["data"]["licence"])
    assert card["use"] == "open" or card["use"] in model.info["note"]  # for research only: the file says so
    assert "Not a medical device" in card["not_for"]
    for score in card["scores"]:
        others = score["models"]
        if card["task"] == "hr":
            ours, baseline = others[name]["mae"], others["spectral peak"]["mae"]
        else:  # the area above the curve, so that less is better here too
            ours, baseline = ([1 - x for x in others[k]["auroc"]] for k in (name, "pulse variability"))
        assert min(ours[1:]) <= ours[0] <= max(ours[1:])
        assert ours[0] < baseline[0]
        assert len(score["tested"]) == score["subjects"]


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
    assert score["tested"] == record["subjects"]["test"]


@pytest.fixture(scope="module", autouse=True)
def few_draws():
    """The bounds of these cards need not be good."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundling, "DRAWS", 10)
        yield


@pytest.fixture(scope="module")
def af_card(tiny_af, tmp_path_factory):
    """A rhythm model of data for research only, bundled."""
    folder = tmp_path_factory.mktemp("af")
    windows = load(tiny_af)
    windows.manifest["licence"] = "none stated; research use with citation"
    windows.save(folder / "data")
    settings = {"model": {"name": "tcn5k"}, "optimiser": {"epochs": 2, "batch": 8}, "device": "cpu"}
    run = finetune(FinetuneConfig(data=folder / "data", out=folder / "run", **settings), QUIET).folder
    bundle("af-tiny", run, [folder / "data"], folder / "models")
    return folder


def test_a_model_of_research_data_is_marked_in_card_info_and_page(af_card, monkeypatch):
    (card,) = ppgfast.models(af_card / "models").values()
    assert card["use"].startswith("research only")
    assert card["use"] in ppgfast.load(af_card / "models/af-tiny.ppgf").info["note"]
    monkeypatch.setattr(ppgfast, "models", partial(ppgfast.models, af_card / "models"))
    assert "| `af-tiny` | research only |" in page()


def test_cards_are_checked_against_what_the_core_computes(af_card, capsys):
    models, data = af_card / "models", af_card / "data"
    with pytest.raises(typer.Exit) as ended:
        check_cards.main([data], models)
    assert ended.value.exit_code == 0
    assert "af-tiny, tiny: as in the card" in capsys.readouterr().out
    card = ppgfast.models(models)["af-tiny"]
    assert set(card["scores"][0]["models"]["af-tiny"]) == {"auroc", "sensitivity_at_95", "specificity_at_95"}
    card["scores"][0]["models"]["af-tiny"]["auroc"][0] += 0.01
    file = models / "af-tiny.ppgf"
    ((where, what),) = check_cards.differences("af-tiny", card, [data], file)
    assert (where, what.startswith("af-tiny auroc: [")) == ("tiny", True)
    assert list(check_cards.differences("af-tiny", {**card, "sha256": "0"}, [], file)) == [
        ("file", "is not the one that the card describes"),
        ("tiny", "not checked: give its prepared folder"),
    ]
