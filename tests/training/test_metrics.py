"""Scores against their definitions, intervals that know about subjects, baselines on real signals."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.io import loadmat

from training import metrics

SCORED = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40)


def vectors(pairs):
    score, label = zip(*pairs, strict=True)
    return np.array(score, dtype=float), np.array(label, dtype=float)


def test_errors_of_heart_rates():
    target = np.full(10, 60.0)
    prediction = target + np.array([0, -1, 2, -3, 4, 5, -6, 7, 8, -64])
    scores = metrics.heart_rate_scores(prediction, target)
    assert list(scores) == ["mae", "mse", "p50", "p75", "p90", "p95", "within_5bpm"]
    assert scores["mae"] == 10.0
    assert scores["mse"] == pytest.approx((0 + 1 + 4 + 9 + 16 + 25 + 36 + 49 + 64 + 64**2) / 10)
    assert scores["p50"] == 4.5
    assert scores["within_5bpm"] == 0.6  # five itself is within


def test_keeping_the_certain_windows_lowers_the_error():
    coverage, error = metrics.coverage_error([61, 64, 70, 60], [60, 60, 60, 60], [0.2, 0.3, 0.9, 0.1])
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert error.tolist() == [0.0, 0.5, 5 / 3, 15 / 4]


def test_the_error_of_the_most_certain_is_a_point_of_that_curve():
    answers = [61, 64, 70, 60], [60, 60, 60, 60], [0.2, 0.3, 0.9, 0.1]
    assert [metrics.certain_error(*answers, share) for share in (0.01, 0.5, 1.0)] == [0.0, 0.5, 15 / 4]


def test_equal_uncertainty_tells_nothing():
    _, error = metrics.coverage_error([60, 70, 80], [60, 60, 60], [1, 1, 1])
    assert error.tolist() == [10.0, 10.0, 10.0]  # whatever the order of the windows


@given(SCORED)
def test_ranking_scores_are_their_definitions(pairs):
    score, label = vectors(pairs)
    sick, well = score[label == 1], score[label == 0]
    area = metrics.auroc(score, label)
    best = metrics.sensitivity_at(score, label, 0.8)
    if len(sick) == 0 or len(well) == 0:
        assert np.isnan(area)
        assert np.isnan(best)
        assert np.isnan(metrics.auprc(score, label)) == (len(sick) == 0)
        return
    order = np.sign(sick[:, None] - well[None, :])
    assert area == pytest.approx((order.mean() + 1) / 2)
    allowed = [t for t in [*score, np.inf] if (well < t).mean() >= 0.8]
    assert best == pytest.approx(max((sick >= t).mean() for t in allowed))


@given(SCORED)
def test_the_chosen_threshold_has_the_best_f1(pairs):
    score, label = vectors(pairs)
    threshold = metrics.choose_threshold(score, label)
    best = max(metrics.f1(score, label, t) for t in np.unique(score))
    assert metrics.f1(score, label, threshold) == pytest.approx(best)


def test_every_threshold_counts_for_the_sensitivity():
    score = np.repeat(
        np.arange(10.0), 2
    )  # one of each class at every score: the ROC curve is one straight line
    assert metrics.sensitivity_at(score, np.tile([0, 1], 10), 0.8) == pytest.approx(0.2)


def test_the_threshold_lies_between_the_scores():
    assert metrics.choose_threshold([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]) == pytest.approx(0.5)


def test_scores_at_a_threshold():
    scores = metrics.fibrillation_scores([0.1, 0.6, 0.4, 0.9, 0.5], [0, 0, 1, 1, 1], 0.5)
    assert list(scores) == ["accuracy", "f1", "auroc", "auprc", "sensitivity_at_90"]
    assert scores["accuracy"] == pytest.approx(3 / 5)
    assert scores["f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert scores["auroc"] == pytest.approx(4 / 6)
    assert scores["sensitivity_at_90"] == pytest.approx(1 / 3)
    assert metrics.f1([0.1], [0.0]) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.mae([1, 2], [1]), r"arrays have \[2, 1\] values, expected the same number"),
        (lambda: metrics.mse([], []), r"\[0, 0\] values, expected .* at least one"),
        (lambda: metrics.mae([1, 2], [1, np.nan]), "1 of 2 values are NaN or infinite: drop unlabelled"),
        (lambda: metrics.auroc([0.5, 0.1], [2, 1]), "labels hold 2.0, expected 0 and 1"),
    ],
)
def test_arrays_that_cannot_be_scored_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def study(n_subjects=20, n_windows=30, seed=0):
    """Windows of subjects whose errors have a common part, as real ones do."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(n_subjects), n_windows)
    target = rng.uniform(60, 120, subjects.size)
    error = np.repeat(rng.normal(0, 5, n_subjects), n_windows) + rng.normal(0, 1, subjects.size)
    return target + error, target, subjects


