"""The accelerometer beside a PPG."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def from_start(acc: NDArray[Any], rate: float, start: float) -> NDArray[Any]:
    """Samples (k, 3) at `rate` Hz, the first `start` s after the PPG's first, from the PPG's first on.

    They are cut, or NaN before they began.
    """
    first = round(-start * rate)
    ahead = np.full((max(-first, 0), 3), np.nan)
    return np.concatenate([ahead, acc[max(first, 0) :]])
