"""Loading and running models: the answers, and what is said of input that cannot be right."""

import copy
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ppgfast
from ppgfast import format as ppgf

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"
KINDS = tuple(
    f"{kind}_{precision}"
    for precision in ("f32", "s8")
    for kind in ("gpt", "papagei", "tcn", "mlp", "linear", "streamgpt")
)
ISAS = [isa for isa, supported in ppgfast.cpu()["isas"].items() if supported]


def path_of(kind: str) -> Path:
    return MODELS / f"v1.0_{kind}.ppgf"


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def gpt() -> ppgfast.Model:
    return ppgfast.load(path_of("gpt_f32"))


@pytest.mark.parametrize("isa", ISAS)
def test_stored_answers(kind, isa):
    tensors = ppgf.read(path_of(kind)).tensors
    model = ppgfast.load(path_of(kind), isa=isa)
    assert model.info["isa"] == isa
    np.testing.assert_array_equal(model.predict(tensors["selftest.input"]), tensors["selftest.output"])


def test_shapes_of_input_are_one_and_the_same(kind):
    model = ppgfast.load(path_of(kind))
    windows = ppgf.read(path_of(kind)).tensors["selftest.input"]
    B, N, P = windows.shape
    flat = windows.reshape(B, N * P)
    expected = model.predict(windows)
    assert expected.shape == (B, model.info["shape"]["n_outputs"])
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(model.predict(flat), expected)
    single = model.predict(np.ascontiguousarray(flat[2]))
    assert single.shape == expected.shape[1:]
    np.testing.assert_array_equal(single, expected[2])


@settings(max_examples=30, deadline=None)
@given(batch=st.integers(1, 200), row=st.integers(0, 199), seed=st.integers(0, 2**32 - 1))
def test_a_row_does_not_depend_on_its_batch(batch, row, seed):
    model = ppgfast.load(path_of("gpt_f32"))
    windows = np.random.default_rng(seed).standard_normal((batch, 35)).astype(np.float32)
    row %= batch
    np.testing.assert_array_equal(model.predict(windows)[row], model.predict(windows[row].copy()))


@pytest.mark.parametrize("isa", ISAS)
def test_embed(isa):
    windows = ppgf.read(path_of("gpt_f32")).tensors["selftest.input"]
    model = ppgfast.load(path_of("gpt_f32"), isa=isa)
    hidden = model.embed(windows)
    assert hidden.shape == (6, 6, 24)
    np.testing.assert_array_equal(hidden, ppgfast.load(path_of("gpt_f32"), isa="scalar").embed(windows))
    np.testing.assert_array_equal(model.embed(windows[0].ravel()), hidden[0])


@pytest.mark.parametrize(("kind", "width"), [("mlp", 21), ("papagei", 24), ("tcn", 10)])
@pytest.mark.parametrize("isa", ISAS)
def test_embed_gives_one_vector_where_there_are_no_tokens(kind, width, isa):
    windows = ppgf.read(path_of(f"{kind}_f32")).tensors["selftest.input"]
    model = ppgfast.load(path_of(f"{kind}_f32"), isa=isa)
    hidden = model.embed(windows)
    assert hidden.shape == (6, 1, width)
    assert model.info["shape"]["d_model"] == width
    np.testing.assert_array_equal(hidden, ppgfast.load(path_of(f"{kind}_f32"), isa="scalar").embed(windows))
    np.testing.assert_array_equal(model.embed(windows[1].ravel()), hidden[1])


def test_embed_gives_every_patch_of_a_streamgpt():
    windows = ppgf.read(path_of("streamgpt_f32")).tensors["selftest.input"]
    model = ppgfast.load(path_of("streamgpt_f32"))
    assert model.embed(windows).shape == (6, 5, 20)
    assert model.info["shape"] == {
        "n_outputs": 2,
        "n_patches": 5,
        "patch": 7,
        "d_model": 20,
        "reach": 3,
        "n_layers": 2,
        "n_heads": 2,
    }
    assert model.info["multiply_adds"] == 5 * (7 * 20 + 2 * 12 * 20**2) + 20 * 2


