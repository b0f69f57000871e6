"""No subject on two sides, every window on one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data import DataError, subject_folds, subject_split

# Windows of each subject, in any order of windows.
owners = st.lists(st.integers(1, 30), min_size=3, max_size=25).flatmap(
    lambda counts: st.permutations(np.repeat(np.arange(len(counts)) * 7 - 3, counts).tolist())
)
seeds = st.integers(0, 2**32 - 1)


def assert_partition(parts, subjects):
    subjects = np.asarray(subjects)
    together = np.concatenate(parts)
    assert sorted(together) == list(range(len(subjects)))
    sides = [set(subjects[part]) for part in parts]
    assert all(sides)
    assert sum(len(side) for side in sides) == len(set(subjects))


@given(owners, st.sampled_from([(0.7, 0.15, 0.15), (0.5, 0.5), (0.98, 0.01, 0.01)]), seeds)
def test_split_is_by_subject_complete_and_repeatable(subjects, fractions, seed):
    parts = subject_split(subjects, fractions, seed)
    assert_partition(parts, subjects)
    for part, again in zip(parts, subject_split(subjects, fractions, seed), strict=True):
        np.testing.assert_array_equal(part, again)


@given(owners, st.integers(2, 8), seeds)
def test_folds_are_by_subject_complete_balanced_and_repeatable(subjects, n_folds, seed):
    _, counts = np.unique(subjects, return_counts=True)
    n_folds = min(n_folds, len(counts))
    folds = subject_folds(subjects, n_folds, seed)
    assert_partition(folds, subjects)
    sizes = [len(fold) for fold in folds]
    assert max(sizes) - min(sizes) <= counts.max()
    for fold, again in zip(folds, subject_folds(subjects, n_folds, seed), strict=True):
        np.testing.assert_array_equal(fold, again)


def test_fractions_are_met():
    subjects = np.repeat(np.arange(200), 10)
    sizes = [len(part) / len(subjects) for part in subject_split(subjects, (0.7, 0.2, 0.1), 0)]
    np.testing.assert_allclose(sizes, (0.7, 0.2, 0.1), atol=0.01)


def test_seeds_matter():
    subjects = np.repeat(np.arange(40), np.arange(40) + 1)
    for split in (
        lambda seed: subject_split(subjects, (0.5, 0.5), seed),
        lambda s: subject_folds(subjects, 4, s),
    ):
        assert not np.array_equal(split(0)[0], split(1)[0])


def test_as_many_folds_as_subjects_leave_one_out():
    assert [len(fold) for fold in subject_folds([5, 5, 9, 2], 3, 0)].count(1) == 2


def test_names_may_be_text():
    assert_partition(subject_split(["a", "b", "a", "c"], (0.5, 0.5), 0), ["a", "b", "a", "c"])


@pytest.mark.parametrize("fractions", [(0.5, 0.4), (1.5, -0.5), (), (0.5, 0.5, 0)])
def test_fractions_must_add_up(fractions):
    with pytest.raises(DataError, match="add up to 1"):
        subject_split([0, 1, 2, 3], fractions, 0)


def test_too_few_subjects():
    with pytest.raises(DataError, match="2 subjects cannot fill 3 parts"):
        subject_split([0, 0, 1], (0.5, 0.3, 0.2), 0)
    with pytest.raises(DataError, match="2 subjects cannot fill 3 folds"):
        subject_folds([0, 0, 1], 3, 0)
    with pytest.raises(DataError, match="at least 2"):
        subject_folds([0, 0, 1], 1, 0)
    with pytest.raises(DataError, match="one subject per window"):
        subject_folds([[0], [1]], 2, 0)
