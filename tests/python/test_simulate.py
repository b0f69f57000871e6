"""The simulated recording: the same everywhere, and in agreement with the truth it comes with."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppgfast.simulate import (
    ACTIVITIES,
    RHYTHMS,
    SETTINGS,
    Motion,
    Pulse,
    Respiration,
    Rhythm,
    Sensor,
    ppg_simulate,
    random_subject,
)

STILL = Sensor(noise=0.0)
STEADY = Rhythm(sdnn=0.0)
PLACES = [3, 20, 41]
PINNED: dict[str, list[float]] = {
    "signal": [-0.2606201, -0.2218628, -0.5108643],
    "clean": [-0.0727331, -0.3590877, -0.6835716],
    "gain": [1.0, 1.0, 1.0],
    "respiration": [-1.4569267, -1.2078025, -0.3618761],
    "acc": [-0.1317303, -1.5385081, -1.222984],
    "beat_times": [3.071903, 17.5789957, 34.7690536],
    "rr_intervals": [0.8556369, 0.8946789, 0.8472401],
    "pulse_times": [3.2661388, 17.7779365, 34.9717021],
    "pulse_heights": [0.9598501, 0.8573067, 1.0558224],
    "time": [0.0442028, 0.311623, 0.6370294],
}


def simulate(**changes):
    return ppg_simulate(**{"duration": 60, "sampling_rate": 64, "seed": 7, **changes})


def arrays(record):
    return {name: value for name, value in vars(record).items() if isinstance(value, np.ndarray)}


def spectrum(x, rate):
    x = (x - x.mean()) * np.hanning(len(x))
    return np.fft.rfftfreq(1 << 16, 1 / rate), np.abs(np.fft.rfft(x, 1 << 16))


def peak(x, rate, low, high):
    """Frequency (Hz) of the highest spectral line between low and high."""
    f, power = spectrum(x, rate)
    band = (f >= low) & (f <= high)
    return f[band][power[band].argmax()]


def test_fields_have_the_promised_shapes_and_types():
    record = simulate(motion="walk", sensor=Sensor(acc_rate=25.0))
    n, m = 60 * 64, len(record.beat_times)
    for name in ("signal", "clean", "gain", "respiration"):
        assert getattr(record, name).dtype == np.float32
        assert getattr(record, name).shape == (n,)
    assert record.artefact.dtype == record.lost.dtype == np.bool_
    assert record.acc.shape == (60 * 25, 3)
    assert record.acc.dtype == np.float32
    assert record.rr_intervals.shape == record.beats.shape == record.pulse_times.shape == (m,)
    assert np.allclose(np.diff(record.beat_times), record.rr_intervals[1:], atol=1e-12)


def test_a_seed_gives_the_same_samples_everywhere():
    sensor = Sensor(gain_steps=200, gaps=60, off_wrist=30, jitter=0.002, polarity_flips=60)
    record = simulate(
        rhythm=((0, "sinus"), (20, "af"), (40, "pvc")), motion=((0, "run"), (30, "gestures")), sensor=sensor
    )
    assert {name: getattr(record, name).ravel()[PLACES].tolist() for name in PINNED} == {
        name: pytest.approx(values, abs=2e-6) for name, values in PINNED.items()
    }


def test_the_global_generators_neither_matter_nor_change():
    before = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    record = simulate(motion="run")
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    other = simulate(motion="run")
    assert all(np.array_equal(value, getattr(other, name)) for name, value in arrays(record).items())
    assert not np.array_equal(record.signal, simulate(motion="run", seed=8).signal)


@pytest.mark.parametrize("rate", [20, 64, 200])
def test_the_sampling_rate_changes_only_the_sampling(rate):
    fine, coarse = simulate(sampling_rate=10 * rate, rhythm="pac"), simulate(sampling_rate=rate, rhythm="pac")
    for name in ("beat_times", "rr_intervals", "pulse_times", "pulse_heights", "beats", "acc"):
        assert np.array_equal(getattr(fine, name), getattr(coarse, name))
    assert np.abs(fine.clean[::10] - coarse.clean).max() < 0.01


def test_every_pulse_of_the_clean_signal_follows_its_beat():
    record = simulate(duration=120, sampling_rate=200, rhythm="pvc", pulse=Pulse(transit_jitter=0.0))
    assert np.allclose(record.pulse_times - record.beat_times, 0.2)
    usual = (record.beats == "sinus") & (record.pulse_times < 119)
    delays = []
    for foot, rr in zip(record.pulse_times[usual], record.rr_intervals[usual], strict=True):
        part = record.clean[int(foot * 200) : int((foot + 0.5) * 200)]
        assert part.max() - part[0] > 0.3
        delays.append((part.argmax() / 200) / np.sqrt(rr))
    assert 0.1 < np.median(delays) < 0.35
    assert np.std(delays) < 0.05


def test_heart_rate_of_a_window_is_sixty_over_the_mean_interval_in_it():
    record = simulate(rhythm="af", heart_rate=((0, 60), (60, 120)))
    for start, rate in zip(record.windows(8, 2), record.hr(8, 2), strict=True):
        inside = record.beat_times[(record.beat_times >= start) & (record.beat_times < start + 8)]
        assert rate == pytest.approx(60 / np.diff(inside).mean())
    assert record.hr(8, 2)[-1] > 1.5 * record.hr(8, 2)[0]
    assert np.isnan(simulate(heart_rate=30).hr(1, 1)).any()


def test_windows_fill_the_record():
    record = simulate()
    assert record.windows(8, 2).tolist() == [2.0 * k for k in range(27)]
    assert record.windows(60, 1).tolist() == [0.0]
    with pytest.raises(ValueError, match=r"window is 61.*60"):
        record.hr(61, 2)
    with pytest.raises(ValueError, match="hop is 0"):
        record.hr(8, 0)


def test_the_mask_marks_exactly_what_noise_does_not_explain():
    sensor = Sensor(noise=0.05, gaps=120, off_wrist=30, full_scale=3.0)
    record = simulate(duration=300, motion=((0, "rest"), (100, "run")), sensor=sensor)
    far = np.abs(record.signal.astype(float) - record.clean) > record.tolerance
    assert np.array_equal(record.artefact, far | record.lost)
    assert record.artefact[110 * 64 :].mean() > 0.3
    quiet = simulate(duration=300, sensor=Sensor(noise=0.05, low_pass=1000))
    assert not quiet.artefact.any()
    assert (quiet.signal - quiet.clean).std() == pytest.approx(0.05, rel=0.05)
    assert record.quality(8, 2) == pytest.approx(
        [1 - record.artefact[128 * k : 128 * k + 512].mean() for k in range(147)]
    )


def test_without_noise_and_motion_the_signal_is_the_clean_one_rounded():
    record = simulate(motion=Motion(artefact=0.0), sensor=Sensor(noise=0.0, bits=8, full_scale=4.0))
    step = 4.0 / 256
    assert np.abs(record.signal - record.clean).max() <= step / 2 + 1e-6
    assert np.allclose(record.signal / step, np.round(record.signal / step), atol=1e-4)


def test_clipping_holds_the_signal_within_the_full_scale():
    record = simulate(sensor=Sensor(full_scale=0.6, noise=0.0))
    assert record.signal.max() <= 0.3 < record.clean.max()
    assert record.artefact[record.clean > 0.4].all()


def test_gaps_repeat_the_last_sample_and_are_lost():
    record = simulate(sensor=Sensor(gaps=600, gap_length=0.5))
    assert 0.02 < record.lost.mean() < 0.3
    assert (np.diff(record.signal)[record.lost[1:]] == 0).all()


def test_off_the_wrist_there_is_no_pulse():
    record = simulate(
        duration=600, heart_rate=90, sensor=Sensor(off_wrist=60, off_wrist_length=30), rhythm=STEADY
    )
    line = [np.where(where, record.signal, 0) for where in (record.lost, ~record.lost)]
    f, off = spectrum(line[0], 64)
    _, on = spectrum(line[1], 64)
    at, beside = np.abs(f - 1.5) < 0.02, (np.abs(f - 1.5) > 0.1) & (np.abs(f - 1.5) < 0.3)
    assert on[at].max() > 5 * np.median(on[beside])
    assert off[at].max() < 5 * np.median(off[beside])


def test_polarity_and_gain_apply_to_both_signals():
    plain, turned = simulate(sensor=STILL), simulate(sensor=replace(STILL, polarity=-1))
    assert np.array_equal(turned.clean, -plain.clean)
    assert np.array_equal(turned.gain, -plain.gain)
    stepped = simulate(sensor=replace(STILL, gain_steps=600, polarity_flips=600), motion=Motion(artefact=0.0))
    assert len(np.unique(stepped.gain)) > 2
    assert np.allclose(stepped.clean, plain.clean * stepped.gain, atol=1e-5)
    assert not stepped.artefact.any()


def test_jitter_moves_the_sampling_instants():
    record = simulate(sensor=Sensor(jitter=0.002))
    late = record.time - np.arange(len(record.time)) / 64
    assert late.std() == pytest.approx(0.002, rel=0.1)
    assert (np.diff(simulate(sensor=Sensor(jitter=0.01), sampling_rate=500).time) > 0).all()


def test_heart_rate_follows_its_knots():
    record = simulate(duration=300, heart_rate=((60, 200, 240), (60, 160, 100)), rhythm=STEADY)
    middle = record.windows(8, 2) + 4
    assert np.allclose(record.hr(8, 2), np.interp(middle, (60, 200, 240), (60, 160, 100)), atol=2.5)


def test_activity_and_rhythm_of_windows_follow_their_schedules():
    record = simulate(motion=((0, "rest"), (20, "walk"), (40, "run")), rhythm=((0, "sinus"), (30, "af")))
    assert record.activity(10, 10).tolist() == ["rest", "rest", "walk", "walk", "run", "run"]
    assert record.af(10, 10).tolist() == [0, 0, 0, 1, 1, 1]
    alone = simulate(motion="walk")
    assert set(alone.activity(10, 10)) == {"walk"}


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_allowed_setting_gives_a_finite_signal_of_the_right_length(data):
    groups = {
        name: kind(**{field: data.draw(strategy) for field, strategy in allowed(kind).items()})
        for name, kind in (
            ("rhythm", Rhythm),
            ("pulse", Pulse),
            ("respiration", Respiration),
            ("motion", Motion),
            ("sensor", Sensor),
        )
    }
    duration, rate = data.draw(st.floats(1, 40)), data.draw(st.floats(10, 300))
    heart_rate = data.draw(st.floats(20, 240))
    record = ppg_simulate(
        duration=duration,
        sampling_rate=rate,
        seed=data.draw(st.integers(0, 2**40)),
        heart_rate=heart_rate,
        **groups,
    )
    assert len(record.signal) == len(record.clean) == len(record.artefact) == round(duration * rate)
    assert len(record.acc) == round(duration * groups["sensor"].acc_rate)
    assert all(np.isfinite(value).all() for value in arrays(record).values() if value.dtype.kind == "f")
    assert (record.rr_intervals > 0).all()
    assert np.abs(record.signal).max() <= groups["sensor"].full_scale * groups["pulse"].amplitude


def allowed(kind):
    """A strategy for every field of a group, over its whole range."""
    found = {}
    for name, field in kind.__dataclass_fields__.items():
        rule = field.metadata
        if "options" in rule:
            found[name] = st.sampled_from(rule["options"])
        elif isinstance(field.default, int):
            found[name] = st.integers(rule["low"], rule["high"])
        else:
            found[name] = st.floats(rule["low"], rule["high"])
    return found


@pytest.mark.parametrize("setting", SETTINGS)
def test_random_subjects_are_plausible_and_varied(setting):
    people = [random_subject(seed, duration=300, setting=setting) for seed in range(60)]
    rates = np.concatenate([person.heart_rate[1] for person in people])
    assert rates.min() >= 40
    assert rates.max() <= 190
    assert np.ptp([person.heart_rate[1][0] for person in people]) > 30
    assert {person.rhythm.kind for person in people} <= set(RHYTHMS)
    if setting != "treadmill":
        assert len({person.rhythm.kind for person in people}) == len(RHYTHMS)
    activities = {name for person in people for _, name in person.motion.activity}
    assert (
        activities
        == {"daily": set(ACTIVITIES), "treadmill": {"rest", "gestures", "run"}, "bed": {"rest", "gestures"}}[
            setting
        ]
    )
    record = people[0].simulate(duration=300, sampling_rate=32, seed=1)
    assert np.isfinite(record.signal).all()
    assert 40 < np.nanmedian(record.hr(8, 2)) < 190


def test_a_random_subject_depends_on_its_seed_alone():
    person = random_subject(3, duration=100, rhythm="af")
    assert person == random_subject(3, duration=100, rhythm="af")
    assert person != random_subject(4, duration=100, rhythm="af")
    assert person.rhythm.kind == "af"


def test_running_raises_the_heart_rate_of_a_random_subject():
    person = random_subject(5, duration=400, setting="treadmill")
    record = person.simulate(duration=400, sampling_rate=32, seed=1)
    activity, rate = record.activity(8, 2), record.hr(8, 2)
    assert rate[activity == "run"].max() > rate[:5].mean() + 20