def test_the_interval_is_reproducible_and_holds_the_value():
    prediction, target, subjects = study()
    interval = metrics.bootstrap(metrics.mae, prediction, target, subjects=subjects, n=200)
    assert interval == metrics.bootstrap(metrics.mae, prediction, target, subjects=subjects, n=200)
    assert interval.value == metrics.mae(prediction, target)
    assert interval.low < interval.value < interval.high


def test_more_windows_of_the_same_subjects_prove_nothing():
    prediction, target, subjects = study()
    once = metrics.bootstrap(metrics.mae, prediction, target, subjects=subjects, n=200)
    often = metrics.bootstrap(
        metrics.mae, *(np.tile(v, 9) for v in (prediction, target)), subjects=np.tile(subjects, 9), n=200
    )
    assert often == pytest.approx(once)
    windows = metrics.bootstrap(metrics.mae, prediction, target, subjects=np.arange(subjects.size), n=200)
    assert windows.high - windows.low < 0.5 * (once.high - once.low)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    truth = np.mean(np.abs(np.random.default_rng(1).normal(0, np.sqrt(26), 200_000)))
    hits = 0
    for seed in range(60):
        prediction, target, subjects = study(n_subjects=30, n_windows=4, seed=seed)
        interval = metrics.bootstrap(metrics.mae, prediction, target, subjects=subjects, n=200, seed=seed)
        hits += interval.low <= truth <= interval.high
    assert 50 <= hits <= 60  # 95 % of 60 is 57; fewer than 50 by chance: 1 in 40,000


def test_pairing_sees_a_difference_that_the_two_intervals_hide():
    prediction, target, subjects = study()
    better = target + 0.9 * (prediction - target)
    alone = [
        metrics.bootstrap(metrics.mae, p, target, subjects=subjects, n=200) for p in (prediction, better)
    ]
    assert alone[1].high > alone[0].low
    difference = metrics.paired_bootstrap(metrics.mae, better, prediction, target, subjects=subjects, n=200)
    assert difference.high < 0
    assert difference.value == pytest.approx(-0.1 * alone[0].value)
    same = metrics.paired_bootstrap(metrics.mae, better, better, target, subjects=subjects, n=20)
    assert same == (0, 0, 0)


def test_one_subject_gives_no_interval_and_undefined_draws_are_left_out():
    interval = metrics.bootstrap(metrics.mae, [1, 2], [1, 1], subjects=[7, 7])
    assert interval.value == 0.5
    assert np.isnan([interval.low, interval.high]).all()
    area = metrics.bootstrap(metrics.auroc, [0.1, 0.9, 0.4, 0.6], [0, 1, 0, 1], subjects=[0, 1, 0, 1], n=50)
    assert area == (1.0, 1.0, 1.0)


def pulses(intervals, sampling_rate, seconds):
    """A pulse wave with a beat after each interval (s), a slow baseline and a little noise."""
    t = np.arange(round(seconds * sampling_rate)) / sampling_rate
    beats = np.cumsum(intervals)
    wave = np.exp(-0.5 * ((t[:, None] - beats) / 0.09) ** 2).sum(1)
    noise = np.random.default_rng(0).normal(0, 0.01, t.size)
    return wave + 0.5 * np.sin(2 * np.pi * 0.25 * t) + noise


@pytest.mark.parametrize("sampling_rate", [25.0, 40.0, 125.0])
@pytest.mark.parametrize("bpm", [45.0, 72.0, 110.0, 180.0])
def test_the_spectral_peak_is_the_heart_rate(bpm, sampling_rate):
    window = pulses(np.full(60, 60 / bpm), sampling_rate, 8)
    rates = metrics.spectral_peak([window, -3.0 * window + 100.0], sampling_rate)
    np.testing.assert_allclose(rates, bpm, atol=2.0)


