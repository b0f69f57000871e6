"""What a microcontroller gets: the same model as a C array, packed, with the same bits."""

import re
import shutil
import subprocess

import numpy as np
import pytest

import ppgfast
from ppgfast import _core
from ppgfast import format as ppgf
from ppgfast.export_c import export_c, pack
from tests.python.test_model import MODELS

FILES = sorted(MODELS.glob("*.ppgf"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_packed_model_answers_with_the_same_bits(path):
    windows = ppgf.read(path).tensors["selftest.input"]
    original, packed = ppgfast.load(path), _core.open_in_place(pack(path), "scalar")
    np.testing.assert_array_equal(packed.predict(windows), original.predict(windows))
    if original.info["kind"] != "linear":
        np.testing.assert_array_equal(packed.embed(windows), original.embed(windows))
    assert packed.info["multiply_adds"] == original.info["multiply_adds"]
    assert packed.info["scratch_bytes"] <= ppgfast.load(path, isa="scalar").info["scratch_bytes"]


def test_multiply_adds_are_those_of_the_published_model():
    count = {path.stem: ppgfast.load(path).info["multiply_adds"] for path in FILES}
    assert count["v1.0_linear_f32"] == 15 * 2
    assert count["v1.0_mlp_f32"] == 36 * 21 + 21 * 2
    assert count["v1.0_gpt_f32"] == 5 * 7 * 24 + 2 * 6 * 12 * 24**2 + 6 * 24 * 3
    assert count["v1.0_gpt_acc_f32"] == 5 * 28 * 24 + 2 * 6 * 12 * 24**2 + 6 * 24 * 17
    # 45 samples -> 12 -> blocks at 6, 3 and 3 positions
    assert count["v1.0_tcn_f32"] == 12 * 10 * 9 + (6 + 3 + 3) * 2 * 10 * 30 + 10 * 2


def test_a_packed_file_is_refused_where_it_does_not_fit():
    packed = pack(MODELS / "v1.0_gpt_s8.ppgf")
    config, tensors = ppgf.loads(packed)
    name = next(name for name in tensors if name.startswith("packed."))
    isa = next((isa for isa, runs in ppgfast.cpu()["isas"].items() if runs and isa != "scalar"), None)

    def status(data, isa="scalar"):
        with pytest.raises(ppgfast.ModelFileError) as caught:
            _core.open_in_place(data, isa)
        return caught.value.status

    if isa:
        assert status(packed, isa) == "not_packed"
    assert status((MODELS / "v1.0_gpt_s8.ppgf").read_bytes()) == "not_packed"
    other_layout = {"packed.scalar.0": tensors[name]}
    assert status(ppgf.dumps(config, other_layout)) == "not_packed"
    assert status(ppgf.dumps(config, {**tensors, "sep": np.zeros(3, np.float32)})) == "not_packed"
    assert status(ppgf.dumps(config, {name: tensors[name][:-64]})) == "wrong_tensor_shape"
    assert status(packed[:-1]) == "truncated"
    assert status(packed[:200] + bytes([packed[200] ^ 1]) + packed[201:]) == "bad_body_crc"
    with pytest.raises(ppgfast.ModelFileError):
        ppgfast.load(packed)  # its weights are not those of a model file


def test_the_c_files_say_what_a_device_must_know(tmp_path):
    source, header = export_c(MODELS / "v1.0_tcn_s8.ppgf", tmp_path, name="tiny", selftest=1)
    defined = dict(re.findall(r"#define TINY_(\w+) (\S+)", header.read_text()))
    info = ppgfast.load(MODELS / "v1.0_tcn_s8.ppgf").info
    assert int(defined["WINDOW"]) == info["input"]["window"]
    assert int(defined["MACS"]) == info["multiply_adds"]
    assert "Random weights, for tests. µ" in header.read_text()
    numbers = np.array(re.findall(r"\b\d+\b", source.read_text().split("= {")[1]), int)
    data = numbers.astype(np.uint8).tobytes()
    assert len(data) == int(defined["FLASH_BYTES"])
    assert data == pack(MODELS / "v1.0_tcn_s8.ppgf", selftest=1)
    assert len(ppgf.loads(data).tensors["selftest.input"]) == 1
    assert "selftest.input" not in ppgf.loads(pack(MODELS / "v1.0_tcn_s8.ppgf", selftest=0)).tensors


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler here")
def test_the_c_files_compile_without_a_warning(tmp_path):
    source, _ = export_c(MODELS / "v1.0_linear_f32.ppgf", tmp_path)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c", "-o", str(tmp_path / "a.o")]
    subprocess.run(["cc", *flags, str(source)], check=True, timeout=60)


def test_bad_names_and_files(tmp_path):
    with pytest.raises(ValueError, match=r"name is '8bit', expected a C identifier"):
        export_c(MODELS / "v1.0_linear_f32.ppgf", tmp_path, name="8bit")
    with pytest.raises(ppgfast.ModelFileError, match=r"nothing\.ppgf.*check the path"):
        export_c(tmp_path / "nothing.ppgf", tmp_path)
    (tmp_path / "half.ppgf").write_bytes((MODELS / "v1.0_linear_f32.ppgf").read_bytes()[:100])
    with pytest.raises(ppgfast.ModelFileError):
        export_c(tmp_path / "half.ppgf", tmp_path)
    assert not list(tmp_path.glob("*.[ch]"))
