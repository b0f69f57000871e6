"""The model file: what one reader writes both readers read, and both name the same fault."""

import hashlib
import os
import random
import runpy
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from ppgfast import ModelFileError, _core
from ppgfast import format as ppgf

DATA = Path(__file__).resolve().parents[1] / "data"
MAKE = runpy.run_path(str(DATA / "make_ppgf.py"))
GOLDEN = sorted(DATA.glob("golden/*.ppgf")) + sorted(DATA.glob("models/*.ppgf"))
MALFORMED = sorted(DATA.glob("malformed/*.ppgf"))
STATUSES = [name for name, _, _ in _core.statuses()]
RELEASED = {  # what was once written must open for ever: add files, never change one
    "v1.0_smallest": "5acc9ab4f9efe465271121885f8619be1e14b5262ca179678b8f44d43a36fe72",
    "v1.0_types": "4030d8b37d0242c7d8fcf246af262b91ebee8e8e419109f299e99ee6da6eec09",
}
FILE_STATUSES = set(STATUSES[: STATUSES.index("unknown_model_kind")]) - {"ok"}

names = st.text("abcxyz0189._", min_size=1, max_size=47)
numbers = st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False, allow_infinity=False)
dtypes = st.sampled_from([dtype for code in ppgf.DTYPES for dtype in (code, code.replace("<", ">"))])
shapes = st_numpy.array_shapes(min_dims=1, max_dims=4, max_side=5)
arrays = st.tuples(dtypes, shapes).flatmap(lambda ds: st_numpy.arrays(*ds))
contents = st.tuples(st.dictionaries(names, numbers, max_size=5), st.dictionaries(names, arrays, max_size=5))


def ids(paths: list[Path]) -> dict:
    return {"argvalues": paths, "ids": [path.stem for path in paths]}


def verdict_of_python(data: bytes) -> tuple[str, int, str]:
    try:
        ppgf.loads(data)
    except ModelFileError as error:
        return error.status, error.offset, error.name
    return "ok", 0, ""


def verdict_of_cpp(data: bytes) -> tuple[str, int, str]:
    """What the core says about the bytes; what it says about their meaning comes later and counts as ok."""
    try:
        _core.open_bytes(data, "scalar")
    except ModelFileError as error:
        if error.status in FILE_STATUSES:
            return error.status, error.offset, error.name
    return "ok", 0, ""


# Writing and reading back.


@given(contents)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read(content):
    config, tensors = content
    data = ppgf.dumps(config, tensors)
    got = ppgf.loads(data)
    assert {k: struct.pack("<d", v) if isinstance(v, float) else v for k, v in config.items()} == {
        k: struct.pack("<d", v) if isinstance(v, float) else v for k, v in got.config.items()
    }
    assert got.tensors.keys() == tensors.keys()
    for name, array in got.tensors.items():
        assert array.dtype == tensors[name].dtype.newbyteorder("<")
        assert array.shape == tensors[name].shape
        assert array.tobytes() == tensors[name].astype(array.dtype).tobytes()
    assert verdict_of_cpp(data) == ("ok", 0, "")
    # One valid sequence of bytes for one content, whatever the order it was given in.
    assert ppgf.dumps(got.config, got.tensors) == data
    assert ppgf.dumps(dict(reversed(config.items())), dict(reversed(tensors.items()))) == data


def test_numpy_numbers_and_strided_arrays_are_welcome():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)[::2]
    got = ppgf.loads(ppgf.dumps({"i": np.int16(-3), "f": np.float32(0.25)}, {"x": array}))
    assert got.config == {"i": -3, "f": 0.25}
    assert [type(value) for value in got.config.values()] == [float, int]
    np.testing.assert_array_equal(got.tensors["x"], array)


def test_arrays_that_were_read_cannot_be_changed():
    array = ppgf.loads(ppgf.dumps({}, {"x": np.ones(2, np.float32)})).tensors["x"]
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 2


@pytest.mark.parametrize("path", **ids(GOLDEN))
def test_golden_files_are_read_and_written_to_the_byte(path):
    data = path.read_bytes()
    content = ppgf.read(path)
    assert ppgf.dumps(content.config, content.tensors) == data
    assert ppgf.read(data).config == content.config
    assert verdict_of_cpp(data) == ("ok", 0, "")


def test_golden_files_have_the_bytes_that_were_released():
    hashes = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in DATA.glob("golden/*.ppgf")}
    assert hashes == RELEASED


def test_the_files_in_the_repository_are_those_that_the_script_writes():
    made = MAKE["all_files"]()
    assert {name: (DATA / name).read_bytes() for name in made} == made
    kept = {
        f"{path.parent.name}/{path.name}"
        for folder in ("golden", "malformed")
        for path in (DATA / folder).iterdir()
    }
    assert kept == made.keys()


