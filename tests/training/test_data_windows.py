"""Prepared sets: saved, loaded, cut and joined without loss."""

import json

import numpy as np
import pytest

from training.data import DataError, WindowSet, concatenate, load
from training.data.windows import count


def make(dataset="one", n=6, length=80, acc=True, activities=None, **changes):
    rng = np.random.default_rng(n)
    label = rng.uniform(50, 150, n).astype(np.float32)
    label[1] = np.nan
    subject = np.arange(n, dtype=np.int32) % 2
    manifest = {
        "dataset": dataset,
        "task": "hr",
        "sampling_rate": 40.0,
        "window": length,
        "hop": 80,
        "filter": {"low": 0.5, "high": 8.0, "order": 2},
        "polarity": 1,
        "units": {"label": "bpm", "ppg": "arbitrary"},
        "licence": "none",
        "citation": f"{dataset} et al.",
        "source": {"sha256": dataset},
        "config": {},
        "dropped": {"missing": 1, "flat": 0},
        "subjects": ["a", "b"],
        "records": ["r"],
        "activities": activities or {},
        "counts": count(label, subject, ["a", "b"]),
    }
    return WindowSet(
        ppg=rng.normal(size=(n, length)).astype(np.float32),
        acc=rng.normal(size=(n, 3, length)).astype(np.float32) if acc else None,
        label=label,
        subject=subject,
        t_start=np.arange(n) * 2.0,
        record=np.zeros(n, np.int32),
        activity=np.arange(n, dtype=np.int16) % 2 if activities else None,
        manifest={**manifest, **changes},
    )


def assert_equal(a, b):
    assert a.arrays().keys() == b.arrays().keys()
    for name, value in a.arrays().items():
        np.testing.assert_array_equal(value, b.arrays()[name])


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("acc", [True, False])
def test_what_is_saved_is_loaded(tmp_path, mmap, acc):
    windows = make(acc=acc, activities={"0": "rest", "1": "walk"})
    windows.save(tmp_path / "set")
    again = load(tmp_path / "set", mmap=mmap)
    assert_equal(windows, again)
    assert isinstance(again.ppg, np.memmap) is mmap
    assert again.manifest == {"format_version": 1, **windows.manifest}
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_set_is_replaced_as_a_whole(tmp_path):
    make(acc=True).save(tmp_path / "set")
    make(acc=False).save(tmp_path / "set")
    assert load(tmp_path / "set").acc is None
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_other_folders_are_never_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="no prepared data set"):
        make().save(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_subset_keeps_order_and_counts():
    windows = make()
    part = windows.subset([4, 1, 0])
    np.testing.assert_array_equal(part.t_start, [8, 2, 0])
    assert part.manifest["counts"]["per_subject"] == {
        "a": {"windows": 2, "labelled": 2},
        "b": {"windows": 1, "labelled": 0},
    }
    assert windows.manifest["counts"]["windows"] == 6
    np.testing.assert_array_equal(part.labelled, [0, 2])


def test_0_1_labels_are_counted_as_classes():
    counts = count(np.array([0, 1, 1, np.nan], np.float32), np.array([0, 0, 1, 1]), ["a", "b"])
    assert counts["positive"] == 2
    assert counts["per_subject"]["b"] == {"windows": 2, "labelled": 1, "positive": 1}


def test_sets_of_one_data_set_share_subjects_others_do_not():
    both = concatenate([make("one"), make("one")])
    assert both.manifest["subjects"] == ["a", "b"]
    mixed = concatenate([make("one"), make("two", n=4)])
    assert mixed.manifest["subjects"] == ["one/a", "one/b", "two/a", "two/b"]
    assert mixed.manifest["counts"]["per_subject"]["two/b"]["windows"] == 2
    np.testing.assert_array_equal(mixed.subject[6:], [2, 3, 2, 3])
    np.testing.assert_array_equal(mixed.ppg[6:], make("two", n=4).ppg)
    assert mixed.manifest["dropped"] == {"missing": 2, "flat": 0}


def test_activities_are_joined_by_name():
    joined = concatenate(
        [make(activities={"0": "rest", "1": "walk"}), make(activities={"0": "walk", "1": "run"}), make()]
    )
    names = [joined.manifest["activities"].get(str(code), "unknown") for code in joined.activity]
    assert names == ["rest", "walk"] * 3 + ["walk", "run"] * 3 + ["unknown"] * 6


@pytest.mark.parametrize(
    "change", [{"sampling_rate": 50.0}, {"task": "af"}, {"polarity": -1}, {"filter": {}}]
)
def test_sets_with_another_contract_are_not_joined(change):
    with pytest.raises(DataError, match=f"{next(iter(change))}.*same config"):
        concatenate([make(), make("two", **change)])


def test_sets_for_several_tasks_join_where_labels_do_not_count():
    joined = concatenate([make("one"), make("two", task="af")], any_task=True)
    assert joined.manifest["task"] == joined.manifest["units"]["label"] == "none"
    np.testing.assert_array_equal(joined.label[len(make("one")) :], make("two", task="af").label)


def test_a_set_without_labels_joins_any_task():
    silent = make("two", task="none", units={"label": "none", "ppg": "arbitrary"})
    for joined in (concatenate([make("one"), silent]), concatenate([silent, make("one")])):
        assert joined.manifest["task"] == "hr"
        assert joined.manifest["units"]["label"] == "bpm"
    assert silent.manifest["task"] == "none"
    with pytest.raises(DataError, match="two has task 'hr', three has 'af'"):
        concatenate([silent, make("one"), make("three", task="af")])


def test_joining_needs_sets_with_the_same_channels():
    with pytest.raises(DataError, match="only one has an accelerometer"):
        concatenate([make("one"), make("two", acc=False)])
    with pytest.raises(DataError, match="at least one"):
        concatenate([])


def test_arrays_that_do_not_fit_are_refused():
    windows = make()
    with pytest.raises(DataError, match=r"label is float64 \(6,\), expected float32"):
        WindowSet(**{**windows.arrays(), "label": windows.label.astype(float)}, manifest=windows.manifest)
    with pytest.raises(DataError, match=r"subject is int32 \(5,\)"):
        WindowSet(**{**windows.arrays(), "subject": windows.subject[:5]}, manifest=windows.manifest)


def test_damaged_folders_are_named(tmp_path):
    with pytest.raises(DataError, match=r"holds no manifest\.json"):
        load(tmp_path)
    make().save(tmp_path / "set")
    path = tmp_path / "set" / "ppg.npy"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match=r"ppg\.npy is missing or damaged"):
        load(tmp_path / "set")
    path.unlink()
    with pytest.raises(DataError, match=r"ppg\.npy is missing or damaged"):
        load(tmp_path / "set")


def test_damaged_manifests_are_named(tmp_path):
    make().save(tmp_path / "set")
    path = tmp_path / "set" / "manifest.json"
    text = path.read_text()
    for damage in (text[:50], "[]", json.dumps({"format_version": 2})):
        path.write_text(damage)
        with pytest.raises(DataError, match="prepare the data set again"):
            load(tmp_path / "set")
