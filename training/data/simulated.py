"""Simulated people: wrist or finger PPG with accelerometer and exact truth, from `ppgfast.simulate`."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from ..config import Section
from .errors import DataError
from .recording import Beats, DataSet, PerSegment, Record, Recording, Sampled

ACTIVITIES = {0: "rest", 1: "gestures", 2: "walk", 3: "run"}
ACTIVITY_RATE = 4.0


class SimulateConfig(Section):
    """Which people are simulated, and for how long."""

    subjects: int = Field(default=32, ge=1, le=100_000, description="number of people")
    seconds: float = Field(default=600.0, ge=1, description="length of each recording in s")
    sampling_rate: float = Field(
        default=64.0, ge=10, le=2000, description="rate of the simulated device in Hz"
    )
    setting: Literal["daily", "treadmill", "bed"] = Field(
        default="daily", description="daily and treadmill: wrist, in motion; bed: finger probe on a patient"
    )
    rhythms: tuple[Literal["sinus", "af", "pvc", "pac", "bigeminy"], ...] = Field(
        default=(), description="dealt out to the people in turn; none = drawn, sinus rhythm most often"
    )
    seed: int = Field(default=0, ge=0, le=10_000, description="other seeds are other people")


def records(source: SimulateConfig | None, channel: str | None = None) -> dict[str, Record]:
    """One record per person; its files are the simulator's own: a changed simulator counts as new data."""
    if source is not None and not isinstance(source, SimulateConfig):
        raise DataError(f"simulated reads no files, found {source!r}: give a SimulateConfig")
    import ppgfast.simulate

    config = source or SimulateConfig()
    program = tuple(sorted(Path(ppgfast.simulate.__path__[0]).glob("*.py")))
    return {
        f"simulated_{config.seed}_{k:05d}": Record(program if k == 0 else (), partial(_read, config, k))
        for k in range(config.subjects)
    }


def _read(config: SimulateConfig, k: int) -> Iterator[Recording]:
    from ppgfast.simulate import random_subject

    seed = config.seed * 100_000 + k
    rhythm = config.rhythms[k % len(config.rhythms)] if config.rhythms else None
    person = random_subject(seed, duration=config.seconds, setting=config.setting, rhythm=rhythm)
    truth = person.simulate(duration=config.seconds, sampling_rate=config.sampling_rate, seed=seed)
    names = truth.activity(1 / ACTIVITY_RATE, 1 / ACTIVITY_RATE)
    activity = np.select([names == name for name in ACTIVITIES.values()], list(ACTIVITIES), default=-1)
    name = f"simulated_{config.seed}_{k:05d}"
    yield Recording(
        name=name,
        subject=name,
        source=None,
        ppg=truth.signal[None].astype(np.float64),
        sampling_rate=config.sampling_rate,
        labels={"hr": Beats(truth.beat_times), "af": PerSegment(np.array([person.rhythm.kind == "af"]))},
        acc=truth.acc.T[None].astype(np.float64),
        acc_rate=truth.acc_rate,
        activity=Sampled(activity, ACTIVITY_RATE, codes=True),
    )


DATA_SET = DataSet(
    name="simulated",
    title="Simulated people",
    tasks=("hr", "af"),
    sampling_rate=0.0,
    layout="a SimulateConfig",
    licence="Apache-2.0, as this program",
    citation="ppgfast",
    records=records,
    activities=ACTIVITIES,
    acc_units="g",
    note="Heart rate from the simulated R waves; rhythm as simulated.",
)