@pytest.mark.parametrize(
    ("config", "tensors", "error", "message"),
    [
        ({"Rate": 1}, {}, ValueError, "the name 'Rate' must be 1 to 47 characters of a-z, 0-9"),
        ({}, {"a" * 48: np.ones(1, np.float32)}, ValueError, "must be 1 to 47 characters"),
        ({"": 1}, {}, ValueError, "the name '' must be"),
        ({3: 1}, {}, ValueError, "the name 3 must be"),
        ({"a": float("nan")}, {}, ValueError, "config 'a' is nan: it must be finite"),
        ({"a": 1 << 63}, {}, ValueError, "config 'a' is 9223372036854775808: it must fit into 64 bits"),
        ({"a": True}, {}, TypeError, "config 'a' is of type bool: it must be int or float"),
        ({"a": "40 Hz"}, {}, TypeError, "config 'a' is of type str: it must be int or float"),
        ({}, {"w": np.ones(2)}, TypeError, "tensor 'w' is float64: convert it to uint8, int8, float16"),
        ({}, {"w": np.array(["x"])}, TypeError, "tensor 'w' is <U1: convert it"),
        (
            {},
            {"w": np.float32(1)},
            ValueError,
            r"tensor 'w' has the shape \(\): 1 to 4 dimensions, none empty",
        ),
        ({}, {"w": np.ones((1, 1, 1, 1, 1), np.float32)}, ValueError, "1 to 4 dimensions"),
        ({}, {"w": np.ones((3, 0), np.float32)}, ValueError, r"has the shape \(3, 0\)"),
        (
            {f"c{i}": i for i in range(257)},
            {},
            ValueError,
            "257 configs do not fit into one file: at most 256",
        ),
        ({}, {f"t{i}": np.ones(1, np.uint8) for i in range(4097)}, ValueError, "4097 tensors do not fit"),
    ],
)
def test_what_cannot_be_stored_is_named(config, tensors, error, message):
    with pytest.raises(error, match=message):
        ppgf.dumps(config, tensors)


# Damaged and foreign files.


@pytest.mark.parametrize("path", **ids(MALFORMED))
def test_malformed_files_have_their_own_status(path):
    _, offset, name = MAKE["malformed"]()[path.stem]
    expected = path.name.split(".")[0], offset, name
    assert verdict_of_python(path.read_bytes()) == expected
    assert verdict_of_cpp(path.read_bytes()) == expected
    with pytest.raises(ModelFileError) as caught:
        ppgf.read(path)
    found, fix = next(texts for key, *texts in _core.statuses() if key == caught.value.status)
    assert str(caught.value).startswith(f"{path}: {found}")
    assert str(caught.value).endswith(f": {fix}")


def test_the_message_says_where():
    def message(*about):
        return str(ppgf.model_file_error("m.ppgf", *about))

    assert message("bad_dims", 88, "x.y").startswith(
        "m.ppgf: a tensor has an empty, unused or overflowing dim"
    )
    assert " (x.y at byte 88): write " in message("bad_dims", 88, "x.y")
    assert " (at byte 60): the file is damaged: copy it again" in message("bad_header_crc", 60)
    assert " (model.kind): " in message("missing_config", 0, "model.kind")
    assert message("file_empty") == "m.ppgf: the file is empty: copy it again"


def test_every_truncation_and_flipped_bit_is_rejected():
    data = (DATA / "golden/v1.0_types.ppgf").read_bytes()
    for size in range(len(data)):
        assert verdict_of_python(data[:size])[:2] == ("truncated" if size else "file_empty", size)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert verdict_of_python(bytes(flipped))[0] != "ok", bit


def damaged(seeds: list[bytes], dice: random.Random) -> bytes:
    """A file with random damage in its fields, mostly with the checksums put right again."""
    data = bytearray(dice.choice(seeds))
    extremes = (
        0,
        1,
        2,
        5,
        63,
        64,
        255,
        256,
        257,
        4097,
        (1 << 31) - 1,
        1 << 31,
        1 << 32,
        1 << 63,
        (1 << 64) - 1,
    )
    for _ in range(dice.randrange(4)):
        at = dice.choice((dice.randrange(len(data)), dice.randrange(0, len(data), 8)))
        width = dice.choice((1, 2, 4, 8))
        value = dice.choice((dice.choice(extremes), dice.getrandbits(64), len(data), data[at] ^ 1, ord("a")))
        kind = dice.randrange(8)
        if kind == 0:
            del data[at : at + dice.choice((1, 64, 96))]
        elif kind == 1:
            data[at:at] = bytes(dice.choice((1, 64, 96)))
        else:
            data[at : at + width] = value.to_bytes(16, "little")[:width]
    return MAKE["sealed"](bytes(data)) if len(data) > 64 and dice.random() < 0.9 else bytes(data)