def test_a_linear_model_has_nothing_to_embed():
    with pytest.raises(ValueError, match="no hidden states: use predict"):
        ppgfast.load(path_of("linear_f32")).embed(np.zeros((1, 15), np.float32))


def test_out_receives_the_result(gpt):
    windows = np.random.default_rng(0).random((4, 35), np.float32)
    out = np.full((4, 3), np.nan, np.float32)
    assert gpt.predict(windows, out=out) is out
    np.testing.assert_array_equal(out, gpt.predict(windows))


def test_input_is_left_alone(kind):
    model = ppgfast.load(path_of(kind))
    windows = np.random.default_rng(0).random((4, model.info["input"]["window"]), np.float32)
    windows.flags.writeable = False
    before = windows.copy()
    model.predict(windows)
    np.testing.assert_array_equal(windows, before)


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(1, 90), threads=st.integers(1, 12))
def test_threads_do_not_change_a_bit(batch, threads):
    model = ppgfast.load(path_of("gpt_s8"))
    windows = np.random.default_rng(batch).random((batch, 35), np.float32)
    np.testing.assert_array_equal(model.predict(windows, threads=threads), model.predict(windows))
    np.testing.assert_array_equal(model.embed(windows, threads=threads), model.embed(windows))


@pytest.mark.parametrize("threads", [0, -1, 1025])
def test_bad_number_of_threads(gpt, threads):
    with pytest.raises(ValueError, match=f"threads is {threads}, expected 1 to 1024"):
        gpt.predict(windows(), threads=threads)


def test_softmax_gives_probabilities():
    windows = np.random.default_rng(0).random((20, 36), np.float32)
    probabilities = ppgfast.load(path_of("mlp_f32")).predict(windows)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert probabilities.min() >= 0.0


@given(gain=st.floats(0.01, 1e4), shift=st.floats(-1e3, 1e3))
@settings(max_examples=50, deadline=None)
def test_scaling_removes_gain_and_offset(gain, shift):
    model = ppgfast.load(path_of("gpt_f32"))  # minmax
    x = np.random.default_rng(0).random(35)
    plain = model.predict(x.astype(np.float32))
    np.testing.assert_allclose(
        model.predict((gain * x + shift).astype(np.float32)), plain, rtol=0.02, atol=0.5
    )


def test_a_flat_window_is_finite(kind):
    model = ppgfast.load(path_of(kind))
    assert np.isfinite(model.predict(np.full(model.info["input"]["window"], 3.0, np.float32))).all()


def test_threads_share_a_model(gpt):
    windows = np.random.default_rng(0).random((64, 35), np.float32)
    expected = gpt.predict(windows)
    with ThreadPoolExecutor(8) as pool:
        for got in pool.map(gpt.predict, [windows] * 64):
            np.testing.assert_array_equal(got, expected)


def test_info_states_the_contract(gpt):
    info = gpt.info
    assert (info["kind"], info["precision"]) == ("gpt", "f32")
    assert info["shape"]["d_model"] == 24
    assert info["input"] == {
        "sampling_rate": 40.0,
        "window": 35,
        "channels": 1,
        "hop": 7,
        "polarity": 1,
        "scaling": "minmax",
        "filter": (0.5, 8.0, 3),
    }
    assert info["output"] == {"task": "hr", "units": "bpm", "mean": 75.0, "std": 20.0, "activation": "none"}
    tensors = ppgf.read(path_of("gpt_f32")).tensors
    weights = [value for name, value in tensors.items() if not name.startswith(("note", "selftest."))]
    assert info["parameters"] == sum(value.size for value in weights)
    assert info["note"] == "Random weights, for tests. µ"
    assert repr(gpt) == f"<ppgfast.Model gpt task=hr window=35 isa={info['isa']}>"


