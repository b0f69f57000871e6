"""The numbers of 64-bit ARM: the loop that is modelled, the gate, and the page that shows what is kept."""

import json

import pytest

from benchmarks import results
from benchmarks.arm.__main__ import FILE, PAGE, read, tables, verdicts
from benchmarks.arm.counts import Count
from benchmarks.arm.loops import Loop, inner_loop, multiply_adds

LISTING = """
Disassembly of section .text:

0000000000000000 <void other(int)>:
   0:\tfmla\tv0.4s, v1.4s, v2.s[0]
   4:\tfmla\tv0.4s, v1.4s, v2.s[0]
   8:\tb.ne\t0 <void other(int)>  // b.any

0000000000000010 <void linear_block<5>(float const*)>:
  10:\tmov\tx0, #0x4                   \t// #4
  14:\tldr\tq0, [x1]
  18:\tfmla\tv3.4s, v0.4s, v4.s[1]
  1c:\tsdot\tv5.4s, v0.16b, v4.4b[2]
  20:\tcmp\tx0, x2
  24:\tb.cs\t14 <void linear_block<5>(float const*)+0x4>  // b.hs, b.nlast
  28:\tfmadd\ts0, s1, s2, s3
  2c:\tcbnz\tx3, 28 <void linear_block<5>(float const*)+0x18>
  30:\tb.ne\t10 <void linear_block<5>(float const*)>  // b.any
  34:\tret
"""


def test_the_loop_is_the_innermost_one_with_most_multiply_adds():
    body = inner_loop(LISTING, "linear_block<5>(")
    assert [line.split("\t")[0] for line in body] == ["ldr", "fmla", "sdot", "cmp", "b.cs"]
    assert multiply_adds(body) == 20


def test_widening_products_count_eight():
    lines = ["smull\tv0.8h, v1.8b, v2.8b", "smlal2\tv0.8h, v1.16b, v2.16b", "smull\tx0, w1, w2"]
    assert multiply_adds(lines) == 16


def test_a_kernel_that_is_gone_is_said():
    with pytest.raises(RuntimeError, match=r"no loop of multiply-adds in 'linear_block<6>\('"):
        inner_loop(LISTING, "linear_block<6>(")


@pytest.mark.parametrize(("instructions", "held"), [(1050, True), (1051, False), (10, True)])
def test_five_percent_more_is_a_failure(instructions, held):
    count = Count("gpt1m", 8, "f32", "neon", 4000, instructions)
    ((text, verdict),) = verdicts([count], {"gpt1m N=8 f32 neon": 1000})
    assert verdict is held
    assert text.startswith("gpt1m N=8 f32 neon:")


def test_a_number_that_nobody_kept_is_a_failure():
    ((text, verdict),) = verdicts([Loop("linear_s8", "neon", "cortex-a53", 320, 99.5)], {})
    assert not verdict
    assert "--update" in text


def test_the_page_shows_what_is_kept():
    document = json.loads(FILE.read_text())
    page = PAGE.read_text()
    shown = [key for key in document if f"\n{key}. One window:" in page]
    assert len(shown) == 1
    kept = read(document[shown[0]])
    counted = [item for item in kept if isinstance(item, Count)]
    modelled = [item for item in kept if isinstance(item, Loop)]
    assert tables(shown[0], counted, modelled) in page


def test_these_numbers_are_no_race(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(results, "ROOT", tmp_path)
    race = tmp_path / "some-cpu-2026-01-31.json"
    race.touch()
    (tmp_path / "arm.json").touch()
    assert results.latest() == race
