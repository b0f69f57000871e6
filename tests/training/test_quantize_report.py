"""The table of docs/quantization.md: each form of a run, by the core, on its held-out subjects alone."""

import numpy as np
from conftest import QUIET

import ppgfast
from training import quantize_report
from training.config import FinetuneConfig, QuantizeConfig
from training.finetune import finetune
from training.inputs import open_windows, subject_names
from training.quantize_aware import quantize
from training.runs import read_run


def test_a_row_tells_score_change_and_mean_change_of_an_answer(tiny_hr, tiny_af, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"above\n{quantize_report.START}\nold\n{quantize_report.END}\nbelow\n")
    monkeypatch.setattr(quantize_report, "PAGE", page)
    for task, data in (("hr", tiny_hr), ("af", tiny_af)):
        asked = {"data": data, "out": tmp_path / task, "device": "cpu", "model": {"name": "tcn5k"}}
        finetune(FinetuneConfig(**asked, optimiser={"epochs": 2}), QUIET)
    quantize(QuantizeConfig(source=tmp_path / "hr", out=tmp_path / "hr-int8", optimiser={"epochs": 1}), QUIET)
    quantize_report.main([tmp_path / "hr", tmp_path / "af"])

    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("above", "below")
    assert "old" not in lines
    hr, af = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:6])
    windows, tested = open_windows([tiny_hr]), read_run(tmp_path / "hr")["subjects"]["test"]
    rows = np.isin(np.array(subject_names(windows))[windows.subject], tested)
    assert hr[:3] == [
        "tcn5k, seed 0",
        f"tiny, {rows.sum()} windows of {len(tested)} subjects",
        "MAE, bpm",
    ]
    label = windows.label[rows]
    files = [tmp_path / "hr" / f"report-{k}.ppgf" for k in range(3)] + [
        tmp_path / "hr-int8" / "report-3.ppgf"
    ]
    exact, *others = (ppgfast.load(file).predict(windows.ppg[rows])[:, 0] for file in files)
    mae = np.abs(exact - label).mean()
    assert hr[3] == f"{mae:.2f}"
    for cell, answer in zip(hr[4:], others, strict=True):
        change, each = (float(number) for number in cell.split(", "))
        assert abs(change - (np.abs(answer - label).mean() - mae)) <= 0.0006
        assert abs(each - np.abs(answer - exact).mean()) <= 0.0006
    assert [ppgfast.load(file).info["precision"] for file in files] == ["f32", "s8", "s8", "s8"]
    assert af[2] == "AUROC"
    assert af[-1] == "-"
    assert 0 <= float(af[3]) <= 1
