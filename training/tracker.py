"""A causal tracker of heart rate over windows: the reference of `ppgfast.track`.

Each window gives a distribution p_t over the bins. The belief follows the forward filter of a hidden Markov
model:

    belief_t(k)  is proportional to  p_t(k)^WEIGHT * sum_j step(j, k) * belief_{t-1}(j)
    step(j, k) = (1 - leak) * laplace(j, k) + leak / K
    laplace(j, k)  is proportional to  exp(-|rate_j - rate_k| / width),  each row summing to 1
    width = WIDTH * sqrt(hop / 2 s),  leak = 1 - (1 - LEAK)^(hop / 2 s)

with a uniform belief before the first window. WEIGHT is below 1 because windows overlap: four in a row share
samples, so their evidence is counted in part. A window without a valid distribution (NaN) adds no evidence,
the belief spreads by one step. The constants were chosen on validation subjects of simulated treadmill runs
and of CinC2015, apart from all that is reported.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

WEIGHT = 0.5  # exponent of a window's distribution
WIDTH = 6.0  # bpm, scale of the change of heart rate in 2 s
LEAK = 0.002  # chance, in 2 s, of a heart rate that has nothing to do with the last one
HOP = 2.0  # s, to which WIDTH and LEAK refer
LOWEST, STEP = 30.0, 2.0  # bpm, of the bins by default
TINY = 1e-6  # evidence no bin falls below: a window that is wrong and certain can be overruled


def summary(p: ArrayLike, lowest: float = LOWEST, step: float = STEP) -> NDArray[np.float64]:
    """Median and standard deviation, in bpm, of distributions (n, K): (n, 2); NaN where one is not finite.

    Bin k is the interval of width `step` around lowest + step * k; the median is linear inside its bin.
    """
    given: NDArray[np.float64] = np.asarray(p, dtype=np.float64)
    chance = given / given.sum(-1, keepdims=True)
    rate = lowest + step * np.arange(chance.shape[-1])
    upper = chance.cumsum(-1)  # (n, K) probability below the bin's upper edge
    k = (upper >= 0.5).argmax(-1)[..., None]  # the median's bin
    inside = np.take_along_axis(chance, k, -1)
    share = (0.5 - (np.take_along_axis(upper, k, -1) - inside)) / inside  # of the bin, from its lower edge
    median = rate[k[..., 0]] + step * (share[..., 0] - 0.5)
    mean = chance @ rate
    variance = (chance * np.square(rate - mean[..., None])).sum(-1)
    return np.stack((median, np.sqrt(variance)), -1)


def transition(
    n: int, hop: float, step: float = STEP, width: float = WIDTH, leak: float = LEAK
) -> NDArray[np.float64]:
    """Chances (K, K) of going from bin j to bin k in `hop` s."""
    k = np.arange(n)
    laplace = np.exp(-np.abs(k[:, None] - k) * step / (width * np.sqrt(hop / HOP)))
    laplace /= laplace.sum(1, keepdims=True)
    leak = 1 - (1 - leak) ** (hop / HOP)
    return (1 - leak) * laplace + leak / n


def beliefs(
    p: ArrayLike,
    hop: float = HOP,
    step: float = STEP,
    *,
    weight: float = WEIGHT,
    width: float = WIDTH,
    leak: float = LEAK,
) -> NDArray[np.float64]:
    """Belief (n, K) after each of the windows p (n, K), which follow each other every `hop` s."""
    p = np.asarray(p, dtype=np.float64)
    if p.ndim != 2 or not p.shape[1]:
        raise ValueError(f"distributions have shape {p.shape}, expected (windows, bins)")
    if not hop > 0:
        raise ValueError(f"hop is {hop}, expected seconds above 0")
    moves = transition(p.shape[1], hop, step, width, leak)
    belief = np.full(p.shape[1], 1 / p.shape[1])
    followed = np.empty_like(p)
    for t, window in enumerate(p):
        belief = belief @ moves
        if np.isfinite(window).all():
            belief = belief * np.maximum(window, TINY) ** weight
        belief = belief / belief.sum()
        followed[t] = belief
    return followed


def track(
    p: ArrayLike, hop: float = HOP, lowest: float = LOWEST, step: float = STEP, **constants: float
) -> NDArray[np.float64]:
    """Heart rate and its standard deviation in bpm (n, 2) of windows p (n, K), each from those up to it.

    constants: `weight`, `width` and `leak` in place of the module's own.
    """
    return summary(beliefs(p, hop, step, **constants), lowest, step)
