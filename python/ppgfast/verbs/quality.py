"""The chance that the heart rate of a window is within 5 bpm of the truth: a logistic model of its features.

`training/quality.py` fits quality.json; docs/quality.md says on whom and how well it is calibrated.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .features import answer_features, features
from .signal import Floats, Signal
from .windows import Windows

FILE = Path(__file__).with_name("quality.json")


@cache
def coefficients() -> dict[str, Any]:
    """What quality.json holds: for "signal" and for "answer" the features' mean, scale and weights."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def quality(signal: Signal, windows: Windows, answers: Floats | None) -> Floats:
    """(n,), 0 to 1; 0 where a window is not whole.

    `answers` (n, 4) as `heart_rate` returns them; without them, or where the model tells no deviation, the
    signal alone is judged.
    """
    looks, rates = features(signal, windows)
    if answers is not None and np.isfinite(answers[:, 1]).any():
        return chance(np.column_stack([looks, answer_features(answers, rates, windows)]), "answer")
    return chance(looks, "signal")


def chance(given: Floats, of: str) -> Floats:
    """(n,) of features (n, k), `of` "signal" or "answer"; 0 where one is NaN."""
    fit = coefficients()[of]
    x = (given - np.asarray(fit["mean"])) / np.asarray(fit["scale"])
    log_odds = expanded(x) @ np.asarray(fit["weights"]) + fit["bias"]
    return np.where(np.isfinite(log_odds), 1.0 / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0))), 0.0)


def expanded(x: Floats) -> Floats:
    """Standardised features (n, k) and their squares, bounded: (n, 2 k)."""
    bounded = np.clip(x, -3.0, 3.0)
    return np.concatenate([bounded, bounded**2], axis=1)
