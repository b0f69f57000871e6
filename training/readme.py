"""The README's table from a run of the demo: `python -m training.readme [results/demo/table.json]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from training.progress import write_atomically

README = Path(__file__).resolve().parents[1] / "README.md"
START, END = "<!-- demo:start -->", "<!-- demo:end -->"


def cell(answer: dict[str, Any] | None) -> tuple[str, str]:
    """Error with its interval, and the time of one window."""
    if answer is None:
        return "-", "-"
    low, high = answer["mae_bpm"]["95_percent_interval"]
    milliseconds = answer["latency_ms"]["median"]
    time = f"{1000 * milliseconds:.0f} µs" if milliseconds < 1 else f"{milliseconds:.1f} ms"
    return f"{answer['mae_bpm']['value']:.2f} ({low:.2f} to {high:.2f})", time


def table(written: dict[str, Any]) -> str:
    """Markdown: a row per contender."""
    lines = [
        "| | parameters | file | error in torch | error in C++ | time in torch | time in C++ |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in written["rows"]:
        size = [f"{row[key]:,}" if row[key] else "-" for key in ("parameters", "bytes")]
        error_torch, time_torch = cell(row["python"])
        error_core, time_core = cell(row["core"])
        name = f"{row['name']} ({row['network']})"
        lines.append(f"| {' | '.join([name, *size, error_torch, error_core, time_torch, time_core])} |")
    return "\n".join(lines)


def main(path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    made = f"{before}{START}\n{table(json.loads(path.read_text()))}\n{END}{after}"
    write_atomically(README, lambda file: file.write(made.encode()))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/demo/table.json"))
