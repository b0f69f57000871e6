"""The family's table: errors from cards or evaluations, costs from the files, times measured."""

import json

import pytest

import ppgfast
from ppgfast.bundled import FOLDER
from training import results_family
from training.config import ConfigError
from training.family import family, latencies, named


def test_bundled_models_stand_beside_each_other_by_their_cards(tmp_path):
    out = tmp_path / "family.json"
    found = family("cinc2015", out, {}, rounds=1)
    assert json.loads(out.read_text()) == found
    cards = ppgfast.models()
    assert [row["bytes"] for row in found["models"]] == sorted(row["bytes"] for row in found["models"])
    assert {"hr-tcn5k-s8", "hr-gpt1m-s8"} <= {row["name"] for row in found["models"]}
    for row in found["models"]:
        card = cards[row["name"]]
        assert (row["bytes"], row["multiply_adds"]) == (card["bytes"], card["multiply_adds"])
        (score,) = [each for each in card["scores"] if each["dataset"] == "cinc2015"]
        assert row["score"]["value"] == score["models"][row["name"]]["mae"][0]
        assert 0 < row["us"]["min"] <= row["us"]["median"]
    text = results_family.page(found)
    assert "| `hr-tcn5k-s8` | 7.79 (" in text
    assert "| spectral peak | 13.34 (" in text
    costs = [axes.get_xlabel() for axes in results_family.picture(found).axes]
    assert costs == ["file (bytes)", "multiply-adds of a window", "time of a window (µs)"]


def test_other_files_need_an_evaluation_of_the_same_data(tmp_path):
    file = FOLDER / "hr-tcn5k-s8.ppgf"
    with pytest.raises(ConfigError, match="nothing says how mine did on elsewhere; give --evaluation"):
        family("elsewhere", tmp_path / "f.json", {"mine": file}, rounds=1)
    interval = {"value": 3.5, "low": 2.0, "high": None}
    rows = [
        {"name": "mine", "engine": "torch", "metrics": {"mae": {**interval, "value": 9.0}}},
        {"name": "mine", "engine": "C++", "metrics": {"mae": interval}},
        {"name": "spectral peak", "engine": "-", "metrics": {"mae": interval}},
    ]
    evaluation = tmp_path / "e.json"
    evaluation.write_text(json.dumps({"dataset": "elsewhere", "scores": rows}))
    found = family("elsewhere", tmp_path / "f.json", {"mine": file}, evaluation, rounds=1)
    assert found["models"][0]["score"]["value"] == 3.5
    with pytest.raises(ConfigError, match="is about elsewhere, expected bidmc"):
        family("bidmc", tmp_path / "f.json", {"mine": file}, evaluation, rounds=1)


def test_a_model_with_accelerometer_is_timed_on_its_own_input():
    taken = latencies({"acc": ppgfast.load("hr-tcn5k-acc-s8")}, 1)
    assert 0 < taken["acc"]["min"] <= taken["acc"]["median"]


def test_names_of_files():
    assert {name: str(path) for name, path in named(["a=b/c.ppgf", "b/d.ppgf"]).items()} == {
        "a": "b/c.ppgf",
        "d": "b/d.ppgf",
    }