def test_the_spectral_peak_answers_every_window():
    windows = np.zeros((1100, 320), dtype=np.float32)  # more than one chunk
    windows[1050] = pulses(np.full(20, 0.5), 40, 8)
    rates = metrics.spectral_peak(windows, 40)
    assert rates.shape == (1100,)
    assert rates[0] == pytest.approx(36.0, abs=0.5)
    assert rates[1050] == pytest.approx(120.0, abs=2.0)
    assert metrics.spectral_peak(windows[1050], 40).shape == (1,)
    assert metrics.spectral_peak(windows[:0], 40).shape == (0,)


@given(bpm=st.floats(50, 130), spread=st.floats(0.0, 0.25), seed=st.integers(0, 99))
@example(bpm=50.0, spread=0.25, seed=0)
@settings(deadline=None, max_examples=30)
def test_pulse_intervals_are_those_of_the_beats(bpm, spread, seed):
    intervals = 60 / bpm * (1 + spread * np.random.default_rng(seed).uniform(-1, 1, 60))
    (found,) = metrics.pulse_intervals(pulses(intervals, 100, 10), 100)
    beats = np.cumsum(intervals)
    assert abs(beats[beats < 10].size - 1 - found.size) <= 2  # a beat at either end may be cut off
    # The first interval that is found is one of the first three: beats at the edge may be cut off.
    errors = [np.median(np.abs(intervals[first:][: found.size] - found)) for first in range(3)]
    assert min(errors) < 0.05


def test_pulse_intervals_are_finer_than_the_samples():
    (found,) = metrics.pulse_intervals(pulses(np.full(40, 0.8137), 25, 20), 25)
    np.testing.assert_allclose(found, 0.8137, atol=0.015)  # a sample is 0.04 s


def test_an_irregular_pulse_scores_higher():
    rng = np.random.default_rng(0)
    regular = [pulses(0.8 + 0.02 * rng.normal(size=40), 40, 10) for _ in range(10)]
    irregular = [pulses(0.8 * rng.uniform(0.7, 1.4, 40), 40, 10) for _ in range(10)]
    scores = metrics.pulse_variability(regular + irregular, 40)
    assert scores[:10].max() < 0.1 < scores[10:].min()
    assert metrics.pulse_variability(np.zeros(400), 40).tolist() == [0.0]


def test_the_spectral_peak_on_running_people(real_data):
    errors = []
    for path in sorted((real_data / "ieee_spc2015").glob("DATA_*_TYPE0[12].mat")):
        ppg = loadmat(path)["sig"][1]
        truth = loadmat(path.with_name(f"{path.stem}_BPMtrace.mat"))["BPM0"].ravel()
        windows = np.stack([ppg[250 * i : 250 * i + 1000] for i in range(len(truth))])
        errors.append(np.abs(metrics.spectral_peak(windows, 125) - truth))
    errors = np.concatenate(errors)
    assert errors.size == 1768
    assert errors.mean() == pytest.approx(15.5, abs=0.5)
    assert np.median(errors) < 1.5  # the mean is motion


def test_the_spectral_peak_in_intensive_care(real_data):
    windows, truth = [], []
    for path in sorted((real_data / "bidmc").glob("*_Signals.csv")):
        signals = np.genfromtxt(path, delimiter=",", names=True)
        numerics = np.genfromtxt(
            path.with_name(path.name.replace("Signals", "Numerics")), delimiter=",", names=True
        )
        for second in range(0, len(signals) // 125 - 7, 2):
            windows.append(signals["PLETH"][125 * second : 125 * second + 1000])
            truth.append(numerics["HR"][second : second + 8].mean())
    truth = np.array(truth)
    errors = np.abs(metrics.spectral_peak(windows, 125) - truth)[np.isfinite(truth)]
    assert errors.mean() == pytest.approx(2.6, abs=0.2)
    assert np.median(errors) == pytest.approx(0.8, abs=0.1)


def test_pulse_variability_against_other_arrhythmias(real_data):
    files = [loadmat(path) for path in sorted((real_data / "liu2022").glob("*.mat"))]
    labels = np.concatenate([file["labels"].ravel() for file in files])
    score = metrics.pulse_variability(np.concatenate([file["ppgseg"] for file in files]), 100)
    sinus_or_af = np.isin(labels, (0, 5))
    assert metrics.auroc(score[sinus_or_af], labels[sinus_or_af] == 5) == pytest.approx(0.99, abs=0.01)
    assert metrics.auroc(score, labels == 5) == pytest.approx(0.78, abs=0.02)