def test_info_tells_every_shape():
    shape = ppgfast.load(path_of("papagei_s8")).info["shape"]
    assert shape == {
        "n_outputs": 2, "n_patches": 3, "patch": 4, "d_model": 24,
        "n_blocks": 9, "base_filters": 6, "d_classifier": 10,
    }  # fmt: skip
    shape = ppgfast.load(path_of("tcn_f32")).info["shape"]
    assert shape == {"n_outputs": 2, "n_patches": 5, "patch": 9, "d_model": 10, "n_blocks": 3}


def windows(batch: int = 2) -> np.ndarray:
    return np.ones((batch, 35), np.float32)


def with_value(value: float) -> np.ndarray:
    x = windows()
    x[1, 7] = value
    return x


BAD_WINDOWS = {
    "float64": (windows().astype(np.float64), TypeError, r"dtype float64.*windows\.astype\(np\.float32\)"),
    "int16": (windows().astype(np.int16), TypeError, r"dtype int16.*astype"),
    "big_endian": (windows().astype(">f4"), TypeError, r"dtype >f4.*astype"),
    "object": (windows().astype(object), TypeError, r"dtype object.*astype"),
    "list": ([0.0] * 35, TypeError, r"is a list.*np\.asarray"),
    "none": (None, TypeError, r"is a NoneType"),
    "wrong_length": (
        np.ones((2, 36), np.float32),
        ValueError,
        r"\(2, 36\).*35 samples \(0\.875 s at 40 Hz\)",
    ),
    "one_window_too_short": (
        np.ones(34, np.float32),
        ValueError,
        r"\(34,\).*\(35,\), \(B, 35\) or \(B, 5, 7\)",
    ),
    "patches_swapped": (np.ones((2, 7, 5), np.float32), ValueError, r"\(2, 7, 5\)"),
    "rank_0": (np.array(1.0, np.float32), ValueError, r"shape \(\)"),
    "rank_4": (np.ones((1, 1, 5, 7), np.float32), ValueError, r"\(1, 1, 5, 7\)"),
    "empty_batch": (windows(0), ValueError, r"\(0, 35\).*batch is empty"),
    "nan": (with_value(np.nan), ValueError, r"windows\[1, 7\] is nan.*fill the gaps"),
    "infinity": (with_value(np.inf), ValueError, r"windows\[1, 7\] is inf"),
    "minus_infinity": (with_value(-np.inf), ValueError, r"windows\[1, 7\] is -inf"),
    "strided": (np.ones((2, 70), np.float32)[:, ::2], ValueError, r"not contiguous.*np\.ascontiguousarray"),
    "transposed": (np.asfortranarray(windows()), ValueError, r"not contiguous"),
    "unaligned": (np.frombuffer(bytes(141), np.uint8)[1:].view(np.float32), ValueError, r"not contiguous"),
}


@pytest.mark.parametrize("case", BAD_WINDOWS)
def test_bad_windows(gpt, case):
    bad, error, message = BAD_WINDOWS[case]
    for method in (gpt.predict, gpt.embed):
        with pytest.raises(error, match=message):
            method(bad)


def test_the_place_of_a_nan_in_three_dimensions(gpt):
    x = np.ones((4, 5, 7), np.float32)
    x[3, 2, 6] = np.nan
    with pytest.raises(ValueError, match=r"windows\[3, 2, 6\] is nan"):
        gpt.predict(x)


def test_finite_extremes_pass(gpt):
    x = windows()
    x[0, :] = np.float32(3e38) * np.sign(np.sin(np.arange(35)))
    assert gpt.predict(x).shape == (2, 3)


BAD_OUT = {
    "shape": (np.zeros((2, 4), np.float32), ValueError, r"out has shape \(2, 4\), expected \(2, 3\)"),
    "dtype": (np.zeros((2, 3)), TypeError, r"out has dtype float64"),
    "strided": (np.zeros((2, 6), np.float32)[:, ::2], ValueError, r"out is not contiguous"),
    "list": ([0.0], TypeError, r"out is a list"),
}


