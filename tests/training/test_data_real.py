"""The published recordings themselves: counts, labels, and labels that fit the signal in time."""

import numpy as np
import pytest

from training.data import load, subject_folds
from training.data.prepare import prepare
from training.metrics import spectral_peak


@pytest.fixture(scope="module")
def prepared(real_data, tmp_path_factory):
    """`prepared(name)`: the data set with its own settings, made once."""
    folder = tmp_path_factory.mktemp("prepared")

    def make(name):
        if not (real_data / name).is_dir():
            pytest.skip(f"no {name}/ in {real_data}")
        return load(prepare(name, real_data / name, folder / name).folder)

    return make


@pytest.mark.parametrize(
    ("name", "subjects", "windows", "labelled", "shape"),
    [
        ("ieee_spc2015", 12, 1768, 1768, (320,)),
        ("bidmc", 8, 1896, 1890, (320,)),
        ("liu2022", 28, 10_620, 10_620, (400,)),
        ("cinc2015", 529, 81_573, 53_908, (320,)),
    ],
)
def test_counts(prepared, name, subjects, windows, labelled, shape):
    data = prepared(name)
    assert len(data.manifest["subjects"]) == subjects
    assert data.ppg.shape == (windows, *shape)
    assert len(data.labelled) == labelled
    assert data.manifest["dropped"] == {"missing": 0, "flat": 0}
    assert np.isfinite(data.ppg).all()


def test_liu_rhythms(prepared):
    data = prepared("liu2022")
    counts = np.bincount(data.activity).tolist()
    assert counts == [3248, 1120, 969, 1074, 1125, 3084]
    np.testing.assert_array_equal(data.label == 1, data.activity == 5)


@pytest.mark.parametrize(("name", "median"), [("ieee_spc2015", 1.5), ("bidmc", 0.9), ("cinc2015", 0.9)])
def test_labels_fit_the_signal_in_time(prepared, name, median):
    """The peak of a window's spectrum is nearest to its own label, not to that of a window 4 s off."""
    data = prepared(name)
    chosen = np.flatnonzero(data.record % max(1, data.record.max() // 60) == 0)
    peak = spectral_peak(np.asarray(data.ppg[chosen]), data.sampling_rate)
    label, record = data.label[chosen], data.record[chosen]

    def error(shift):
        same = record[shift:] == record[: len(record) - shift]
        late = np.nanmedian(np.abs(peak[shift:] - label[: len(label) - shift])[same])
        early = np.nanmedian(np.abs(label[shift:] - peak[: len(peak) - shift])[same])
        return late, early

    assert error(0)[0] < median
    # The monitor of BIDMC shows the heart rate some seconds late, so there only the other side is worse.
    sides = error(2)[:1] if name == "bidmc" else error(2)
    assert all(side > 1.05 * error(0)[0] for side in sides)


def test_folds_of_real_subjects(prepared):
    data = prepared("ieee_spc2015")
    folds = subject_folds(data.subject, 4, seed=0)
    assert sorted(np.concatenate(folds)) == list(range(1768))
    assert all(len(set(data.subject[fold])) == 3 for fold in folds)
