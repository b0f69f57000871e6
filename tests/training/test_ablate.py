"""ablate: every run once, also after a kill; arms compared on the same subjects and seeds."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from conftest import QUIET
from rich.console import Console

from training import ablate as study
from training import metrics, results
from training.ablate import BASELINE, TEACHER, Job, ablate, compare, finished, jobs_of, remaining, settings
from training.config import AblateConfig, ConfigError

SMALL = {"name": "gpt50k", "overrides": {"d_model": 16, "n_layers": 1}}
SHORT = {"epochs": 1, "batch": 16}
ARMS = {"alone": {"losses": {"prediction": 0.0, "feature": 0.0}}, "global": {"losses": {"prediction": 1.0}}}


def config_of(data, folder, **changes):
    values = {
        "study": "tiny",
        "data": data,
        "out": folder / "runs",
        "results": folder / "results",
        "folds": 2,
        "seeds": 2,
        "bootstrap": 20,
        "teacher": {"model": SMALL, "optimiser": SHORT, "device": "cpu"},
        "student": {
            "model": SMALL,
            "optimiser": SHORT,
            "device": "cpu",
            "losses": {"morphology": 0.0, "rhythm": 0.0},
        },
        "arms": ARMS,
    }
    return AblateConfig(**{**values, **changes})


@pytest.fixture(scope="module", params=["hr", "af"])
def finished_study(request, tmp_path_factory):
    data = request.getfixturevalue(f"tiny_{request.param}")
    config = config_of(data, tmp_path_factory.mktemp(request.param))
    return config, ablate(config, QUIET)


def test_every_run_leaves_its_numbers_and_none_is_repeated(finished_study, monkeypatch):
    config, compared = finished_study
    jobs = jobs_of(config)
    assert len(jobs) == 2 + 2 * 2 * 2
    assert all(finished(config, job) for job in jobs)
    written = json.loads((config.results / "tiny/global-f1-s1.json").read_text())
    assert (written["arm"], written["fold"], written["seed"], written["steps"] > 0) == ("global", 1, 1, True)
    monkeypatch.setattr(study, "run", lambda *_: pytest.fail("a finished run was repeated"))
    assert ablate(config, QUIET) == compared
    assert json.loads((config.results / "tiny.json").read_text()) == compared


def test_scores_are_pooled_over_folds_and_averaged_over_seeds(finished_study):
    config, compared = finished_study
    headline = compared["headline"]
    values = []
    for seed in range(2):
        parts = [np.load(settings(config, Job("global", fold, seed)).out / "test.npz") for fold in range(2)]
        prediction, label = (np.concatenate([part[key] for part in parts]) for key in ("prediction", "label"))
        values.append(getattr(metrics, headline)(prediction, label))
    found = compared["arms"]["global"][headline]
    assert found["value"] == pytest.approx(np.mean(values), abs=1e-4)
    assert found["low"] <= found["value"] <= found["high"]
    assert compared["windows"] == len(prediction)
    assert set(compared["arms"]) == {BASELINE, TEACHER, "alone", "global"}
    ours, theirs = (compared["arms"][arm][headline]["value"] for arm in ("global", "alone"))
    gain = 1 - (ours / theirs if headline == "mae" else (1 - ours) / (1 - theirs))
    assert compared["arms"]["global"]["gain"]["value"] == pytest.approx(gain, abs=1e-3)
    assert "gain" not in compared["arms"]["alone"]


def test_no_subject_is_tested_by_a_model_that_learned_from_it(finished_study):
    config, _ = finished_study
    for fold in range(2):
        subjects = json.loads((settings(config, Job("alone", fold, 0)).out / "run.json").read_text())[
            "subjects"
        ]
        tested = np.load(settings(config, Job("alone", fold, 0)).out / "test.npz")["subject"]
        assert set(tested) == set(subjects["test"])
        assert not set(tested) & {*subjects["train"], *subjects["validation"]}


def test_a_part_of_a_study_says_what_is_left_and_compares_what_is_there(tiny_hr, tmp_path, monkeypatch):
    config = config_of(tiny_hr, tmp_path)
    trained, run = [], study.run

    def killed(config, job, threads):
        if len(trained) == 7:  # two teachers, seed 0 whole, one run of seed 1
            raise KeyboardInterrupt
        run(config, job, threads)
        trained.append(job.name)

    monkeypatch.setattr(study, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        ablate(config, QUIET)
    jobs = jobs_of(config)
    waiting = [job for job in jobs if not finished(config, job)]
    assert len(waiting) == 3
    assert "7 of 10 runs done, 3 left, about 1 min" in remaining(config, jobs, waiting)
    assert compare(config)["arms"]["global"]["seeds"] == 1
    seen = Console(record=True, file=io.StringIO(), width=200)
    trained.clear()
    ablate(config, seen)
    assert len(trained) == 3
    assert "10 of 10 runs done" in seen.export_text()


def test_an_arm_is_compared_with_its_own_reference(finished_study):
    config, compared = finished_study
    arms = {**config.arms, "twin": config.arms["global"], "own": config.arms["alone"]}
    other = config.model_copy(update={"arms": arms, "references": {"twin": "own"}})
    for arm, source in (("twin", "global"), ("own", "alone")):
        for fold, seed in product(range(2), range(2)):
            old, new = Job(source, fold, seed), Job(arm, fold, seed)
            folder = settings(other, new).out
            shutil.copytree(settings(config, old).out, folder)
            shutil.copy(study.report_of(config, old), study.report_of(other, new))
    found = compare(other)["arms"]
    assert found["twin"]["gain"] == compared["arms"]["global"]["gain"]
    assert (found["global"]["over"], found["twin"]["over"]) == ("alone", "own")
    assert "gain" not in found["own"]
    with pytest.raises(ValueError, match="references names nobody, expected arms: alone, global"):
        AblateConfig.model_validate({**config.model_dump(), "references": {"global": "nobody"}})


def test_results_of_another_config_are_refused(finished_study, tiny_hr):
    config, _ = finished_study
    other = config.model_copy(update={"student": {**config.student, "tau": 3.0}})
    with pytest.raises(ConfigError, match="result of another config; give the study another name"):
        ablate(other, QUIET)


def test_results_of_other_data_are_refused(finished_study, tmp_path):
    config, _ = finished_study
    copy = Path(shutil.copytree(config.data[0], tmp_path / "moved"))
    ablate(config.model_copy(update={"data": (copy,)}), QUIET)  # the same data elsewhere are the same
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, "note": "others"}))
    with pytest.raises(ConfigError, match="result of other data; give the study another name"):
        ablate(config.model_copy(update={"data": (copy,)}), QUIET)


def test_arms_are_also_compared_with_each_other(finished_study):
    config, compared = finished_study
    assert compared["contrasts"] == []
    asked = config.model_copy(update={"contrasts": {"alone": ("global",)}})
    found = ablate(asked, QUIET)
    (row,) = found["contrasts"]
    assert (row["arm"], row["over"], row["paired_seeds"]) == ("alone", "global", 2)
    there, back = compared["arms"]["global"]["gain"]["value"], row["gain"]["value"]
    assert (1 - there) * (1 - back) == pytest.approx(1, abs=1e-4)
    assert f"| alone | global | 2 | {100 * back:.1f} %" in results.study(found)
    assert "against each other" not in results.study(compared)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contrasts": {"alone": ("nobody",)}}, "contrasts names nobody, expected arms: alone, global"),
        ({"reference": "nobody"}, "reference names nobody, expected arms: alone, global"),
        ({"arms": {**ARMS, "more": {"ensemble": ["nowhere"]}}}, "nowhere: no checkpoint there"),
        (
            {"teachers": {"a": {}}, "arms": {**ARMS, "more": {**ARMS["global"], "teacher": ["a", "a"]}}},
            "arm more names a teacher twice",
        ),
        (
            {
                "teachers": {"a": {}, "b": {}},
                "arms": {**ARMS, "more": {"teacher": ["a", "b"], "losses": {"prediction": 0, "feature": 1}}},
            },
            "tiny: more: ensemble averages predictions",
        ),
        ({"arms": {**ARMS, "more": {"teacher": 3}}}, "arm more has teacher 3, expected a name or a list"),
        ({"arms": {**ARMS, "more": {"ensemble": 3}}}, r"tiny: more: 'ensemble': .*found 3"),
        ({"arms": {}}, "there are no arms; give"),
        ({"contrasts": {"alone": "alone"}}, "alone is to be compared with itself"),
        ({"references": {"global": "global"}}, "global is to be compared with itself"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(tiny_hr, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        ablate(config_of(tiny_hr, tmp_path, **changes), QUIET)
    assert not (tmp_path / "runs").exists()


def test_a_comparison_names_runs_and_no_folders():
    for init in ("/home/me/runs/base", "/home/me/runs/base/best.safetensors"):
        found = study.without_folders({"model": {"name": "gpt50k", "init": init}, "channels": 1})
        assert found == {"model": {"name": "gpt50k", "init": "base"}, "channels": 1}


def test_several_teachers_on_one_split_and_each_arm_learns_from_its_own(tiny_hr, tmp_path):
    wide = {"model": {**SMALL, "overrides": {"d_model": 32, "n_layers": 1}}}
    arms = {
        **ARMS,
        "global-wide": {**ARMS["global"], "teacher": "wide"},
        "global-both": {**ARMS["global"], "teacher": ["narrow", "wide"]},
    }
    config = config_of(tiny_hr, tmp_path, folds=0, seeds=1, teachers={"narrow": {}, "wide": wide}, arms=arms)
    found = ablate(config, QUIET)
    assert [job.name for job in jobs_of(config)][:2] == ["teacher-narrow-f0-s0", "teacher-wide-f0-s0"]
    assert set(found["arms"]) == {BASELINE, "teacher-narrow", "teacher-wide", *arms}
    assert found["subjects"] < len(json.loads((tiny_hr / "manifest.json").read_text())["subjects"])
    hashes = {
        arm: json.loads((settings(config, Job(arm, 0, 0)).out / "run.json").read_text())["teacher"]
        for arm in ("global", "global-wide", "global-both")
    }
    assert hashes["global"] != hashes["global-wide"]
    assert hashes["global-both"] == f"{hashes['global']}+{hashes['global-wide']}"
    assert found["arms"]["global"]["mae"] != found["arms"]["global-wide"]["mae"]
    assert found["teachers"]["teacher-wide"]["model"]["overrides"]["d_model"] == 32
    assert found["runs"] == len(jobs_of(config))
    assert "6 runs, 0.0 h one after the other." in results.study(found)
    weights = (settings(config, Job("teacher-wide", 0, 0)).out / "best.safetensors").read_bytes()
    assert found["teacher_weights_sha256"]["teacher-wide"] == [sha256(weights).hexdigest()]
    for other in ("narrow", ["wide", "narrow"]):
        swapped = {**arms, "global-wide": {**ARMS["global"], "teacher": other}}
        with pytest.raises(ConfigError, match="result of another config"):
            ablate(config.model_copy(update={"arms": swapped}), QUIET)


def test_an_unknown_teacher_is_refused(tiny_hr, tmp_path):
    arms = {"alone": {"teacher": "wide"}}
    for named in ("wide", ["tall", "wide"]):
        asked = {"alone": {"teacher": named}}
        with pytest.raises(ValueError, match="arm alone names teacher wide, expected: narrow, tall"):
            config_of(tiny_hr, tmp_path, teachers={"narrow": {}, "tall": {}}, arms=asked)
    with pytest.raises(ValueError, match="expected: none, for there is one teacher"):
        config_of(tiny_hr, tmp_path, arms=arms)
    with pytest.raises(ValueError, match="an arm cannot be called teacher-x"):
        config_of(tiny_hr, tmp_path, arms={"teacher-x": {}})


def test_arms_are_checked_before_anything_runs(tiny_hr, tmp_path):
    config = config_of(tiny_hr, tmp_path, arms={"alone": {}, "typo": {"losses": {"morphologie": 1}}})
    with pytest.raises(ConfigError, match=r"tiny: typo: unknown key.*did you mean 'losses.morphology'"):
        ablate(config, QUIET)
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ValueError, match="an arm cannot be called teacher"):
        config_of(tiny_hr, tmp_path, arms={"teacher": {}})


STUDY = """
import multiprocessing, sys, time
from concurrent.futures import ProcessPoolExecutor
from training.ablate import end_with_parent

def work(file):
    for beat in range(10_000):
        with open(file, "w") as out:
            out.write(str(beat))
        time.sleep(0.05)

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=end_with_parent) as pool:
        pool.submit(work, sys.argv[1]).result()
"""


def test_workers_end_with_a_study_that_is_killed(tmp_path):
    script, beat = tmp_path / "a_study.py", tmp_path / "beat"
    script.write_text(STUDY)
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.Popen([sys.executable, str(script), str(beat)], env=here)
    try:
        until(beat.exists)
    finally:
        killed.kill()
        killed.wait()

    def still() -> bool:
        before = beat.read_text()
        time.sleep(1)
        return beat.read_text() == before

    until(still)


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
