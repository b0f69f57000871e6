"""Reads a result file: pytest-benchmark's JSON with our names in `extra_info`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cases import ROOT

RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class Line:
    """One benchmark."""

    group: str
    name: str
    minimum: float  # s
    median: float
    p99: float
    extra: dict[str, Any]

    @property
    def runtime(self) -> str:
        return self.extra.get("runtime", self.name)

    @property
    def precision(self) -> str:
        return self.extra.get("precision", "")


@dataclass(frozen=True)
class Results:
    machine: dict[str, Any]
    commit: str
    date: str  # YYYY-MM-DD
    lines: tuple[Line, ...]

    def group(self, name: str) -> list[Line]:
        """Lines of a group, the fastest first; float32 before int8."""
        found = [line for line in self.lines if line.group == name]
        return sorted(found, key=lambda line: (line.precision, line.minimum))

    def groups(self) -> list[str]:
        """Names of the groups, in the order they were measured."""
        return list(dict.fromkeys(line.group for line in self.lines))


def read(path: Path) -> Results:
    """The results in a file."""
    document = json.loads(path.read_text())
    lines = []
    for item in document["benchmarks"]:
        stats = item["stats"]
        p99 = stats["percentiles_us"][99] / 1e6
        line = Line(item["group"], item["name"], stats["min"], stats["median"], p99, item["extra_info"])
        lines.append(line)
    commit = document["commit_info"]
    name = commit["id"][:8] + (" with changes" if commit.get("dirty") else "")
    return Results(document["machine_info"], name, document["datetime"][:10], tuple(lines))


def latest() -> Path:
    """The newest result file of the repository."""
    found = sorted(RESULTS.glob("*-????-??-??.json"), key=lambda path: (path.stem[-10:], path.stem))
    if not found:
        raise FileNotFoundError(f"no results in {RESULTS.relative_to(ROOT)}: run make bench first")
    return found[-1]
