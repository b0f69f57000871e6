"""What the benchmark's numbers rest on: the same model for all, every sample kept, work counted right."""

import os

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import report
from benchmarks.cases import LATENCY, TEACHER, Case
from benchmarks.compare import interval, verdict
from benchmarks.model import answers, seeded
from benchmarks.results import Line, Results
from benchmarks.timing import interleave, pinned
from benchmarks.tuned import tuned


@pytest.mark.parametrize("case", [Case(8), Case(10, batch=3), Case(30)], ids=str)
def test_the_tuned_graph_is_the_same_model(case):
    windows = case.windows()
    with torch.inference_mode():
        outputs = tuned(case)(torch.from_numpy(windows)).numpy()
    np.testing.assert_allclose(outputs, answers(case, windows), rtol=0, atol=2e-6)


@pytest.mark.parametrize("case", [*LATENCY, TEACHER], ids=str)
def test_multiply_accumulates_are_what_torch_counts(case):
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        seeded(case)(torch.from_numpy(case.windows()))
    counted = counter.get_total_flops() / 2
    d, n_layers, tokens = (512, 6, 31) if case is TEACHER else (128, 5, case.n_patches + 1)
    above_diagonal = n_layers * d * tokens * (tokens - 1)  # torch computes it, then masks it
    assert case.macs() == counted - above_diagonal


def test_a_race_keeps_every_sample_of_everyone():
    calls = []

    def contestant(name, time):
        def run():
            calls.append(name)
            return time

        return run

    samples = interleave({"a": contestant("a", 1), "b": contestant("b", 2)}, rounds=4, warm=2, timed=3)
    assert samples["a"].tolist() == [1] * 12
    assert samples["b"].tolist() == [2] * 12
    rounds = [calls[i : i + 10] for i in range(0, 40, 10)]
    assert all(sorted(r) == ["a"] * 5 + ["b"] * 5 for r in rounds)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin a process")
def test_pinning_ends_with_its_block():
    before = os.sched_getaffinity(0)
    with pinned(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_a_comparison_tells_a_difference_from_noise():
    rng = np.random.default_rng(0)
    noise = np.exp(0.01 * rng.standard_normal(40))
    mean, low, high = interval(1.1 * noise)
    assert low < mean < high
    assert low < 1.1 < high
    assert verdict(low, high, 0.02) == "slower"
    assert verdict(*interval(noise)[1:], 0.02) == "same within 2%"
    assert verdict(*interval(0.9 * noise)[1:], 0.02) == "faster"
    assert verdict(0.95, 1.05, 0.02).startswith("unclear")


def test_a_hop_stands_beside_the_windows():
    lines = tuple(
        Line(
            "streaming",
            name,
            1e-6 * us,
            2e-6 * us,
            0.0,
            {"runtime": name, "precision": "s8", "macs": 100_896},
        )
        for name, us in (("window", 32.0), ("hop", 3.4))
    )
    table = report.TABLES["streaming"][1](Results({}, "", "", lines), "streaming").splitlines()
    assert table[-2] == "| **one hop of 2 s, `stream50k`** | int8 | 101 | 3.4 | 6.8 |"
    assert table[-1] == "| a window of 30 s, `stream50k` | int8 | 101 | 32.0 | 64.0 |"


def test_a_report_fills_its_markers_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.START}\nold\n{report.END}\nafter\n")
    assert report.replace_between(page, "new")
    assert page.read_text() == f"before\n{report.START}\nnew\n{report.END}\nafter\n"
    page.write_text("no markers\n")
    assert not report.replace_between(page, "new")
    assert page.read_text() == "no markers\n"
