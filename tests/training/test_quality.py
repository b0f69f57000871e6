"""The quality of `ppg_quality`: windows are those of training, fit and tables say what they should."""

import numpy as np
import pytest

import ppgfast
from ppgfast.verbs.signal import signal_of
from ppgfast.verbs.windows import cut
from training.data.signal import bandpass, resample


@pytest.mark.parametrize("rate", [25.0, 40.0, 62.4725, 64.0, 125.0, 1000.0])
def test_a_window_is_what_training_makes_of_it(rate):
    about = ppgfast.load("hr-tcn5k-s8").info["input"]
    person = ppgfast.ppg_simulate(duration=30, sampling_rate=rate, seed=3)
    signal = signal_of(person.signal, sampling_rate=rate, timestamps=None)
    got = cut(signal, about)
    expected = bandpass(resample(person.signal, rate, 40.0), 40.0, 0.5, 8.0, 2)
    assert len(got.ppg) == len(expected)
    np.testing.assert_allclose(got.ppg, expected, atol=5e-3 * expected.std())
    assert got.at(np.array([1])).shape == (1, 320)
    np.testing.assert_array_equal(got.at(np.array([1]))[0], got.ppg[80:400])
