"""The page of results says what the files say, and nothing else."""

import json

import pytest

from training import results
from training.config import ConfigError

INTERVAL = {"value": 6.54321, "low": 5.5, "high": 7.5}


def test_page_and_pictures_follow_from_the_files(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    score = {
        "name": "hr-tiny",
        "engine": "C++",
        "parameters": 4993,
        "bytes": 21000,
        "threshold": None,
        "metrics": {"mae": INTERVAL, "within_5bpm": {"value": 0.91234, "low": None, "high": None}},
        "coverage": {"0.5": 1.0, "1.0": 6.54321},
    }
    plain = {**score, "name": "peak", "parameters": None, "bytes": None, "metrics": {"mae": INTERVAL}}
    del plain["coverage"]
    tables = {
        "hr-set": {
            "task": "hr",
            "dataset": "set",
            "windows": 1234,
            "subjects": ["set/a", "set/b"],
            "scores": [plain, score],
        },
        "study": {
            "study": "tiny",
            "task": "af",
            "folds": 2,
            "reference": "alone",
            "windows": 10,
            "subjects": 4,
            "arms": {
                "alone": {"seeds": 2, "auroc": {"value": 0.9, "low": 0.8, "high": 0.95}},
                "full": {
                    "seeds": 2,
                    "auroc": {"value": 0.92, "low": 0.8, "high": 0.95},
                    "gain": {"value": 0.2, "low": 0.1, "high": 0.31},
                },
            },
        },
    }
    for name, table in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(table))
    (folder / "study.md").write_text("Why this study.\n")
    (folder / "findings.md").write_text("What was found.\n")
    assert results.write(folder) == tmp_path / "results.md"
    page = (tmp_path / "results.md").read_text()
    assert "| hr-tiny | C++ | 4,993 | 21,000 | 6.54 (5.50 to 7.50) | 0.912 |" in page
    assert "| peak | C++ |  |  | 6.54 (5.50 to 7.50) | - |" in page
    assert "| full | 2 | 0.920 (0.800 to 0.950) | 20.0 % (10.0 to 31.0) |" in page
    assert page.index("What was found.") < page.index("## hr-set") < page.index("Why this study.")
    assert "improvement of 1 - AUROC over `alone`" in page
    pictures = {path.name: path.read_bytes() for path in folder.glob("*.svg")}
    assert set(pictures) == {"hr-set.svg", "study.svg"}
    assert all(f"results/{name}" in page for name in pictures)
    results.write(folder)  # the same files, the same bytes
    assert (tmp_path / "results.md").read_text() == page
    assert {path.name: path.read_bytes() for path in folder.glob("*.svg")} == pictures


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "holds no .json file; name"),
        ([{"arm": "alone", "fold": 0, "scores": {"mae": 3.1}}], "part.json is no table of results"),
    ],
)
def test_another_folder_leaves_a_page_as_it_is(tmp_path, files, message):
    folder = tmp_path / "mine"
    folder.mkdir()
    (tmp_path / "mine.md").write_text("kept")
    for found in files:
        (folder / "part.json").write_text(json.dumps(found))
    with pytest.raises(ConfigError, match=message):
        results.write(folder)
    assert (tmp_path / "mine.md").read_text() == "kept"


def test_arms_with_references_of_their_own_say_which(tmp_path):
    gain = {"value": 0.2, "low": 0.1, "high": 0.31}
    arms = {name: {"seeds": 1, "mae": INTERVAL} for name in ("alone", "full", "big", "big-full")}
    arms["full"] |= {"gain": gain, "over": "alone"}
    arms["big-full"] |= {"gain": gain, "over": "big"}
    found = {"study": "two", "task": "hr", "folds": 2, "reference": "alone", "windows": 10, "subjects": 4}
    text = results.study({**found, "arms": arms})
    assert "| big-full | 1 | 6.54 (5.50 to 7.50) | 20.0 % (10.0 to 31.0) | big |" in text
    assert "over the arm in the last column" in text
