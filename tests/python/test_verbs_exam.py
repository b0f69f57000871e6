"""Every option of every verb matters, and what a verb was given stays as it was; none is left out."""

import inspect
import sys
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ppgfast
from tests.python.recordings import RATE as WRITTEN_RATE
from tests.python.recordings import WRITERS
from tests.python.test_verbs import MODELS, RATE
from tests.python.test_verbs_properties import DTYPES, KINDS, heard, signal

AF = MODELS / "v1.0_mlp_f32.ppgf"
VERBS = {
    name: getattr(ppgfast, name)
    for name in ppgfast.__all__
    if name.startswith("ppg_") and name not in ("ppg_plot", "ppg_report", "ppg_simulate")  # tested apart
}
OPTIONS = [
    (verb, name)
    for verb, function in VERBS.items()
    for name, parameter in inspect.signature(function).parameters.items()
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY
]


@pytest.fixture(scope="module")
def person():
    return ppgfast.ppg_simulate(duration=60, sampling_rate=RATE, seed=3, motion="gestures")


def outcome(found) -> str:
    """A result as text; the same text is the same result."""
    if isinstance(found, tuple):  # of ppg_process
        signals, info = found
        return outcome(signals) + outcome(info["windows"]) + repr(info.get("hrv"))
    if isinstance(found, ppgfast.Table):
        return "".join(column.dtype.str + repr(column.tolist()) for column in found.to_dict().values())
    return repr(found.tolist() if isinstance(found, np.ndarray) else found)


def asked(verb: str, ppg, **options) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ppgfast.SignalWarning)
        return outcome(VERBS[verb](ppg, **options))


@pytest.mark.parametrize(("verb", "name"), OPTIONS)
def test_every_option_of_every_verb_changes_the_result(person, verb, name):
    x, n = person.signal, len(person.signal)
    if name == "hrv":
        pytest.importorskip("neurokit2")
    both = np.stack([-x if verb == "ppg_check" else x, np.roll(x, n // 2)], axis=1)
    late = np.arange(n) / RATE + (np.arange(n) > n // 2) * 3.0
    usual = {"sampling_rate": RATE, "channel": 0}
    usual |= {"model": AF} if verb == "ppg_af" else {}
    moved = {"acc": 9.81 * person.acc, "acc_rate": person.acc_rate}  # the guard names the unit
    change = {
        "sampling_rate": {"sampling_rate": 4 * RATE if verb == "ppg_check" else 0.8 * RATE},
        "timestamps": {"sampling_rate": None, "timestamps": late / 4 if verb == "ppg_check" else late},
        "acc": moved,
        "acc_rate": {**moved, "acc_rate": person.acc_rate / 2},
        "acc_start": {**moved, "acc_start": 20.0},
        "model": {"model": "af-tcn5k-s8" if verb == "ppg_af" else "hr-gpt50k-s8"},
        "af_model": {"af_model": AF},
        "hop": {"hop": 4.0},
        "track": {"track": False},
        "min_quality": {"min_quality": 0.99},
        "hrv": {"hrv": True},
        "channel": {"channel": 1},
        "clip": {"clip": (-0.01, 0.01)},
        "worn": {"worn": (-0.01, 0.01)},
        "polarity": {"polarity": "inverted"},
        "low": {"low": 0.8},
        "high": {"high": 5.0},
        "order": {"order": 3},
        "min_interval": {"min_interval": 1.0},
    }[name]
    if name in ("acc_rate", "acc_start") and verb != "ppg_af":
        usual |= moved
    if name.startswith("acc") and verb == "ppg_af":  # no bundled model for fibrillation takes it
        with pytest.raises(ValueError, match="takes PPG alone"):
            asked(verb, both, **{**usual, **change})
        return
    given_ = [both, late, person.acc, moved["acc"]]
    before = [value.tobytes() for value in given_]
    assert asked(verb, both, **{**usual, **change}) != asked(verb, both, **usual)
    assert [value.tobytes() for value in given_] == before


def test_a_picture_leaves_its_tables_alone(person):
    pytest.importorskip("matplotlib")
    signals, info = ppgfast.ppg_process(person.signal, sampling_rate=RATE)
    before = outcome((signals, info))
    for part in ({}, {"start": 10.0}, {"end": 20.0}):
        ppgfast.ppg_plot(signals, info, **part)
    assert outcome((signals, info)) == before


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_verbs_and_tables_work_without_a_library_of_frames(person, monkeypatch, library):
    usual = asked("ppg_process", person.signal, sampling_rate=RATE)
    for name in ("pandas", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    assert asked("ppg_process", person.signal, sampling_rate=RATE) == usual
    table = ppgfast.ppg_rate(person.signal.tolist(), sampling_rate=RATE)
    assert len(list(table.rows())) == len(table.to_dict()["hr_bpm"]) == len(table)
    with pytest.raises(
        ModuleNotFoundError, match=rf"to_{library}\(\) needs {library}.*pip install {library}"
    ):
        getattr(table, f"to_{library}")()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    verb=st.sampled_from(("ppg_rate", "ppg_quality", "ppg_af", "ppg_peaks")),
    kind=st.sampled_from(KINDS),
    n=st.one_of(st.integers(0, 40), st.integers(0, 3000)),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 1000),
    holes=st.sampled_from(("", "nan", "inf")),
    shape=st.sampled_from(("column", "list", "two columns", "strided", "read-only")),
    acc=st.sampled_from((None, (0, 3), (1, 3), (700, 3), (3000, 3))),
    acc_rate=st.floats(10, 500),
    rate=st.floats(20, 500),
)
def test_any_signal_in_any_form_through_the_other_verbs(
    verb, kind, n, dtype, seed, holes, shape, acc, acc_rate, rate
):
    x = signal(kind, n, dtype, seed, holes)
    options = {"sampling_rate": rate} | ({"model": AF} if verb == "ppg_af" else {})
    if acc is not None and verb in ("ppg_rate", "ppg_quality"):
        motion = np.random.default_rng(seed).standard_normal(acc)
        motion[seed % 7 :: 97] = np.nan
        options |= {"acc": motion, "acc_rate": acc_rate}
    form = {
        "column": lambda: x[:, None],
        "list": x.tolist,
        "two columns": lambda: np.stack([x, x], axis=1),
        "strided": lambda: np.repeat(x, 2)[::2],
        "read-only": lambda: np.frombuffer(x.tobytes(), x.dtype),
    }[shape]
    if shape == "two columns":
        options["channel"] = 1
    if shape == "list" and n == 0:
        return
    table = heard(VERBS[verb], form(), **options)
    plain = heard(VERBS[verb], x, **{key: value for key, value in options.items() if key != "channel"})
    if shape != "list" or x.dtype != np.longdouble:
        assert outcome(table) == outcome(plain)


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_read_of_a_damaged_file_goes_through_the_verbs(name, tmp_path):
    path = WRITERS[name](tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(len(whole))
    for trial in range(1, 2 if name == "hdf5" else 7):  # whose reader starts a process
        damaged = np.frombuffer(whole, np.uint8)[: len(whole) - trial * 7].copy()
        damaged[rng.integers(0, len(damaged), size=trial)] ^= 1
        path.write_bytes(damaged.tobytes())
        try:
            got = ppgfast.read(path, sampling_rate=WRITTEN_RATE, max_bytes=64 << 20)
        except ppgfast.RecordingError:
            continue
        heard(ppgfast.ppg_process, got.signal, sampling_rate=got.sampling_rate, timestamps=got.timestamps)
