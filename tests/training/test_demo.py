"""The demo from end to end, much smaller than the quick one: what it shows must be complete and true."""

import io
import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

import ppgfast
from training import demo, report
from training.config import ModelConfig, Optimiser
from training.data.simulated import SimulateConfig
from training.inputs import open_windows, subjects_of

PLAN = replace(
    demo.QUICK,
    people=SimulateConfig(subjects=10, seconds=60),
    teacher=ModelConfig(name="gpt50k"),
    optimiser=Optimiser(batch=32, epochs=2),
    rounds=3,
)
ORDER = ["spectral peak", "student alone", "distilled", "teacher"]


def quiet() -> Console:
    return Console(file=io.StringIO(), width=80)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return demo.demo(PLAN, tmp_path_factory.mktemp("demo"), console=quiet())


def test_table_is_complete(done):
    written = json.loads(done.table.read_text())
    rows = written["rows"]
    assert [row["name"] for row in rows] == ORDER
    for row in rows[1:]:
        assert row["parameters"] > 0
        assert row["bytes"] > 4 * row["parameters"]
        for engine in ("python", "core"):
            mae = row[engine]["mae_bpm"]
            low, high = mae["95_percent_interval"]
            assert low <= mae["value"] <= high
            assert row[engine]["latency_ms"]["median"] > 0
    assert rows[0]["python"]["mae_bpm"]["value"] > 0
    gain = rows[2]["core"]["mae_bpm"]["value"] - rows[1]["core"]["mae_bpm"]["value"]
    assert written["distilled_minus_alone_bpm"]["value"] == pytest.approx(gain, abs=1e-4)


def test_table_fits_a_terminal(done):
    console = quiet()
    console.print(report.table(done.results, done.largest_difference))
    text = console.file.getvalue()
    assert "…" not in text
    for one in done.results.contenders:
        line = next(line for line in text.splitlines() if line.strip().startswith(one.name))
        assert f"{one.final.mae.value:.2f}" in line


def test_core_answers_as_torch_does(done):
    results = done.results
    model = ppgfast.load(done.model)
    answers = model.predict(np.ascontiguousarray(results.windows.ppg[results.rows]))[:, 0]
    distilled = results.contender("distilled")
    np.testing.assert_array_equal(answers, distilled.core.bpm)
    difference = np.abs(answers - distilled.python.bpm).max()
    assert difference <= done.largest_difference < 1e-3


def test_nobody_is_tested_who_was_learned_from(done):
    tested = set(subjects_of(done.results.windows, done.results.rows))
    assert tested
    for run in done.results.runs.values():
        subjects = json.loads((run.folder / "run.json").read_text())["subjects"]
        assert not tested & {*subjects["train"], *subjects["validation"]}


def test_errors_shown_are_those_of_the_windows(done):
    results = done.results
    for one in results.contenders:
        assert one.final.mae.value == pytest.approx(results.error(one.key).mean(), rel=1e-5)
    names = {results.windows.manifest["activities"][str(code)] for code in results.windows.activity}
    assert {results.groups[k] for k in results.group} <= names


class Links(HTMLParser):
    """Collects everything that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.pictures = 0

    def handle_starttag(self, tag, attributes):
        self.pictures += tag == "svg"
        self.found += [
            value for name, value in attributes if name.split(":")[-1] in ("src", "href", "srcset")
        ]


def test_report_needs_no_network(done):
    text = done.report.read_text()
    links = Links()
    links.feed(text)
    assert links.pictures == len(report.FIGURES)
    assert all(link.startswith(("#", "data:")) for link in links.found)
    assert "@import" not in text
    assert "url(http" not in text
    assert "<script" not in text
    assert "simulated" in text


def test_again_in_the_same_folder_gives_the_same_file(done):
    before = done.model.read_bytes()
    again = demo.demo(PLAN, done.model.parent, console=quiet())
    assert again.model.read_bytes() == before


def test_folder_without_recordings_is_refused(tmp_path):
    app = typer.Typer()
    app.command()(demo.main)
    answer = CliRunner().invoke(app, ["--data", str(tmp_path), "--out", str(tmp_path / "out")])
    assert answer.exit_code == 2
    assert f"--data {tmp_path}: no folder ieee_spc2015 or cinc2015 there" in " ".join(answer.output.split())


def test_published_recordings_can_be_joined(real_data, tmp_path):
    folders = demo.recordings(PLAN, tmp_path, real_data, quiet())
    windows = open_windows(folders)
    assert len(windows) > 20_000
    names = {name.partition("/")[0] for name in windows.manifest["subjects"]}
    assert names == {folder.name for folder in folders}
