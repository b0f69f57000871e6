"""`ppg_report` and `ppgfast report`: what is on the page, and what never is."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import ppgfast
from ppgfast.report import facts
from ppgfast.verbs import Table
from tests.python.test_command_line import call

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Names of the tags, ids, labels and cells of a page whose tags are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.open, self.text = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.ids += [value for name, value in attributes if name == "id"]
        self.links += [value for name, value in attributes if name.split(":")[-1] in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def processed():
    """Four minutes at 75 bpm, of which half a minute is missing and a quarter flat."""
    made = ppgfast.ppg_simulate(duration=240, sampling_rate=64, heart_rate=75, seed=4)
    signal = made.signal.astype(np.float64)
    signal[64 * 60 : 64 * 90] = np.nan
    signal[64 * 150 : 64 * 165] = signal[64 * 150]
    return ppgfast.ppg_process(signal, sampling_rate=64, af_model="af-tcn5k-s8")


@pytest.fixture(scope="module")
def page(processed):
    before = dict(matplotlib.rcParams)
    text = ppgfast.ppg_report(*processed, title="wrist.csv", metadata={"start": "2026-03-01T22:14:00"})
    assert dict(matplotlib.rcParams) == before
    return text


def test_the_page_stands_alone(page):
    read = Page(page)
    assert len(page) < 1_000_000
    assert not {"script", "link", "img", "iframe", "object"} & set(read.tags)
    assert all(link.startswith("#") for link in read.links)
    assert "url(http" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    assert len(read.ids) == len(set(read.ids))
    assert {link[1:] for link in read.links} <= set(read.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(read.ids)


def test_the_page_says_what_the_windows_do(page, processed):
    windows, words = processed[1]["windows"], Page(page).words
    valid = windows["valid"]
    assert f"{valid.sum()} of {len(windows)} windows of 8 s, one each 2 s" in words
    assert f"{np.median(windows['hr_bpm'][valid]):.0f} bpm" in words
    assert f"{(windows['reason'] == 'gap').sum()}" in words
    for heading in ("over time", "How often", "Variability", "Events", "best windows", "worst windows"):
        assert heading in words
    assert "4 min of PPG from 2026-03-01 22:14:00 on" in words
    model = processed[1]["model"]
    for part in (model["name"], model["sha256"], ppgfast.__version__, np.__version__, "af-tcn5k-s8"):
        assert part in words


def test_the_page_is_for_eyes_ears_paper_and_dark_rooms(page):
    assert "@media (prefers-color-scheme: dark)" in page
    assert "@media print" in page
    assert '<html lang="en">' in page
    assert page.count('role="img" aria-label="') == page.count("<svg ") == 5
    assert page.count("<caption>") == page.count("<table>")
    assert page.count("<th") == page.count('<th scope="') + page.count("<thead")
    assert "#1111" not in page, "a colour that the page does not know"


def test_whatever_a_name_says_is_text(processed):
    name = '<script>alert(1)</script>&".csv'
    metadata = {"file": name, "start": name, "units": "<b>", "notes": [name], "libraries": {name: name}}
    text = ppgfast.ppg_report(*processed, title=name, metadata=metadata)
    read = Page(text)
    assert not {"script", "b"} & set(read.tags)
    assert name in read.words


def test_stretches_are_those_of_the_windows(processed):
    windows = processed[1]["windows"]
    found = facts.stretches(windows)
    assert sum(one.windows for one in found) == (~windows["valid"]).sum()
    gap = next(one for one in found if one.kind == "gap")
    assert gap.start <= 60 < 90 <= gap.end
    assert gap.end - gap.start < 30 + 2 * 8 + 2
    assert any(one.kind == "flat" and one.start > 142 and one.end < 175 for one in found)
    many = [facts.Stretch("gap", float(i), i + 1.0 + i % 7, 1, 0.0) for i in range(100)]
    kept = facts.listed(many)
    assert len(kept) == facts.LISTED
    assert min(one.end - one.start for one in kept) >= 4
    assert [one.start for one in kept] == sorted(one.start for one in kept)


def windows_of(rate, quality, reason, af=None):
    n, start = len(rate), 2.0 * np.arange(len(rate))
    columns = {"t_start": start, "t_end": start + 8, "hr_bpm": rate, "hr_lo": rate - 4, "hr_hi": rate + 4}
    columns |= {"quality": quality, "reason": reason, "valid": reason == "ok"}
    columns["af_probability"] = np.full(n, np.nan) if af is None else af
    return Table(columns, {"window": 8.0, "hop": 2.0})


def test_numbers_of_the_overview():
    rate = np.repeat([60.0, 90.0, 50.0, 70.0], 30)  # a minute each
    reason = np.where(np.arange(120) // 30 == 2, "flat", "ok")
    found = facts.overview(windows_of(rate, np.full(120, 0.9), reason), 246.0)
    assert (found["median"], found["low"], found["high"]) == (70, 60, 90)
    assert (found["lowest"], found["highest"]) == ((0.0, 60.0), (60.0, 90.0))
    assert (found["share"], found["interval"], found["duration"]) == (0.75, 4.0, "4 min 6 s")
    af = np.where(np.arange(120) < 10, np.nan, np.where(np.arange(120) < 40, 0.7, 0.1))
    likely, judged, episodes = facts.fibrillation(windows_of(rate, np.ones(120), reason, af))
    assert (likely, judged) == (30, 110)
    assert episodes == [facts.Stretch("af", 20.0, 86.0, 30, pytest.approx(0.7))]
    step, rows = facts.by_time(windows_of(rate, np.full(120, 0.9), reason))
    assert (step, len(rows)) == (60, 4)
    assert [row["rate"] for row in rows[:3]] == [[60.0] * 3, [90.0] * 3, None]


def test_windows_worth_a_look_lie_apart():
    quality = np.linspace(0.2, 1.0, 200)
    reason = np.where(quality < 0.5, "low_confidence", "ok")
    reason[:20] = "gap"
    windows = windows_of(np.full(200, 70.0), quality, reason)
    assert facts.picked(windows, best=True) == [179, 189, 199]
    assert facts.picked(windows, best=False)[0] == 20
    assert facts.picked(windows_of(np.full(9, 70.0), np.zeros(9), np.full(9, "gap")), best=True) == []


def test_a_recording_without_a_pulse_has_a_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("dead.npz", ppg=np.full(64 * 60, 3.0), fs=64.0)
    said = json.loads(call("report", "dead.npz", "--json")[0])
    assert said["valid"] == 0
    words = Page(Path(said["out"]).read_text("utf-8")).words
    shown = words.split()
    assert {"70", "90", "110"} <= set(shown), "bpm"
    assert not any(number.startswith("\u22120.") for number in shown), "shares"
    assert "In none of its windows can the heart rate be told" in words
    assert "In doubt: every sample is 3" in words
    assert "In each window samples are missing" in words


def test_what_is_no_result_is_refused(processed):
    _, info = processed
    with pytest.raises(TypeError, match=r"ppg_report\(\*ppg_process"):
        ppgfast.ppg_report([1, 2], info)
    with pytest.warns(ppgfast.SignalWarning, match="there is no row"):
        short = ppgfast.ppg_process(np.sin(np.arange(200)), sampling_rate=64)
    with pytest.raises(ValueError, match="there is no window to report on: the recording lasts"):
        ppgfast.ppg_report(*short)


def test_the_command_writes_what_the_verb_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "<img src=x>.npz"
    made = ppgfast.ppg_simulate(duration=60, sampling_rate=64, seed=5)
    np.savez(name, ppg=-made.signal, fs=64.0, acc=made.acc, acc_rate=made.acc_rate, acc_units="g")
    out, err = call("report", name)
    assert f"{name}.html: " in out
    assert "upside down; pass the other --polarity" in err
    text = Path(f"{name}.html").read_text("utf-8")
    assert "img" not in Page(text).tags
    assert "hr-tcn5k-acc-s8" in text
    assert "upside down" in text
    turned = json.loads(call("report", name, "--polarity", "auto", "--out", "b.html", "--json")[0])
    assert "turned over yes" in Page(Path("b.html").read_text("utf-8")).words
    assert turned["findings"] == []
    plain = json.loads(call("report", name, "--model", "hr-tcn5k-s8", "--min-quality", "1", "--json")[0])
    assert plain["valid"] == 0
    assert "hr-tcn5k-acc-s8" not in Path(f"{name}.html").read_text("utf-8")
    assert json.loads(call("report", name, "--hop", "4", "--json")[0])["windows"] == 14
    _, err = call("report", "nowhere.csv", status=1)
    assert "there is no such file" in err
    _, err = call("report", name, "--out", "no/where.html", status=2)
    assert "there is no folder" in err


@pytest.mark.skipif(os.name == "nt", reason="names of files are text there")
def test_a_name_that_is_no_text_has_a_page_too(tmp_path):
    file = tmp_path / os.fsdecode(b"wrist-\xff.csv")
    x = ppgfast.ppg_simulate(duration=20, sampling_rate=64, seed=5).signal
    file.write_text("# fs: 64\nppg\n" + "\n".join(f"{v:.6f}" for v in x))
    call("report", file, "--out", tmp_path / "a.html")
    assert "wrist-?.csv" in (tmp_path / "a.html").read_text("utf-8")
