"""The sizes of firmware: what is read from the logs, and the gate."""

import json

import pytest

from benchmarks import hardware
from benchmarks.hardware import FILE, PAGE, runs, sizes, stream_table, verdicts, window_table

LOG = """test 1
      Start  1: hr_tiny_s8
1: mve instructions 1000
1: scalar instructions 4000
test 2
      Start  2: stream_tiny
2: scalar init 9000000
2: scalar second 32000
2: scalar answer 64000
   text\t   data\t    bss\t    dec\t    hex\tfilename
  20000\t    480\t   1568\t  22048\t   5620\tbuild/mcu/m55/tcn/cpp/apps/mcu/hr_tiny_s8
  30000\t      0\t   2048\t  32048\t   7d30\tbuild/mcu/m55/tcn/cpp/apps/mcu/stream_tiny
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "m55").mkdir()
    (tmp_path / "m55" / "tcn.txt").write_text(LOG)
    for name in ("hr_tiny_s8", "stream_tiny"):
        (tmp_path / "models" / f"{name}.h").write_text("#define TINY_MACS 134000  // multiply-adds\n")
    return tmp_path


def test_a_run_is_read_with_its_sizes(folder, monkeypatch):
    monkeypatch.setattr(hardware, "version", lambda compiler: f"{compiler} 1")
    found = runs(folder)
    assert [(run.model, run.kernels, run.is_stream) for run in found] == [
        ("hr_tiny_s8", "mve", False),
        ("hr_tiny_s8", "scalar", False),
        ("stream_tiny", "scalar", True),
    ]
    assert (found[0].flash, found[0].ram, found[0].macs) == (20480, 2048, 134000)
    ((compiler, firmware),) = sizes(found, folder / "none").items()
    assert compiler == "arm-none-eabi-g++ 1"
    assert firmware["Cortex-M55 stream_tiny flash"] == 30000
    assert "| Cortex-M55 | mve | hr-tiny-s8 | 20.0 | 2.0 | 134 |" in window_table(found)
    assert "| Cortex-M55 | scalar | hr-tiny-s8 | 29.3 | 2.0 | 9.0 | 32 | 0.06 | 0.1 % |" in stream_table(
        found
    )


@pytest.mark.parametrize(("size", "held"), [(1030, True), (1031, False), (10, True)])
def test_three_percent_more_is_a_failure(size, held):
    ((text, verdict),) = verdicts({"a": size}, {"a": 1000})
    assert verdict is held
    assert text.startswith("a: ")


def test_a_size_that_nobody_kept_is_a_failure():
    ((text, held),) = verdicts({"a": 1}, {})
    assert not held
    assert "nothing committed" in text


def test_the_page_shows_what_is_kept():
    page = PAGE.read_text()
    kept = {name: size for sizes in json.loads(FILE.read_text()).values() for name, size in sizes.items()}
    for name, size in kept.items():
        if name.endswith(" flash"):
            core, model = name.removesuffix(" flash").split(" ", 1)
            model = model.replace("stream_", "hr-") + "-s8" if "stream_" in model else model.replace("_", "-")
            assert any(
                line.startswith(f"| {core} |") and f"| {model} | {size / 1024:.1f} |" in line
                for line in page.splitlines()
            ), name
    assert kept["ppgfast-run aarch64"] < 1_500_000
