"""The pictures of docs/simulator.md."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .measures import CLASSES, CYCLE
from .recordings import RATE, RHYTHM_RATE, Floats, Windows

RECORDED, SIMULATED = "#1f4e79", "#c8553d"
COLOURS = (RECORDED, SIMULATED)
SHOWN = 3  # windows of each kind and side
MOVING = 0.5  # g, RMS acceleration of a window that counts as running

Pair = tuple[Sequence[Windows], Sequence[Windows]]
Rhythms = tuple[dict[str, Floats], dict[str, Floats]]


def examples(path: Path, running: Pair, resting: Pair, rhythms: Rhythms) -> None:
    """Windows drawn at random, recorded on the left, simulated on the right."""
    draw = np.random.default_rng(2015)
    fig, axes = plt.subplots(4, 2 * SHOWN, figsize=(13, 5.4), constrained_layout=True)
    for side in range(2):
        columns = axes[:, side * SHOWN : (side + 1) * SHOWN]
        runs = [record.take(_motion(record) > MOVING) for record in running[side]]
        for row, records in ((0, runs), (1, resting[side])):
            usable = [record for record in records if len(record.hr)]
            for axis, index in zip(columns[row], draw.choice(len(usable), SHOWN, replace=False), strict=True):
                record = usable[index]
                window = draw.integers(len(record.hr))
                _trace(axis, record.ppg[window], RATE, COLOURS[side], f"{record.hr[window]:.0f} bpm")
        for row, rhythm in ((2, "af"), (3, "pvc")):
            segments = rhythms[side][rhythm]
            for axis, index in zip(
                columns[row], draw.choice(len(segments), SHOWN, replace=False), strict=True
            ):
                _trace(axis, segments[index], RHYTHM_RATE, COLOURS[side])
    for row, label in enumerate(
        ("running, wrist", "patient, finger", "atrial fibrillation", "ventricular ectopy")
    ):
        axes[row, 0].set_ylabel(label, fontsize=8)
    fig.suptitle("recorded" + 90 * " " + "simulated", fontsize=11)
    _save(fig, path)


def statistics(
    path: Path,
    spectra: dict[str, Sequence[tuple[Floats, Floats]]],
    pulses: Sequence[dict[tuple[int, int], Floats]],
    errors: dict[str, Sequence[Floats]],
    intervals: dict[str, Sequence[Floats]],
) -> None:
    """Spectra, mean pulses, spectral-peak errors and intervals, in pairs of (recorded, simulated)."""
    fig, axes = plt.subplots(2, 4, figsize=(13, 5.4), constrained_layout=True)
    for axis, (name, sides) in zip(axes[0, :2], spectra.items(), strict=True):
        for (f, level), colour in zip(sides, COLOURS, strict=True):
            axis.plot(f[1:], level[1:], color=colour)
        axis.set(
            xscale="log", xlim=(0.25, 20), ylim=(-55, 5), xlabel="Hz", ylabel="dB", title=f"spectrum, {name}"
        )
    for axis, (name, found) in zip(axes[0, 2:], errors.items(), strict=True):
        for error, colour in zip(found, COLOURS, strict=True):
            axis.plot(np.sort(error), np.linspace(0, 1, len(error)), color=colour)
        axis.set(xlim=(0.1, 150), xscale="log", xlabel="bpm", title=f"spectral-peak error, {name}")
        axis.set_ylabel("share of windows below")
    cycle = np.arange(CYCLE) / CYCLE
    for axis, bounds in zip(axes[1, :2], (CLASSES[1], CLASSES[3]), strict=True):
        for shapes, colour in zip(pulses, COLOURS, strict=True):
            low, high = np.percentile(shapes[bounds], [10, 90], axis=0)
            axis.fill_between(cycle, low, high, color=colour, alpha=0.2, lw=0)
            axis.plot(cycle, shapes[bounds].mean(axis=0), color=colour)
        axis.set(xlabel="share of the cycle", title=f"pulse at {bounds[0]}-{bounds[1]} bpm")
    for axis, (name, parts) in zip(axes[1, 2:], intervals.items(), strict=True):
        for part, colour in zip(parts, COLOURS, strict=True):
            axis.hist(part, np.linspace(0.3, 2, 69), density=True, histtype="step", color=colour)
        axis.set(xlabel="pulse interval / its mean", title=f"intervals, {name}", yticks=[])
    axes[0, 0].text(0.05, 0.2, "recorded", color=RECORDED, transform=axes[0, 0].transAxes)
    axes[0, 0].text(0.05, 0.08, "simulated", color=SIMULATED, transform=axes[0, 0].transAxes)
    for axis in axes.flat:
        axis.title.set_fontsize(9)
        axis.tick_params(labelsize=7)
    _save(fig, path)


def _motion(record: Windows) -> Floats:
    assert record.acc is not None
    return np.asarray(np.sqrt(record.acc.var(axis=2).sum(axis=1)))


def _trace(axis: Axes, x: Floats, rate: float, colour: str, note: str = "") -> None:
    axis.plot(np.arange(len(x)) / rate, x, color=colour, lw=0.8)
    axis.text(0.99, 0.97, note, ha="right", va="top", fontsize=7, transform=axis.transAxes)
    axis.set(xticks=[0, 2, 4, 6, 8], yticks=[])
    axis.tick_params(labelsize=6)
    axis.margins(x=0)


def _save(fig: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=72, pil_kwargs={"optimize": True})
    plt.close(fig)
