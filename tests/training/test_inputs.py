"""Splits, targets, fingerprints and augmentation of prepared windows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import RATE, WINDOW, moving, tiny_windows
from hypothesis import given, settings
from hypothesis import strategies as st

from training import inputs
from training.augment import Augmenter
from training.config import Augment, ConfigError, Split
from training.data.windows import concatenate
from training.inputs import PARTS, Targets
from training.losses import bin_logits
from training.metrics import spectral_peak


@settings(deadline=None, max_examples=60)
@given(
    task=st.sampled_from(["hr", "af"]),
    subjects=st.integers(6, 20),
    seed=st.integers(0, 100),
    folds=st.integers(0, 4).filter(lambda k: k != 1),
)
def test_no_subject_is_in_two_parts_and_no_window_is_lost(task, subjects, seed, folds):
    windows = tiny_windows(task, subjects, windows=2)
    parts = inputs.split(windows, Split(seed=seed, folds=folds))
    rows = [getattr(parts, name) for name in PARTS]
    assert sorted(np.concatenate(rows)) == list(range(len(windows)))
    owners = [set(windows.subject[part]) for part in rows]
    assert all(owners)
    assert sum(map(len, owners)) == len(set.union(*owners))


@pytest.mark.parametrize("seed", range(10))
def test_each_part_has_subjects_with_and_without_af(seed):
    windows = tiny_windows("af", 8, windows=2)
    parts = inputs.split(windows, Split(seed=seed))
    for name in PARTS:
        assert set(windows.label[getattr(parts, name)]) == {0, 1}


def test_folds_test_every_subject_once():
    windows = tiny_windows(subjects=7, windows=2)
    tested = [inputs.split(windows, Split(folds=3, fold=k)).test for k in range(3)]
    assert sorted(np.concatenate(tested)) == list(range(len(windows)))


def test_a_data_set_is_split_alike_alone_and_joined_with_others():
    one = tiny_windows(subjects=9)
    two = replace(tiny_windows(subjects=7, seed=1), manifest={**tiny_windows().manifest, "dataset": "two"})
    two.manifest["subjects"] = two.manifest["records"] = [f"s{k}" for k in range(7)]
    joined = concatenate([one, two])
    for settings_ in (Split(), Split(folds=3, fold=1)):
        both, alone = inputs.split(joined, settings_), inputs.split(one, settings_)
        for name in PARTS:
            part = getattr(both, name)
            np.testing.assert_array_equal(part[part < len(one)], getattr(alone, name))


def test_channels_are_what_the_model_takes(tmp_path):
    windows = moving(tiny_windows())
    windows.save(tmp_path / "moving")
    tiny_windows(seed=1).save(tmp_path / "resting")
    folders = [tmp_path / "moving", tmp_path / "resting"]
    assert inputs.open_windows(folders).acc is None
    both = inputs.open_windows(folders, channels=4)
    np.testing.assert_array_equal(both.acc[: len(windows)], windows.acc)
    assert not both.acc[len(windows) :].any()  # recorded without: at rest
    unknown = replace(
        windows, manifest={**windows.manifest, "units": {"ppg": "", "acc": "m", "label": "bpm"}}
    )
    with pytest.raises(ConfigError, match="accelerometer in 'm', expected g; set channels=1"):
        inputs.with_channels(unknown, 4)


def test_patches_hold_the_scaled_ppg_and_then_the_axes_without_their_mean():
    windows = moving(tiny_windows())
    x = inputs.signals(windows, np.array([5, 40]))
    patches = inputs.to_tensor(x, "minmax", torch.device("cpu")).numpy()  # (2, 8, 4 * 40)
    ppg = windows.ppg[40]
    np.testing.assert_allclose(patches[1, :, :40].ravel(), (ppg - ppg.min()) / np.ptp(ppg), atol=1e-6)
    axis = windows.acc[40, 1]
    np.testing.assert_allclose(patches[1, :, 80:120].ravel(), axis - axis.mean(), atol=1e-6)


def test_a_model_without_motion_is_given_the_ppg_alone():
    windows = moving(tiny_windows())
    stated = {"sampling_rate": 0, "polarity": -1, "channels": 1}
    rows = np.array([3])
    np.testing.assert_array_equal(inputs.as_contracted(windows, rows, stated), -windows.ppg[rows])
    x = inputs.as_contracted(windows, rows, {**stated, "channels": 4})
    np.testing.assert_array_equal(x[0], np.concatenate((-windows.ppg[rows], windows.acc[3])))


def test_bins_come_back_as_the_median_of_their_distribution():
    targets = Targets.fit("hr", np.array([60.0, 90.0]), "bins")
    assert (targets.kind, targets.n_outputs, targets.mean, targets.std) == ("bins", 96, 30.0, 2.0)
    label = np.array([31.0, 72.3, 218.9], np.float32)
    raw = bin_logits(targets.encode(label), targets.n_outputs).numpy()
    np.testing.assert_allclose(targets.decode(raw)[1:2], label[1:2], atol=0.05)
    np.testing.assert_allclose(targets.decode(raw), label, atol=2.5)  # the outermost bins hold half a normal
    np.testing.assert_allclose(targets.distribution(raw).sum(1), 1, atol=1e-5)
    stated = {"task": "hr", "label_mean": 30.0, "label_std": 2.0, "activation": "distribution"}
    assert Targets.stated(stated) == targets


def test_overlap_is_an_error_at_run_time():
    with pytest.raises(AssertionError, match="subject a/1 is in train and in test"):
        inputs.check_disjoint({"train": ["a/1"], "validation": ["a/2"], "test": ["a/1"]})
    with pytest.raises(ConfigError, match="teacher learned from a/1 and 1 more, held out for the test"):
        inputs.check_unseen(["a/1", "a/2", "a/3"], ["a/2", "a/1"], "teacher")
    inputs.check_unseen(["a/1"], ["b/1"], "teacher")


def test_targets_are_standardised_and_come_back_as_bpm():
    labels = np.array([60, 80, 100], np.float32)
    targets = Targets.fit("hr", labels)
    coded = targets.encode(labels)
    assert coded.mean().abs() < 1e-6
    assert abs(coded.std(correction=0) - 1) < 1e-6
    np.testing.assert_allclose(targets.decode(coded.numpy()[:, None]), labels, rtol=1e-6)


def test_classes_come_back_as_the_softmax():
    raw = np.array([[0.0, 0.0], [1.0, 3.0], [900.0, -900.0]])
    np.testing.assert_allclose(Targets("af").decode(raw), [0.5, 1 / (1 + np.exp(-2)), 0], atol=1e-7)


def test_impossible_targets_say_why():
    with pytest.raises(ConfigError, match="all training windows have one class"):
        Targets.fit("af", np.ones(4, np.float32))
    with pytest.raises(ConfigError, match="the data have task 'none'; expected hr or af"):
        Targets.fit("none", np.ones(4, np.float32))
    assert Targets.fit("hr", np.full(4, 70, np.float32)).std == 1


def test_fingerprints_see_samples_subjects_and_labels_apart():
    windows = tiny_windows(windows=2)
    base = inputs.fingerprints(windows)
    ppg = windows.ppg.copy()
    ppg[3, 7] += 1
    changed = {
        "signal": replace(windows, ppg=ppg),
        "rows": replace(windows, subject=windows.subject[::-1].copy()),
        "label": replace(windows, label=windows.label + 1),
    }
    for name, other in changed.items():
        assert [key for key in base if inputs.fingerprints(other)[key] != base[key]] == [name]


def test_windows_are_given_at_the_rate_and_polarity_that_the_model_states():
    windows = tiny_windows(windows=1)
    stated = {"sampling_rate": 125.0, "polarity": -1}
    x = inputs.as_contracted(windows, np.arange(len(windows)), stated)
    assert x.shape == (len(windows), 1000)
    np.testing.assert_allclose(spectral_peak(x, 125.0), spectral_peak(windows.ppg, RATE), atol=1)
    assert np.corrcoef(x[0, ::25][4:-4], -windows.ppg[0, ::8][4:-4])[0, 1] > 0.99
    as_they_are = inputs.as_contracted(windows, np.arange(len(windows)), {"sampling_rate": 0, "polarity": 1})
    np.testing.assert_array_equal(as_they_are, windows.ppg)


def draw(windows, rows, seed=0, **values):
    return Augmenter(Augment(**values), windows)(np.asarray(rows), np.random.default_rng(seed))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), most=st.floats(1.05, 1.5))
def test_time_scaling_moves_the_pulse_as_it_moves_the_label(seed, most):
    windows = tiny_windows()
    rows = np.random.default_rng(seed).integers(len(windows), size=16)
    x, label = draw(windows, rows, seed, time_scale=most)
    assert x.shape == (16, WINDOW)
    assert x.dtype == label.dtype == np.float32
    speed = label / windows.label[rows]
    assert np.all((speed >= 1 / most - 1e-6) & (speed <= most + 1e-6))
    slow = label < 200
    np.testing.assert_allclose(spectral_peak(x, RATE)[slow], label[slow], atol=3)


def test_time_scaling_goes_both_ways_where_samples_follow_and_only_slower_where_none_do():
    windows = tiny_windows(subjects=2, windows=8)
    inner, last = np.zeros(200, int), np.full(200, 7)
    assert (draw(windows, inner, time_scale=1.4)[1] > windows.label[0]).mean() > 0.3
    assert (draw(windows, last, time_scale=1.4)[1] <= windows.label[7]).all()


def test_the_samples_after_a_window_come_from_its_successor():
    windows = tiny_windows(subjects=1, windows=8)
    line = np.arange(WINDOW + 8 * 80, dtype=np.float32)
    windows = replace(windows, ppg=np.stack([line[k * 80 : k * 80 + WINDOW] for k in range(8)]))
    x, label = draw(windows, np.zeros(100, int), time_scale=1.5)
    speed = label / windows.label[0]
    np.testing.assert_allclose(
        np.diff(x, axis=1), np.broadcast_to(speed[:, None], (100, WINDOW - 1)), rtol=1e-3
    )


def test_other_changes_keep_the_label_and_stay_in_bounds():
    windows = tiny_windows()
    rows = np.arange(len(windows))
    same, label = draw(windows, rows)
    np.testing.assert_array_equal(same, windows.ppg)
    np.testing.assert_array_equal(label, windows.label)
    flipped, _ = draw(windows, rows, polarity=1)
    np.testing.assert_array_equal(flipped, -windows.ppg)
    noisy, label = draw(windows, rows, noise=0.1)
    spread = (noisy - windows.ppg).std(1) / np.ptp(windows.ppg, axis=1)
    assert 0 < spread.min() < spread.max() < 0.12
    np.testing.assert_array_equal(label, windows.label)
    tilted, _ = draw(windows, rows, gain=0.5)
    deviation = np.abs(tilted - windows.ppg)
    assert deviation[:, WINDOW // 2].max() < 0.01 < deviation.max() < 0.51 * np.abs(windows.ppg).max() + 0.1


def test_the_accelerometer_is_played_with_the_pulse_and_turned_as_a_whole():
    windows = moving(tiny_windows())
    windows = replace(windows, acc=np.repeat(windows.ppg[:, None], 3, 1))  # axes that repeat the pulse
    rows = np.arange(0, len(windows), 5)
    x, label = Augmenter(Augment(time_scale=1.3), windows)(rows, np.random.default_rng(0))
    for axis in (1, 2, 3):
        np.testing.assert_array_equal(x[:, axis], x[:, 0])
    assert np.abs(label / windows.label[rows] - 1).max() > 0.1
    turned, _ = Augmenter(Augment(turn=True), windows)(rows, np.random.default_rng(0))
    np.testing.assert_array_equal(turned[:, 0], windows.ppg[rows])
    lengths = [np.linalg.norm(acc, axis=1) for acc in (turned[:, 1:], windows.acc[rows])]
    np.testing.assert_allclose(*lengths, atol=1e-5)
    assert np.abs(turned[:, 1:] - windows.acc[rows]).max() > 0.1
    noisy, _ = Augmenter(Augment(acc_noise=0.2), windows)(rows, np.random.default_rng(0))
    assert 0.02 < np.std(noisy[:, 1:] - windows.acc[rows]) < 0.2


def test_a_rhythm_stays_what_it_is_and_is_played_from_its_own_window_alone():
    windows = tiny_windows("af")
    rows = np.array([0, 3, 30])
    x, label = Augmenter(Augment(time_scale=1.5), windows)(rows, np.random.default_rng(0))
    np.testing.assert_array_equal(label, windows.label[rows])
    for row, played in zip(rows, x, strict=True):
        low, high = windows.ppg[row].min() - 1e-5, windows.ppg[row].max() + 1e-5
        assert ((played >= low) & (played <= high)).all()
        assert np.abs(np.diff(played)).mean() < np.abs(np.diff(windows.ppg[row])).mean()  # slower
