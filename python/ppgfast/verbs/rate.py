"""`ppg_rate`, `ppg_af` and `ppg_quality`: one row for each window."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppgfast.bundled import models
from ppgfast.errors import SignalWarning
from ppgfast.model import Model

from .guard import Finding, examine, examine_acceleration, too_short
from .quality import quality
from .signal import Array, Floats, Motion, Signal, acceleration_of, number, signal_of
from .table import Table
from .windows import Windows, cut, fibrillation, heart_rate, model_of, versions

ModelLike = str | os.PathLike[str] | Model | None
MIN_QUALITY = 0.5


@dataclass(frozen=True, eq=False)
class Options:
    """What every verb is told about the samples; see `ppg_rate`."""

    sampling_rate: Any = None
    timestamps: Any = None
    channel: int | str | None = None
    clip: Any = None
    worn: Any = None
    polarity: str = "upright"


def opened(ppg: Any, options: Options) -> tuple[Signal, dict[str, Any]]:
    """The signal, upright, and the info that every result has; says by warnings what is wrong with it."""
    signal = signal_of(ppg, **vars(options))
    findings = examine(signal)
    turned = options.polarity == "auto" and any(finding.kind == "inverted" for finding in findings)
    if turned:
        signal = signal_of(ppg, **{**vars(options), "polarity": "inverted"})
        findings = [finding for finding in findings if finding.kind != "inverted"]
    say(findings, 4)
    info = {
        "sampling_rate": signal.rate,
        "inverted": turned or options.polarity == "inverted",
        "findings": findings,
        "versions": versions(),
    }
    return signal, info


def say(findings: list[Finding], level: int) -> None:
    """Warn of what puts the whole recording in doubt, `level` calls above this one."""
    for finding in findings:
        if finding.warns:
            warnings.warn(finding.message, SignalWarning, stacklevel=level)


def ppg_rate(
    ppg: Any,
    *,
    sampling_rate: float | None = None,
    timestamps: Any = None,
    acc: Any = None,
    acc_rate: float | None = None,
    acc_start: float = 0.0,
    model: ModelLike = None,
    hop: float | None = None,
    track: bool = True,
    min_quality: float = MIN_QUALITY,
    channel: int | str | None = None,
    clip: tuple[float, float] | None = None,
    worn: tuple[float, float] | None = None,
    polarity: str = "upright",
) -> Table:
    """Heart rate of every window.

    Parameters
    ----------
    ppg : (n,) numbers in any unit, NaN where one is missing: a list, an array, a pandas Series; or
        (n, channels) with `channel`. It is not changed.
    sampling_rate : Hz, 20 to 4000. This or `timestamps` must be given.
    timestamps : (n,) s or datetime64, rising; steps longer than usual by 0.1 s are gaps.
    acc, acc_rate : (k, 3) in g at its own rate (Hz), for models that take it.
    acc_start : s from the first sample of `ppg` to the first of `acc`, negative if `acc` begins earlier;
        windows before it are a "gap".
    model : name of a bundled model, path of a ``.ppgf`` file or a `Model`; None is "hr-tcn5k-s8", with `acc`
        "hr-tcn5k-acc-s8".
    hop : s between windows, rounded to a sample of the model; None is the model's own.
    track : whether a window's answer follows the windows before it (``Model.track``).
    min_quality : windows of less `quality` are "low_confidence".
    channel : number or name of the column that is the PPG.
    clip : (low, high), limits of the sensor in units of `ppg`; a sample at one is "clipped".
    worn : (low, high), level of a worn sensor; a sample outside is "off_wrist".
    polarity : "upright" (more blood is a larger number), "inverted", or "auto", which finds out.

    Returns
    -------
    Table of ``t_start, t_end`` (s), ``hr_bpm, hr_std, hr_lo, hr_hi`` (bpm; lo to hi is the model's 90 %
    interval), ``quality`` (the chance of being within 5 bpm), ``af_probability`` (NaN), ``valid``,
    ``reason``. Numbers are NaN where the reason is not "ok" or "low_confidence". ``info`` holds versions, the
    model's hash and `findings`.

    Raises
    ------
    TypeError, ValueError
        for misuse: what was found, what was expected, how to mend it. A signal without a pulse is no misuse.
    """
    motion = Motion(acc, acc_rate, acc_start)
    signal, info = opened(ppg, Options(sampling_rate, timestamps, channel, clip, worn, polarity))
    return heart_rate_table(signal, info, motion, model, hop, track, min_quality)[0]


def heart_rate_table(
    signal: Signal,
    info: dict[str, Any],
    motion: Motion,
    model: ModelLike,
    hop: Any,
    track: bool,
    min_quality: float,
) -> tuple[Table, Windows]:
    network, said = model_of(model, task="hr", with_acc=motion.given)
    number("min_quality", min_quality, 0.0, 1.0, "")
    windows = _cut(signal, info, network, hop, motion)
    answers = heart_rate(network, windows, track)
    sure = quality(signal, windows, answers)
    table = _table(windows, sure, min_quality, answers=answers)
    table.info |= info | {"model": said}
    return table, windows


def ppg_af(
    ppg: Any,
    *,
    model: ModelLike = None,
    sampling_rate: float | None = None,
    timestamps: Any = None,
    acc: Any = None,
    acc_rate: float | None = None,
    acc_start: float = 0.0,
    hop: float | None = None,
    min_quality: float = 0.0,
    channel: int | str | None = None,
    clip: tuple[float, float] | None = None,
    worn: tuple[float, float] | None = None,
    polarity: str = "upright",
) -> Table:
    """Probability of atrial fibrillation of every window, by a model that you choose.

    Parameters and errors as for `ppg_rate`; `model` must be given, ``ppgfast.models()`` tells what is there.
    `quality` says how well a pulse is seen, which fibrillation itself lowers, so `min_quality` is 0 unless
    you set it.

    Returns
    -------
    Table as of `ppg_rate` with ``af_probability``, 0 to 1, and no heart rate.
    """
    if model is None:
        raise ValueError(no_af_model("model"))
    motion = Motion(acc, acc_rate, acc_start)
    signal, info = opened(ppg, Options(sampling_rate, timestamps, channel, clip, worn, polarity))
    return fibrillation_table(signal, info, motion, model, hop, min_quality)


def no_af_model(option: str) -> str:
    """Why there is no probability of fibrillation, and what to pass."""
    bundled = [name for name, card in models().items() if card["task"] == "af"]
    those = f"{' or '.join(map(repr, bundled))}, which comes with the package, or " if bundled else ""
    return (
        f"no model for atrial fibrillation was given: pass {option}={those}a .ppgf file with task 'af', "
        "which python -m training makes from data of yours"
    )


def fibrillation_table(
    signal: Signal,
    info: dict[str, Any],
    motion: Motion,
    model: ModelLike,
    hop: Any,
    min_quality: float,
) -> Table:
    network, said = model_of(model, task="af", with_acc=motion.given)
    number("min_quality", min_quality, 0.0, 1.0, "")
    windows = _cut(signal, info, network, hop, motion)
    sure = quality(signal, windows, None)
    table = _table(windows, sure, min_quality, af=fibrillation(network, windows))
    table.info |= info | {"model": said}
    return table


def ppg_quality(
    ppg: Any,
    *,
    sampling_rate: float | None = None,
    timestamps: Any = None,
    acc: Any = None,
    acc_rate: float | None = None,
    acc_start: float = 0.0,
    model: ModelLike = None,
    hop: float | None = None,
    track: bool = True,
    channel: int | str | None = None,
    clip: tuple[float, float] | None = None,
    worn: tuple[float, float] | None = None,
    polarity: str = "upright",
) -> Table:
    """How far to trust each window: the chance that its heart rate is within 5 bpm of the truth.

    Parameters and errors as for `ppg_rate`, whose answers are judged.

    Returns
    -------
    Table of ``t_start, t_end`` (s), ``quality`` (0 to 1; 0 where samples are missing) and ``reason``.
    """
    options = Options(sampling_rate, timestamps, channel, clip, worn, polarity)
    motion = Motion(acc, acc_rate, acc_start)
    signal, info = opened(ppg, options)
    table, _ = heart_rate_table(signal, info, motion, model, hop, track, 0.0)
    return Table({name: table[name] for name in ("t_start", "t_end", "quality", "reason")}, table.info)


def _cut(signal: Signal, info: dict[str, Any], network: Model, hop: Any, motion: Motion) -> Windows:
    """The windows of a model, with findings of the accelerometer and of a recording shorter than one."""
    about = network.info["input"]
    windows = cut(signal, about, hop=hop, **vars(motion))
    new = []
    if motion.given:
        values = acceleration_of(**vars(motion), signal=signal)
        new = examine_acceleration(*values, signal, windows.seconds)
    if not len(windows.start):
        new.append(too_short(signal, windows.seconds))
    say(new, 5)
    info["findings"] = [*info["findings"], *new]
    return windows


def _table(
    windows: Windows,
    sure: Floats,
    min_quality: float,
    *,
    answers: Floats | None = None,
    af: Floats | None = None,
) -> Table:
    none = np.full(len(windows.start), np.nan)
    columns = [none] * 4 if answers is None else list(answers.T.copy())
    reason = np.where(windows.whole & (sure < min_quality), "low_confidence", windows.reason)
    found: dict[str, Array] = {
        "t_start": windows.start,
        "t_end": windows.start + windows.seconds,
        **dict(zip(("hr_bpm", "hr_std", "hr_lo", "hr_hi"), columns, strict=True)),
        "quality": sure,
        "af_probability": none if af is None else af,
        "valid": reason == "ok",
        "reason": reason,
    }
    return Table(found, {"window": windows.seconds, "hop": windows.hop / windows.rate})
