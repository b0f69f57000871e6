"""The README's table is what the demo wrote, and nothing else on the page moves."""

import json

from training import readme

ANSWER = {"mae_bpm": {"value": 4.5, "95_percent_interval": [3.25, 5.75]}, "latency_ms": {"median": 0.018}}
SLOW = {**ANSWER, "latency_ms": {"median": 1.26}}
LEARNED = {"network": "gpt50k", "parameters": 52777, "bytes": 230080}
UNLEARNED = {"network": "no learning", "parameters": None, "bytes": None}
ROWS = [
    {"name": "spectral peak", **UNLEARNED, "python": SLOW, "core": None},
    {"name": "distilled", **LEARNED, "python": SLOW, "core": ANSWER},
]


def test_table_is_written_between_the_markers(tmp_path, monkeypatch):
    page = tmp_path / "README.md"
    page.write_text(f"above\n{readme.START}\nold\n{readme.END}\nbelow\n")
    numbers = tmp_path / "table.json"
    numbers.write_text(json.dumps({"rows": ROWS}))
    monkeypatch.setattr(readme, "README", page)
    readme.main(numbers)
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("above", "below")
    assert "old" not in lines
    assert "| distilled (gpt50k) | 52,777 | 230,080 | 4.50 (3.25 to 5.75) |" in lines[5]
    assert lines[5].endswith("| 1.3 ms | 18 µs |")
    assert lines[4].endswith("| - | - | 4.50 (3.25 to 5.75) | - | 1.3 ms | - |")
