"""Options, the races that the tests share, and what pytest-benchmark writes.

pytest-benchmark cannot interleave, so `benchmarks.timing` takes the samples and pytest-benchmark gets them
through a clock that only recorded calls move: its statistics, tables, comparisons and JSON work as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from benchmarks.machine import describe
from benchmarks.race import Entry, Result, race
from benchmarks.runtimes import NAMES


class RecordedClock:
    """A clock in seconds that only `advance` moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


CLOCK = RecordedClock()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ppgfast")
    group.addoption(
        "--rounds", type=int, default=100, help="rounds of a race (default 100; 10 for a quick look)"
    )
    group.addoption("--runtimes", default=",".join(NAMES), help="who races, separated by commas")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "ignore")  # the runtimes' own


def entry_of(item: pytest.Item) -> Entry | None:
    """The line of a table that a test measures, if that is what it does."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("entry") if callspec else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = {*config.getoption("--runtimes").split(","), "numpy"}
    if unknown := sorted(chosen - {*NAMES, "numpy"}):
        raise pytest.UsageError(f"--runtimes names {unknown[0]!r}, expected some of {', '.join(NAMES)}")
    others = [item for item in items if (entry := entry_of(item)) and entry.runtime not in chosen]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]
    for item in items:
        if "record" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=CLOCK))


@pytest.fixture(scope="session")
def rounds(pytestconfig: pytest.Config) -> int:
    return pytestconfig.getoption("--rounds")


@pytest.fixture(scope="session")
def chosen(request: pytest.FixtureRequest) -> set[Entry]:
    """Lines that this session measures: those of the tests that --runtimes, -k and the like leave."""
    return {entry for item in request.session.items if (entry := entry_of(item))}


@pytest.fixture(scope="session")
def run_race(chosen: set[Entry], rounds: int) -> Callable[..., Result]:
    """`run_race(entry, lines, ...)`: the entry's result in the race of all `lines`, which is run once."""
    finished: dict[tuple[Entry, ...], dict[Entry, Result]] = {}

    def result(entry: Entry, lines: Sequence[Entry], share: float = 1.0, **options: int) -> Result:
        key = tuple(line for line in lines if line in chosen)
        if key not in finished:
            finished[key] = race(key, max(1, round(rounds * share)), **options)
        return finished[key][entry]

    return result


@pytest.fixture
def record(benchmark: Any) -> Callable[..., None]:
    """`record(group, samples in ns, **extra)`: hands recorded samples to pytest-benchmark."""

    def hand_over(group: str, samples: Sequence[int], **extra: Any) -> None:
        benchmark.group = group
        benchmark.extra_info.update(extra)
        seconds = iter(np.asarray(samples) / 1e9)
        benchmark.pedantic(lambda: CLOCK.advance(next(seconds)), rounds=len(samples))

    return hand_over


@pytest.fixture
def record_entry(record: Callable[..., None]) -> Callable[..., None]:
    """`record_entry(group, entry, result)`: a line of a race, skipped or failed where it has no times."""

    def hand_over(group: str, entry: Entry, result: Result) -> None:
        if result.reason is not None:
            pytest.skip(result.reason)
        assert result.samples is not None, (
            f"{entry} is off by {result.error:.1e}: not the same model, not timed"
        )
        record(
            group,
            result.samples,
            runtime=entry.runtime,
            precision=entry.precision,
            **entry.case._asdict(),
            macs=entry.case.macs(),
            error=result.error,
            share_of_peak=result.share_of_peak,
            file_bytes=result.file_bytes,
        )

    return hand_over


def pytest_benchmark_generate_machine_info() -> dict[str, object]:
    return describe()


def pytest_benchmark_update_commit_info(commit_info: dict[str, Any]) -> None:
    for name in ("author_time", "project", "branch"):
        commit_info.pop(name, None)


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """In place of every sample: 101 percentiles in microseconds, which is what the plots and p99 need."""
    for line in output_json["benchmarks"]:
        samples = line["stats"].pop("data")
        percentiles = np.percentile(np.array(samples) * 1e6, np.arange(101))
        line["stats"]["percentiles_us"] = [float(f"{value:.5g}") for value in percentiles]
        line["params"] = None
        line.pop("options")