@pytest.mark.parametrize("case", BAD_OUT)
def test_bad_out(gpt, case):
    bad, error, message = BAD_OUT[case]
    with pytest.raises(error, match=message):
        gpt.predict(windows(), out=bad)


def test_out_must_be_writeable_and_apart(gpt):
    frozen = np.zeros((2, 3), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        gpt.predict(windows(), out=frozen)
    shared = np.zeros(2 * 35, np.float32)
    with pytest.raises(ValueError, match="shares memory"):
        gpt.predict(shared.reshape(2, 35), out=shared[10:16].reshape(2, 3))


def test_load_refuses_what_is_no_path():
    for bad in (None, 3, object()):
        with pytest.raises(TypeError, match="expected a path"):
            ppgfast.load(bad)


def test_a_name_that_is_no_model_leads_to_those_that_are():
    for name in ("hr-tcn5k", "hr-tcn5k-s9", "hr-tcn5k-s8.pgf"):
        with pytest.raises(ppgfast.ModelFileError, match=r"did you mean 'hr-tcn5k-s8'\? ppgfast\.models\(\)"):
            ppgfast.load(name)
    with pytest.raises(ppgfast.ModelFileError, match="or give a bundled model: ppgfast"):
        ppgfast.load("xyz")
    with pytest.raises(ppgfast.ModelFileError, match=r"no file at this path: check the path$"):
        ppgfast.load("runs/hr-tcn5k-s8")


def test_a_copy_of_a_model_is_the_model(gpt):
    assert copy.copy(gpt) is gpt
    assert copy.deepcopy({"model": gpt})["model"] is gpt


@pytest.mark.parametrize("way", ["path", "bytes", "name"])
def test_a_pickled_model_answers_as_before(way, tmp_path):
    file = tmp_path / "model.ppgf"
    file.write_bytes(path_of("gpt_f32").read_bytes())
    source = {"path": file, "bytes": file.read_bytes(), "name": "hr-tcn5k-s8"}[way]
    model = ppgfast.load(source, isa="scalar")
    stored = pickle.dumps(model)
    file.unlink()  # a pickle is whole
    again = pickle.loads(stored)
    assert again.info == model.info
    x = np.random.default_rng(0).standard_normal((3, model.info["input"]["window"]), np.float32)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert pickle.loads(pickle.dumps(again)).info == model.info


def test_a_model_goes_to_another_process(gpt):
    x = np.random.default_rng(0).standard_normal((3, 35), np.float32)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        np.testing.assert_array_equal(pool.submit(gpt.predict, x).result(), gpt.predict(x))


def test_a_file_that_has_changed_is_not_pickled_as_the_model(tmp_path):
    file = tmp_path / "model.ppgf"
    file.write_bytes(path_of("gpt_f32").read_bytes())
    model = ppgfast.load(file)
    file.write_bytes(path_of("gpt_s8").read_bytes())
    with pytest.raises(ValueError, match=r"model\.ppgf has changed since the model was loaded"):
        pickle.dumps(model)


def test_isa_is_chosen_by_argument_then_environment():
    code = "import sys, ppgfast; print(ppgfast.cpu()['selected'], ppgfast.load(sys.argv[1]).info['isa'])"
    command = [sys.executable, "-c", code, str(path_of("linear_f32"))]
    environment = {**os.environ, "PPGFAST_FORCE_ISA": "scalar"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["scalar", "scalar"]
    assert ppgfast.load(path_of("linear_f32"), isa="scalar").info["isa"] == "scalar"
    with pytest.raises(ValueError, match=r"isa 'sse9'.*no kernel table.*scalar"):
        ppgfast.load(path_of("linear_f32"), isa="sse9")
    run = subprocess.run(
        command, env={**environment, "PPGFAST_FORCE_ISA": "sse9"}, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "isa 'sse9'" in run.stderr