def test_two_readers_give_the_same_verdict_on_damaged_files():
    seeds = [path.read_bytes() for path in GOLDEN + MALFORMED if 64 < path.stat().st_size < 2000]
    dice = random.Random(7)
    seen: dict[str, int] = {}
    for _ in range(20_000):
        data = damaged(seeds, dice)
        verdict = verdict_of_python(data)
        assert verdict == verdict_of_cpp(data), data.hex()
        seen[verdict[0]] = seen.get(verdict[0], 0) + 1
    assert seen.keys() >= {
        status for status in FILE_STATUSES if status.startswith(("bad_", "trunc", "trail"))
    }
    assert seen["ok"] > 200


def test_two_readers_agree_on_what_looks_like_another_format():
    seeds = [*MAKE["impostors"]().values(), b" " * 1019 + b"<html>", b" " * 1020 + b"<html>"]
    for seed in seeds:
        for size in range(len(seed)):
            assert verdict_of_python(seed[:size]) == verdict_of_cpp(seed[:size])
        for at in range(min(len(seed), 16)):
            for byte in (0, 1, 2, 5, 6, 10, 13, 18, 32, 58, 63, 64, 65, 97, 123, 128, 255):
                data = seed[:at] + bytes([byte]) + seed[at + 1 :]
                assert verdict_of_python(data) == verdict_of_cpp(data), data
    assert verdict_of_python(seeds[-2])[0] == "not_ppgf_html"
    assert verdict_of_python(seeds[-1])[0] == "not_ppgf"  # beyond the 1024 bytes that are looked at


# Files that are no files.


@pytest.mark.parametrize(
    "read", [ppgf.read, lambda path: _core.open_file(str(path), None)], ids=["python", "cpp"]
)
def test_paths_that_cannot_be_read_are_named(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_bytes(b"")
    with (tmp_path / "large").open("wb") as large:
        large.truncate((1 << 30) + 1)  # sparse: takes no room on the disk
    expected = {
        tmp_path / "absent": "file_not_found",
        tmp_path / "file" / "below": "file_not_found",
        tmp_path / ("x" * 300): "file_not_found",
        tmp_path: "file_is_directory",
        tmp_path / "pipe": "file_not_regular",
        Path("/dev/zero"): "file_not_regular",
        tmp_path / "loop": "file_unreadable",
        tmp_path / "large": "file_too_large",
        tmp_path / "file": "file_empty",
    }
    for path, status in expected.items():
        with pytest.raises(ModelFileError) as caught:
            read(path)
        assert caught.value.status == status
        assert str(caught.value).startswith(f"{path}: ")


def test_a_failing_or_shrinking_file_is_named(monkeypatch):
    path = DATA / "golden/v1.0_types.ppgf"

    class Disk:
        def __init__(self, ends_after):
            self.ends_after = ends_after

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, size):
            if self.ends_after is None:
                raise OSError("input/output error")
            return path.read_bytes()[: min(size, self.ends_after)]

    for ends_after, status, offset in ((None, "file_unreadable", 0), (100, "truncated", 100)):
        monkeypatch.setattr(os, "fdopen", lambda *_, n=ends_after, **__: Disk(n))
        with pytest.raises(ModelFileError) as caught:
            ppgf.read(path)
        assert (caught.value.status, caught.value.offset) == (status, offset)


# The writer.


def test_write_replaces_the_file_and_follows_links(tmp_path):
    target, link = tmp_path / "m.ppgf", tmp_path / "link.ppgf"
    link.symlink_to(target)
    for value in (1, 2):
        ppgf.write(link, {"a": value}, {})
        assert ppgf.read(target).config == {"a": value}
    assert link.is_symlink()
    assert sorted(tmp_path.iterdir()) == [link, target]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "m.ppgf"
    ppgf.write(target, {"a": 1}, {})

    def no_room(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="no space"):
        ppgf.write(target, {"a": 2}, {})
    with pytest.raises(ValueError, match="must be"):
        ppgf.write(target, {"A": 2}, {})
    assert ppgf.read(target).config == {"a": 1}
    assert list(tmp_path.iterdir()) == [target]


KILLED = """
import os, pathlib, signal, sys
from ppgfast import format as ppgf
path, call, before = sys.argv[1], sys.argv[2], sys.argv[3] == "before"
owner = {"fsync": os, "replace": pathlib.Path}[call]
real = getattr(owner, call)
def dying(*args):
    if not before:
        real(*args)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, call, dying)
ppgf.write(path, {"a": 2}, {})
"""


@pytest.mark.parametrize(
    ("call", "when", "value"),
    [("fsync", "before", 1), ("fsync", "after", 1), ("replace", "before", 1), ("replace", "after", 2)],
)
def test_a_killed_writer_leaves_the_old_file_or_the_new_one(call, when, value, tmp_path):
    target = tmp_path / "m.ppgf"
    ppgf.write(target, {"a": 1}, {})
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), call, when], check=False)
    assert done.returncode == -signal.SIGKILL
    assert ppgf.read(target).config == {"a": value}
