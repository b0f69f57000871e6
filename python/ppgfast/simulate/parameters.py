"""What a simulation can be told: frozen groups of parameters, each with unit, range and source.

The range in the declaration is the one that is enforced and the one that the documentation prints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .checks import Group, check_number, choice, number, trajectory

RHYTHMS = ("sinus", "af", "pvc", "pac", "bigeminy")
ACTIVITIES = ("rest", "gestures", "walk", "run")


@dataclass(frozen=True, kw_only=True)
class Rhythm(Group):
    """When the heart beats."""

    kind: str | tuple[tuple[float, str], ...] = choice(
        "sinus", RHYTHMS, "rhythm; over time as ((0, 'sinus'), (60, 'af'))", "Solosenko 2017", over_time=True
    )
    sdnn: float = number(
        0.045, 0.0, 0.2, "s", "standard deviation of sinus RR at 60 bpm", "Task Force 1996, Umetani 1998"
    )
    fractal: float = number(0.4, 0.0, 0.95, "", "share of RR variance that is 1/f noise", "Kobayashi 1982")
    lf_hf: float = number(
        1.5, 0.05, 20.0, "", "RR variance around lf_frequency over that of breathing", "McSharry 2003"
    )
    lf_frequency: float = number(
        0.1, 0.04, 0.15, "Hz", "centre of the slow oscillation of RR", "McSharry 2003"
    )
    vagal_loss: float = number(
        0.025, 0.0, 0.06, "1/bpm", "variability falls as exp(-vagal_loss (HR - 60))", "Monfredi 2014"
    )
    ectopy: float = number(0.1, 0.0, 0.5, "", "share of beats that are premature (pvc, pac)", "Schmidt 1999")
    coupling: float = number(0.65, 0.4, 0.95, "", "premature interval over sinus interval", "Schmidt 1999")
    ectopic_stroke: float = number(
        0.7, 0.0, 1.0, "", "stroke of a ventricular beat over what its filling allows", "Solosenko 2017"
    )
    af_cv: float = number(0.23, 0.02, 0.45, "", "standard deviation over mean of RR in AF", "Hennig 2006")
    refractory: float = number(
        0.24, 0.15, 0.4, "s", "shortest RR that the AV node lets through", "Corino 2011"
    )


@dataclass(frozen=True, kw_only=True)
class Pulse(Group):
    """What one beat looks like: three Gaussians in log time, scaled by the ejection time.

    `Pulse.at_age(years)` gives the shape of an age; the defaults are those of 50 years.
    """

    amplitude: float = number(1.0, 1e-3, 1e6, "a.u.", "height of one isolated pulse", "free")
    ejection: float = number(
        0.31, 0.2, 0.42, "s", "ejection time at 60 bpm; it goes with the root of RR", "Weissler 1968"
    )
    systolic_time: float = number(0.76, 0.4, 1.1, "ejection", "top of the systolic wave", "Allen 2007")
    systolic_width: float = number(0.425, 0.2, 0.8, "ln", "its width in log time", "Solosenko 2017")
    reflected: float = number(0.175, 0.0, 1.0, "systolic", "height of the dicrotic wave", "Dawber 1973")
    reflected_time: float = number(1.565, 1.0, 2.2, "ejection", "top of the dicrotic wave", "Charlton 2019")
    reflected_width: float = number(0.16, 0.08, 0.4, "ln", "its width in log time", "Dawber 1973")
    runoff: float = number(0.55, 0.0, 1.5, "systolic", "height of the diastolic run-off", "Charlton 2019")
    runoff_time: float = number(1.75, 0.8, 3.0, "ejection", "top of the run-off", "Charlton 2019")
    runoff_width: float = number(0.58, 0.3, 1.0, "ln", "its width in log time", "Solosenko 2017")
    transit: float = number(0.2, 0.05, 0.6, "s", "from the R wave to the foot of the pulse", "Allen 2007")
    transit_jitter: float = number(
        0.006, 0.0, 0.05, "s", "its standard deviation, half of the variance with breathing", "Gil 2010"
    )
    filling: float = number(
        0.25,
        0.02,
        1.0,
        "s",
        "time constant of filling at 60 bpm: stroke against the RR before",
        "Tabata 2001",
    )
    deficit: float = number(
        0.38, 0.0, 0.6, "s", "RR at 60 bpm below which a beat gives no pulse", "Solosenko 2017"
    )
    amplitude_cv: float = number(0.02, 0.0, 0.5, "", "unexplained variation of the stroke", "Allen 2007")
    vasomotion: float = number(
        0.12, 0.0, 1.0, "", "standard deviation of the slow change of ln(pulse height)", "Nitzan 1998"
    )
    wander: float = number(
        0.15, 0.0, 5.0, "amplitude", "standard deviation of the slow change of blood volume", "Nitzan 1998"
    )
    vasomotion_frequency: float = number(
        0.1, 0.01, 0.2, "Hz", "frequency below which both slow changes lie", "Stefanovska 1999"
    )

    @classmethod
    def at_age(cls, years: float, **changes: float) -> Pulse:
        """The pulse shape typical of an age of 20 to 90 years, with any parameter changed.

        The dicrotic wave of the young (class 1 of Dawber 1973) merges into the systolic wave of the old
        (class 4).
        """
        check_number("age", years, AGES[0], AGES[-1], "years")
        shape = {name: float(np.interp(years, AGES, values)) for name, values in AGE_SHAPES.items()}
        return cls(**{**shape, **changes})


AGES = (20.0, 40.0, 60.0, 90.0)
AGE_SHAPES = {
    "systolic_time": (0.66, 0.72, 0.80, 0.86),
    "systolic_width": (0.41, 0.42, 0.43, 0.45),
    "reflected": (0.28, 0.22, 0.13, 0.10),
    "reflected_time": (1.85, 1.78, 1.35, 1.20),
    "reflected_width": (0.16, 0.16, 0.16, 0.17),
    "runoff": (0.33, 0.40, 0.70, 0.95),
    "runoff_time": (1.60, 1.65, 1.85, 1.95),
    "runoff_width": (0.66, 0.62, 0.54, 0.49),
}


@dataclass(frozen=True, kw_only=True)
class Respiration(Group):
    """Breathing and what it does to the pulse; what it does to RR is the HF part of `Rhythm`."""

    rate: float | tuple[tuple[float, ...], tuple[float, ...]] = trajectory(
        15.0, 4.0, 60.0, "1/min", "breaths; also (times, values)", "Charlton 2018"
    )
    variability: float = number(
        0.1, 0.0, 0.5, "", "coefficient of variation of breath rate and depth", "Charlton 2018"
    )
    inspiration: float = number(0.4, 0.2, 0.7, "", "share of a breath spent inhaling", "Charlton 2018")
    baseline: float = number(
        0.1, 0.0, 3.0, "amplitude", "standard deviation that breathing gives the baseline", "Meredith 2012"
    )
    amplitude: float = number(
        0.05, 0.0, 0.5, "", "standard deviation that breathing gives ln(pulse height)", "Meredith 2012"
    )


@dataclass(frozen=True, kw_only=True)
class Motion(Group):
    """What the wrist does, what the accelerometer sees and what reaches the PPG."""

    activity: str | tuple[tuple[float, str], ...] = choice(
        "rest", ACTIVITIES, "activity; over time as ((0, 'rest'), (60, 'walk'))", "Reiss 2019", over_time=True
    )
    walk_cadence: float = number(115.0, 60.0, 150.0, "steps/min", "cadence of walking", "MacDougall 2005")
    run_cadence: float = number(162.0, 120.0, 210.0, "steps/min", "cadence of running", "Zhang 2015, data")
    cadence_cv: float = number(0.015, 0.0, 0.2, "", "slow relative variation of cadence", "MacDougall 2005")
    cadence_lock: float = number(
        0.0, 0.0, 1.0, "", "pull of cadence towards the nearer of HR and HR/2; 1 locks it", "Kirby 1989"
    )
    intensity: float = number(
        1.0, 0.0, 5.0, "", "factor on acceleration: 1 is 1.1 g RMS running, 0.3 walking", "Zhang 2015, data"
    )
    artefact: float = number(
        0.8, 0.0, 100.0, "amplitude/g", "what acceleration adds to the PPG below resonance", "Paliakaite 2021"
    )
    saturation: float = number(4.0, 0.1, 50.0, "amplitude", "bound of that artefact", "Paliakaite 2021")
    asymmetry: float = number(
        0.3,
        0.0,
        1.0,
        "",
        "working point of the saturation; above 0 it adds even harmonics",
        "Paliakaite 2021",
    )
    tissue_frequency: float = number(
        2.5, 0.5, 8.0, "Hz", "resonance of tissue and blood under the sensor", "Paliakaite 2021"
    )
    tissue_damping: float = number(0.6, 0.1, 2.0, "", "damping ratio of that resonance", "Paliakaite 2021")
    coupling_time: float = number(
        15.0, 1.0, 1000.0, "s", "time over which the direction that couples changes", "Paliakaite 2021"
    )
    slips: float = number(1.0, 0.0, 60.0, "1/min", "shifts of the sensor while moving", "Paliakaite 2021")


@dataclass(frozen=True, kw_only=True)
class Sensor(Group):
    """What the electronics add and lose. Unit "amplitude" is `Pulse.amplitude`."""

    high_pass: float = number(0.05, 0.0, 1.0, "Hz", "corner of the AC coupling; 0 is none", "Allen 2007")
    low_pass: float = number(12.0, 2.0, 1e3, "Hz", "corner of the second-order smoothing filter", "free")
    noise: float = number(0.01, 0.0, 5.0, "amplitude", "white noise per sample before low_pass", "free")
    bits: int = number(16, 4, 24, "bit", "resolution of the converter", "free")
    full_scale: float = number(20.0, 0.5, 1e4, "amplitude", "from clipping to clipping", "free")
    polarity: int = choice(1, (1, -1), "-1 where more blood gives less signal", "Allen 2007")
    polarity_flips: float = number(0.0, 0.0, 3600.0, "1/h", "changes of sign", "free")
    gain_steps: float = number(0.0, 0.0, 3600.0, "1/h", "changes of gain", "free")
    gain_ratio: float = number(2.0, 1.0, 8.0, "", "one such change; the gain stays in 1/8 to 8", "free")
    jitter: float = number(
        0.0, 0.0, 0.01, "s", "standard deviation of the sampling instants, at most 0.45 of a period", "free"
    )
    gaps: float = number(0.0, 0.0, 3600.0, "1/h", "losses of samples, filled with the last value", "free")
    gap_length: float = number(1.0, 0.05, 60.0, "s", "their mean length, exponential", "free")
    off_wrist: float = number(0.0, 0.0, 360.0, "1/h", "times that the device is taken off", "Reiss 2019")
    off_wrist_length: float = number(20.0, 1.0, 600.0, "s", "their mean length, exponential", "free")
    acc_rate: float = number(32.0, 5.0, 500.0, "Hz", "sampling rate of the accelerometer", "Reiss 2019")
    acc_noise: float = number(0.004, 0.0, 0.5, "g", "standard deviation of its white noise", "free")
