"""The comparison of simulated with recorded signals: the page it fills, and measures with known answers."""

import numpy as np
import pytest

from training.simulation import measures, recordings
from training.simulation.__main__ import fill, parameters, row, table

RATE = recordings.RATE


def windows(rate, shape=np.sin, n=4):
    t = np.arange(round(recordings.WINDOW * RATE)) / RATE
    ppg = np.stack([shape(2 * np.pi * rate / 60 * (t + k / 7)) for k in range(n)])
    return recordings.Windows(ppg, np.full(n, float(rate)), np.zeros(n))


def test_the_page_keeps_what_stands_outside_the_markers():
    page = "before\n<!-- a -->\nold\n<!-- /a -->\nafter\n"
    assert fill(page, "a", "new") == "before\n<!-- a -->\nnew\n<!-- /a -->\nafter\n"
    assert fill(fill(page, "a", "new"), "a", "new") == fill(page, "a", "new")
    with pytest.raises(ValueError, match="no <!-- b -->"):
        fill(page, "b", "new")


def test_every_parameter_is_in_the_table_with_range_and_source():
    lines = parameters().splitlines()
    assert len(lines) > 60
    assert {line.count("|") for line in lines} == {7}
    assert any("`Rhythm.af_cv` | 0.23 | 0.02 to 0.45" in line for line in lines)


def test_tables_have_a_recorded_and_a_simulated_column():
    assert table([row("x", ["1", "2"])]).splitlines() == [
        "| | recorded | simulated |",
        "|---|---|---|",
        "| x | 1 | 2 |",
    ]


def test_a_clean_wave_has_no_error_and_known_harmonics():
    record = windows(90, lambda phase: np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.1 * np.sin(3 * phase))
    assert np.concatenate(measures.errors([record])).max() < 1
    assert measures.harmonics(record) == pytest.approx([0.4, 0.1, 0.0, 0.0], abs=0.02)


def test_errors_at_the_accelerometer_are_told_from_others():
    ppg, truth = windows(150), np.full(4, 90.0)
    moving = np.repeat(windows(150).ppg[:, None], 3, axis=1)
    still = np.repeat(windows(60).ppg[:, None], 3, axis=1)
    for acc, share in ((moving, 1.0), (still, 0.0)):
        record = recordings.Windows(ppg.ppg, truth, np.zeros(4), acc)
        assert measures.at_accelerometer([record], measures.errors([record])) == share
    assert measures.acceleration([record]) == pytest.approx(np.sqrt(1.5), rel=0.05)


def test_variability_of_known_intervals():
    rr = 0.8 + 0.05 * np.sin(2 * np.pi * 0.1 * 0.8 * np.arange(600))
    mean, sdnn, rmssd, pnn50, ratio, entropy = measures.variability(rr)
    assert (mean, sdnn) == (pytest.approx(800, abs=1), pytest.approx(35.4, abs=1))
    assert rmssd == pytest.approx(35.4 * 2 * np.sin(np.pi * 0.08), rel=0.05)
    assert pnn50 == 0
    assert ratio > 20
    noise = np.random.default_rng(0).normal(size=400)
    assert measures.sample_entropy(noise) > 1.5 > 0.5 > entropy


def test_intervals_and_heights_of_a_simulated_rhythm():
    made = recordings.simulated_segments(subjects=4, seconds=60)
    assert set(made) == set(recordings.RHYTHMS)
    assert all(part.min() == 0 and part.max() == 1 for part in made.values())
    irregular = {name: np.median(measures.interval_statistics(part)[:, 1]) for name, part in made.items()}
    assert irregular["af"] > 3 * irregular["sinus"]
    assert measures.height_against_interval(made["af"]) > 0.4


def test_recordings_are_read_in_the_common_form(real_data):
    records = recordings.treadmill(real_data)
    assert len(records) == 12
    assert sum(len(record.hr) for record in records) == 1768
    assert all(record.acc.shape == (len(record.hr), 3, 1000) for record in records)
    assert 0.5 < measures.acceleration(records) < 2
