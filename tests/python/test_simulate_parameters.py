"""Every parameter of the simulator: it matters, it is bounded, and it says so."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ppgfast.simulate import Motion, Pulse, Respiration, Rhythm, Sensor, ppg_simulate, random_subject

BASE = {
    "rhythm": Rhythm(kind=((0, "sinus"), (10, "pvc"), (20, "pac"), (30, "af")), af_cv=0.4),
    "pulse": Pulse(),
    "respiration": Respiration(),
    "motion": Motion(
        activity=((0, "rest"), (10, "gestures"), (20, "walk"), (30, "run")), cadence_lock=0.5, slips=30
    ),
    "sensor": Sensor(gain_steps=1000, gaps=600, off_wrist=300, jitter=0.001, polarity_flips=100),
}
FIELDS = [(group, name) for group, value in BASE.items() for name in value.__dataclass_fields__]
BOUNDED = [
    (group, name) for group, name in FIELDS if "low" in BASE[group].__dataclass_fields__[name].metadata
]


def simulate(**changes):
    return ppg_simulate(
        **{"duration": 40, "sampling_rate": 50, "seed": 3, "heart_rate": 90, **BASE, **changes}
    )


@pytest.fixture(scope="module")
def usual():
    return simulate()


def rule(group, name):
    return BASE[group].__dataclass_fields__[name].metadata


@pytest.mark.parametrize(("group", "name"), FIELDS)
def test_every_parameter_changes_the_recording(usual, group, name):
    value = getattr(BASE[group], name)
    if "options" in rule(group, name):
        other = next(option for option in rule(group, name)["options"] if option != value)
    else:
        low, high = rule(group, name)["low"], rule(group, name)["high"]
        other = type(value)(
            low + 0.7 * (high - low) if value < (low + high) / 2 else low + 0.2 * (high - low)
        )
    changed = simulate(**{group: replace(BASE[group], **{name: other})})
    same = [
        np.array_equal(value, getattr(changed, key))
        for key, value in vars(usual).items()
        if isinstance(value, np.ndarray)
    ]
    assert not all(same)


@pytest.mark.parametrize(("group", "name"), BOUNDED)
def test_every_parameter_is_held_to_its_range(group, name):
    low, high = rule(group, name)["low"], rule(group, name)["high"]
    for wrong in (low - 1, high + 1, float("nan")):
        with pytest.raises(ValueError, match=re.escape(f", expected {low:g} to {high:g}")):
            replace(BASE[group], **{name: wrong})
    with pytest.raises(TypeError, match=f"{name} is '1'"):
        replace(BASE[group], **{name: "1"})
    with pytest.raises(TypeError, match=f"{name} is True"):
        replace(BASE[group], **{name: True})


@pytest.mark.parametrize(("group", "name"), FIELDS)
def test_every_parameter_states_meaning_and_source(group, name):
    assert len(rule(group, name)["meaning"]) > 10 or "cadence" in name
    assert rule(group, name)["source"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration": 0.5}, "duration is 0.5, expected 1 to 1e[+]06 s"),
        ({"sampling_rate": 5}, "sampling_rate is 5, expected 10 to 2000 Hz"),
        ({"heart_rate": 300}, "heart_rate is 300, expected 20 to 240 bpm"),
        ({"heart_rate": ((0, 10), (60, 10))}, r"heart_rate\[1\] is 10, expected 20 to 240 bpm"),
        ({"heart_rate": ((10, 0), (60, 70))}, "times ascending"),
        ({"heart_rate": ((0, 10), (60,))}, "2 times and 1 values"),
        ({"seed": -1}, "seed is -1, expected an integer"),
        ({"rhythm": "flutter"}, "'flutter', expected one of sinus, af, pvc, pac, bigeminy"),
        ({"motion": "swim"}, "'swim', expected one of rest, gestures, walk, run"),
        ({"motion": ((5, "walk"),)}, "expected 0 first"),
        ({"motion": ((0, "walk"), (9, "rest"), (4, "run"))}, "ascending times"),
        ({"motion": ((0, "walk"), (9, "swim"))}, "'swim', expected one of"),
        ({"motion": ("walk", "run")}, r"\(start in s, name\)"),
    ],
)
def test_bad_arguments_are_named_with_what_was_expected(changes, message):
    with pytest.raises(ValueError, match=message):
        simulate(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration": "60"}, "duration is '60'"),
        ({"heart_rate": [60, 70]}, r"heart_rate is \[60, 70\], expected a number or"),
        ({"heart_rate": ((0, "x"), (60, 70))}, "expected a number or"),
        ({"pulse": Sensor()}, "expected a Pulse"),
        ({"rhythm": 3}, "rhythm is 3, expected a Rhythm"),
        ({"sensor": {"noise": 0}}, "expected a Sensor"),
    ],
)
def test_arguments_of_the_wrong_type_are_named(changes, message):
    with pytest.raises(TypeError, match=message):
        simulate(**changes)


def test_fractions_of_a_bit_and_unknown_polarities_are_refused():
    with pytest.raises(ValueError, match=r"bits is 12\.5, expected a whole number"):
        Sensor(bits=12.5)
    with pytest.raises(ValueError, match="polarity is 0, expected one of 1, -1"):
        Sensor(polarity=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"setting": "moon"}, "setting is 'moon', expected one of daily, treadmill, bed"),
        ({"rhythm": "flutter"}, "rhythm is 'flutter', expected one of sinus, af"),
        ({"duration": 0}, "duration is 0, expected 1 to"),
    ],
)
def test_bad_wishes_for_a_random_subject_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        random_subject(1, **{"duration": 60, **changes})
