"""Any signal, type, shape and rate through every verb: no crash, no hang, no warning that is not ours."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import ppgfast

MODEL = ppgfast.load("hr-tcn5k-s8")
DTYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g")
KINDS = ("noise", "sine", "walk", "flat", "steps", "spikes", "huge", "tiny")


def signal(kind: str, n: int, dtype: str, seed: int, holes: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    x = {
        "noise": rng.standard_normal(n),
        "sine": np.sin(t * rng.uniform(0.001, 3.0)),
        "walk": np.cumsum(rng.standard_normal(n)),
        "flat": np.full(n, rng.uniform(-5, 5)),
        "steps": np.repeat(rng.standard_normal(n // 30 + 1), 30)[:n],
        "spikes": (rng.uniform(size=n) > 0.99) * 100.0,
        "huge": rng.standard_normal(n) * 1e300,
        "tiny": rng.standard_normal(n) * 1e-300,
    }[kind]
    if np.dtype(dtype).kind in "iu":
        x = np.clip(np.nan_to_num(x * 20 + 50), 0, 120)
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    if holes and x.dtype.kind == "f":
        x[rng.uniform(size=n) > 0.98] = float(holes)
    return x


def heard(verb, *args, **options):
    """The result; any warning but ours is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ppgfast.SignalWarning)
        return verb(*args, **options)


def sound(table) -> None:
    assert ((table["quality"] >= 0) & (table["quality"] <= 1)).all()
    np.testing.assert_array_equal(table["valid"], table["reason"] == "ok")
    answered = np.isin(table["reason"], ("ok", "low_confidence"))
    np.testing.assert_array_equal(np.isfinite(table["hr_bpm"]), answered)
    rates = table["hr_bpm"][answered]
    assert ((rates >= 29) & (rates <= 221)).all()
    assert (table["hr_lo"][answered] <= table["hr_hi"][answered]).all()


everything = {
    "kind": st.sampled_from(KINDS),
    "n": st.one_of(st.integers(0, 40), st.integers(0, 3000)),
    "dtype": st.sampled_from(DTYPES),
    "seed": st.integers(0, 1000),
    "holes": st.sampled_from(("", "nan", "inf", "-inf")),
    "polarity": st.sampled_from(("upright", "inverted", "auto")),
}


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(rate=st.one_of(st.sampled_from((20.0, 25, 64, 125, 4000)), st.floats(20, 4000)), **everything)
@example(rate=64, kind="noise", n=0, dtype="f8", seed=0, holes="", polarity="auto")
@example(rate=20, kind="sine", n=161, dtype="f4", seed=0, holes="", polarity="auto")
@example(rate=64, kind="noise", n=2000, dtype="f8", seed=0, holes="inf", polarity="auto")
def test_any_signal_at_any_rate(rate, kind, n, dtype, seed, holes, polarity):
    x = signal(kind, n, dtype, seed, holes)
    before = x.tobytes()
    options = {"sampling_rate": rate, "polarity": polarity}
    signals, info = heard(ppgfast.ppg_process, x, model=MODEL, **options)
    sound(info["windows"])
    assert len(signals) == n
    assert set(np.unique(signals["PPG_Peaks"])) <= {0, 1}
    peaks = info["peaks"]
    assert (np.diff(peaks["t"]) > 0).all()
    assert ((peaks["sample"] >= 0) & (peaks["sample"] < max(n, 1))).all()
    assert heard(ppgfast.ppg_clean, x, high=6.0, order=8, **options).shape == (n,)
    assert all(isinstance(found, ppgfast.Finding) for found in heard(ppgfast.ppg_check, x, **options))
    assert x.tobytes() == before


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rate=st.floats(20.5, 500),
    jitter=st.floats(0, 0.4),
    gaps=st.integers(0, 5),
    length=st.floats(0, 100),
    **everything,
)
def test_any_time_stamps(rate, jitter, gaps, length, kind, n, dtype, seed, holes, polarity):
    n = max(n, 2)
    x = signal(kind, n, dtype, seed, holes)
    rng = np.random.default_rng(seed)
    steps = (1 + jitter * rng.uniform(-1, 1, n)) / rate
    steps[rng.integers(0, n, gaps)] += length
    stamps = np.cumsum(steps)
    options = {"timestamps": stamps, "polarity": polarity}
    try:
        signals, info = heard(ppgfast.ppg_process, x, model=MODEL, **options)
    except ValueError as error:
        said = str(error)
    else:
        sound(info["windows"])
        assert len(signals) == n
        assert (np.diff(info["peaks"]["t"]) > 0).all()
        return
    assert "timestamps" in said  # few samples, whose steps tell another rate


@settings(max_examples=60, deadline=None)
@given(
    given=st.one_of(
        st.none(),
        st.text(max_size=3),
        st.integers(-5, 5),
        st.lists(st.one_of(st.floats(), st.none(), st.text(max_size=2)), max_size=5),
        st.lists(st.lists(st.floats(), max_size=3), max_size=3),
        st.dictionaries(st.text(max_size=1), st.floats(), max_size=2),
    ),
    name=st.sampled_from(
        (
            "ppg",
            "sampling_rate",
            "timestamps",
            "acc",
            "acc_rate",
            "model",
            "hop",
            "channel",
            "clip",
            "worn",
            "polarity",
        )
    ),
)
def test_anything_for_any_option_is_an_answer_or_says_what_is_wrong(given, name):
    options = {"ppg": np.zeros(640), "sampling_rate": 64.0, name: given}
    if name == "timestamps":
        del options["sampling_rate"]
    said = "nothing was wrong"
    try:
        heard(ppgfast.ppg_rate, options.pop("ppg"), **options)
    except (TypeError, ValueError) as error:
        said = str(error)
    assert len(said) > 15


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 319, 320, 321])
@pytest.mark.parametrize("rate", [20, 40])
def test_the_shortest_signals(n, rate):
    x = np.sin(np.arange(n) / 5.0)
    _, info = heard(ppgfast.ppg_process, x, sampling_rate=rate)
    assert len(info["windows"]) == max(0, (n * 40 // rate - 320) // 80 + 1)
