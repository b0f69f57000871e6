"""Configs: precedence, unknown keys, wrong values, the files that ship."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import config as configs
from training.ablate import jobs_of, settings, teachers_named
from training.cli import VERBS
from training.config import ConfigError, DistillConfig, FinetuneConfig

SHIPPED = sorted((Path(configs.__file__).parent / "configs").glob("*.toml"))
NEEDED = {"data": ["d"], "out": "o"}


def load(text: str, tmp_path: Path, *settings: str, **flags) -> FinetuneConfig:
    file = tmp_path / "c.toml"
    file.write_text(text)
    return configs.load(FinetuneConfig, "finetune", [file], settings, {**NEEDED, **flags}, VERBS)


def test_files_beat_defaults_settings_beat_files_flags_beat_settings(tmp_path):
    text = "[finetune]\nseed = 3\n[finetune.optimiser]\nbatch = 7\nepochs = 5\n[distill]\nseed = 9\n"
    found = load(text, tmp_path, "optimiser.epochs=6", "seed=4", seed=5)
    assert (found.optimiser.batch, found.optimiser.epochs, found.seed) == (7, 6, 5)
    assert found.optimiser.patience == 20
    assert load(text, tmp_path, seed=None).seed == 3


def test_later_files_win_key_by_key(tmp_path):
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text("[finetune.optimiser]\nbatch = 7\nepochs = 5\n")
    second.write_text("[finetune.optimiser]\nepochs = 2\n")
    found = configs.load(FinetuneConfig, "finetune", [first, second], (), NEEDED, VERBS)
    assert (found.optimiser.batch, found.optimiser.epochs) == (7, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["optimiser.epoch=3"], r"--set: unknown key 'optimiser\.epoch'; did you mean 'optimiser\.epochs'\?"),
        (["epochs=3"], r"did you mean 'optimiser\.epochs'"),
        (["zzz=3"], r"unknown key 'zzz'; known: data, out, seed"),
        (
            ["optimiser.batch=0"],
            r"'optimiser\.batch': Input should be greater than or equal to 1 \(found 0\)",
        ),
        (["optimiser.batch=many"], r"'optimiser\.batch': Input should be a valid integer.*\(found 'many'\)"),
        (["split.validation=0.6", "split.test=0.5"], r"'split': validation \+ test leave no subject"),
        (["split.folds=3", "split.fold=3"], r"need folds >= 2 and fold < folds"),
        (["scaling=log"], r"'scaling': Input should be 'none', 'minmax' or 'zscore'"),
        (["seed"], r"--set seed: expected key=value"),
    ],
)
def test_wrong_settings_name_the_key_and_the_fix(tmp_path, settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load("", tmp_path, *settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[finetune]\nsede = 1\n", r"c\.toml: \[finetune\]: unknown key 'sede'; did you mean 'seed'"),
        (
            "[distill.taps]\nstudnet = 'last'\n",
            r"\[distill\]: unknown key 'taps\.studnet'; did you mean 'taps\.student'",
        ),
        ("[finetun]\nseed = 1\n", r"'finetun' is not a table of a verb; known: ablate, distill, evaluate"),
        ("seed = 1\n", r"'seed' is not a table of a verb"),
        ("[finetune\n", r"c\.toml: not a TOML file"),
    ],
)
def test_wrong_files_are_refused_even_in_tables_of_other_verbs(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load(text, tmp_path)


def test_a_missing_file_and_a_missing_key_say_what_to_give(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot read this config file: No such file"):
        configs.load(FinetuneConfig, "finetune", [Path("nowhere.toml")], (), NEEDED, VERBS)
    with pytest.raises(ConfigError, match=r"'teacher' is not set \(run folder.*; give --set teacher="):
        configs.load(DistillConfig, "distill", (), (), NEEDED, VERBS)


@given(value=st.one_of(st.integers(-(10**9), 10**9), st.booleans(), st.floats(1e-6, 1e6)))
def test_settings_are_read_as_toml(value):
    text = str(value).lower()
    assert configs.parse_override(f"a.b = {text}") == ("a.b", value)


def test_words_and_paths_need_no_quotes():
    assert configs.parse_override("teacher=runs/a=b") == ("teacher", "runs/a=b")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_files_give_configs(file):
    required = {**NEEDED, "teacher": "t", "dataset": "bidmc", "source": "s", "model": "m", "study": "s"}
    tables = configs.read_file(file, VERBS)
    assert tables
    for verb in tables:
        kind = VERBS[verb]
        missing = [key for key, field in kind.model_fields.items() if field.is_required()]
        flags = {key: required[key] for key in missing if key not in tables[verb]}
        behind = [file.with_name("ablate_teachers.toml")] if file.stem == "ablate_details" else []
        config = configs.load(kind, verb, [*behind, file], (), flags, VERBS)
        if isinstance(config, configs.AblateConfig):
            assert all(settings(config, job).seed == job.seed for job in jobs_of(config))


def test_more_arms_join_a_study_and_keep_what_it_has():
    base, more = [SHIPPED[0].with_name(f"ablate_{name}.toml") for name in ("teachers", "details")]
    alone, together = (
        configs.load(configs.AblateConfig, "ablate", files, (), NEEDED, VERBS)
        for files in ([base], [base, more])
    )
    assert together.study == alone.study
    before = {job.name: configs.digest(settings(alone, job)) for job in jobs_of(alone)}
    after = {job.name: configs.digest(settings(together, job)) for job in jobs_of(together)}
    assert before.items() < after.items()
    students = [job for job in jobs_of(together) if job.seed == 0 and not job.is_teacher]
    each = {(teachers_named(together, job), after[job.name]) for job in students}
    assert len(each) == len(students)  # none repeats another


def test_the_defaults_are_the_published_schedule():
    optimiser = FinetuneConfig(**NEEDED).optimiser
    assert (optimiser.start, optimiser.learning_rate, optimiser.end) == (1e-5, 1e-3, 1e-6)
    assert (optimiser.warmup, optimiser.batch, optimiser.epochs, optimiser.patience) == (0.25, 64, 120, 20)
    teacher = configs.load(
        FinetuneConfig, "finetune", [SHIPPED[0].with_name("teacher.toml")], (), NEEDED, VERBS
    )
    assert (teacher.model.name, teacher.optimiser.batch, teacher.optimiser.epochs) == ("gpt19m", 32, 100)


def test_the_hash_tells_results_apart_but_not_places():
    base = FinetuneConfig(**NEEDED)
    assert configs.digest(base) == configs.digest(FinetuneConfig(data=["e"], out="p", device="cpu"))
    assert configs.digest(base) != configs.digest(FinetuneConfig(**NEEDED, seed=1))


def test_the_hash_leaves_out_what_is_left_at_its_default():
    class Later(FinetuneConfig):
        added: int = 3
        listed: tuple[int, ...] = ()

    base = FinetuneConfig(**NEEDED, optimiser={"epochs": 5}, model={"overrides": {"depth": 2}})
    given = base.model_dump()
    assert configs.digest(Later(**given)) == configs.digest(base)
    assert configs.digest(Later(**given, added=4)) != configs.digest(base)


def test_an_empty_table_clears_what_a_file_before_it_said(tmp_path):
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text("[finetune.model]\nname = 'gpt50k'\noverrides = { d_model = 16 }\n")
    second.write_text("[finetune.model]\nname = 'mlp'\noverrides = {}\n")
    found = configs.load(FinetuneConfig, "finetune", [first, second], (), NEEDED, VERBS)
    assert (found.model.name, found.model.overrides) == ("mlp", {})
