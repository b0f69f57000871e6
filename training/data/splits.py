"""Splits by subject: index arrays over windows, and never a subject on two sides."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError


def subject_split(subjects: ArrayLike, fractions: Sequence[float], seed: int) -> list[NDArray[np.int64]]:
    """Indices of the windows of each part, e.g. train, validation and test for `fractions=(0.7, 0.15, 0.15)`.

    subjects: (n,) subject of each window. Subjects are drawn in an order given by `seed`, each goes to the
    part that lacks the largest share of its windows, and every part gets at least one subject.
    Raises DataError unless the fractions are positive and add up to 1, or with fewer subjects than parts.
    """
    share = np.asarray(fractions, dtype=np.float64)
    if share.ndim != 1 or not (share > 0).all() or abs(share.sum() - 1) > 1e-9:
        raise DataError(f"fractions {tuple(fractions)} must be positive and add up to 1")
    owner, counts = _subjects(subjects, len(share), "parts")
    rng = np.random.default_rng(seed)
    part = np.empty(len(counts), dtype=np.int64)
    filled = np.zeros(len(share))
    for subject in rng.permutation(len(counts)):
        # An empty part lacks all of its share, so no part stays empty.
        part[subject] = np.argmin(filled / share)
        filled[part[subject]] += counts[subject]
    return [np.flatnonzero(part[owner] == k) for k in range(len(share))]


def subject_folds(subjects: ArrayLike, n_folds: int, seed: int) -> list[NDArray[np.int64]]:
    """Indices of the windows of each of `n_folds` folds; with as many folds as subjects, leave one out.

    subjects: (n,) subject of each window. Subjects sorted by their number of windows are dealt out in rounds,
    one to each fold, shuffled within a round by `seed`: folds differ by at most one subject, and by at most
    the windows of the largest subject. Raises DataError with fewer than two folds or subjects than folds.
    """
    if n_folds < 2:
        raise DataError(f"n_folds = {n_folds} leaves nothing to train on: ask for at least 2")
    owner, counts = _subjects(subjects, n_folds, "folds")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order], kind="stable")]
    fold = np.empty(len(counts), dtype=np.int64)
    for start in range(0, len(order), n_folds):
        dealt = order[start : start + n_folds]
        fold[dealt] = rng.permutation(n_folds)[: len(dealt)]
    return [np.flatnonzero(fold[owner] == k) for k in range(n_folds)]


def _subjects(subjects: ArrayLike, needed: int, what: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number of each window's subject, 0 to S - 1, and the windows of each subject."""
    names = np.asarray(subjects)
    if names.ndim != 1:
        raise DataError(f"subjects have shape {names.shape}: give one subject per window, (n,)")
    _, owner, counts = np.unique(names, return_inverse=True, return_counts=True)
    if len(counts) < needed:
        raise DataError(f"{len(counts)} subjects cannot fill {needed} {what}: ask for fewer, or add subjects")
    return owner, counts
