"""Packets of samples -> what a page shows of them: waveform, beats, results, motion. No web in here."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ppgfast
from ppgfast.stream import INTERVAL, StreamResult

from .source import Packet, Source

LOOK = 0.5  # s of signal between two looks for beats and motion
BEHIND = 8.0  # s of signal in which beats are looked for
SETTLED = 0.8  # s after a beat, before it is believed
APART = 0.25  # s between beats
GAP = 0.1  # s by which a time stamp is late, and beats are looked for anew


@dataclass(frozen=True)
class Options:
    """How a model is run on a stream: s between windows (None: the model's), filter, tracker."""

    hop: float | None = None
    both_ways: bool = False
    track: bool = True


class Feed:
    """A model's stream of a source: `push` packets, get results."""

    def __init__(self, model: ppgfast.Model, source: Source, options: Options) -> None:
        self.takes_acc = model.info["input"]["channels"] == 4
        if self.takes_acc and source.acc_rate is None:
            raise ValueError(
                f"the model takes the accelerometer, and {source.name} has none: add ax,ay,az in g, or take "
                "a model for PPG alone"
            )
        self.stream = model.stream(
            sampling_rate=source.sampling_rate,
            acc_rate=source.acc_rate if self.takes_acc else None,
            timestamps=source.timed,
            hop=options.hop,
            both_ways=options.both_ways,
            track=options.track,
        )

    def push(self, packet: Packet) -> list[StreamResult]:
        if packet.anew:
            self.stream.reset()
        return self.stream.push(
            packet.ppg, acc=packet.acc if self.takes_acc else None, timestamps=packet.times
        )


class Live:
    """A source through a model and, beside it, one for fibrillation.

    `about` says what does not change; `push` returns what a packet adds, as values for JSON: `wave`,
    `beats`, `motion` (t in s and values), `results` and `af` (a dict for each window), `now` (s, of the
    newest sample), and `begin` (s) with the first sample of all and of a new stream, when all from before is
    void. Times are those of the results.
    """

    def __init__(
        self, source: Source, model: ppgfast.Model, af_model: ppgfast.Model | None, options: Options
    ) -> None:
        self.feed = Feed(model, source, options)
        self.af = None
        if af_model is not None:
            self.af = Feed(af_model, source, Options(options.hop, both_ways=_can_go_both_ways(af_model)))
        self.rate, self.acc_rate = source.sampling_rate, source.acc_rate
        self._start_anew()
        task = model.info["output"]["task"]
        self.about: dict[str, Any] = {
            "source": source.name,
            "sampling_rate": self.rate,
            "task": task,
            "window": model.info["input"]["window"] / model.info["input"]["sampling_rate"],
            "af": task == "af" or self.af is not None,
            "motion": self.acc_rate is not None,
            "delay": self.feed.stream.latency,
        }

    def push(self, packet: Packet) -> dict[str, Any]:
        arrived = time.perf_counter()
        if packet.anew:
            self._start_anew()
        times = packet.times
        if times is None:
            times = (self.samples + np.arange(len(packet.ppg))) / self.rate
        first = not self.samples and len(times)
        if first:
            self._begin = float(times[0])
        self.samples += len(times)
        results = self.feed.push(packet)
        af = self.af.push(packet) if self.af else []
        took = time.perf_counter() - arrived
        said: dict[str, Any] = {"begin": self._begin} if first else {}
        if len(times):
            self._now = float(times[-1])
            said["wave"] = {"t": _short(times, 4), "y": _significant(packet.ppg)}
        if results:
            said["results"] = [_row(result, took) for result in results]
        af = results if self.about["task"] == "af" else af
        if af:
            said["af"] = [_row(result, took) for result in af]
        beats = self._beats.push(times, packet.ppg)
        if beats["t"]:
            said["beats"] = beats
        motion = self._moved(packet, times)
        if motion["t"]:
            said["motion"] = motion
        return {**said, "now": self._now}

    def _start_anew(self) -> None:
        self.samples, self.acc_samples, self._begin, self._now = 0, 0, 0.0, 0.0
        self._beats, self._motion = Beats(self.rate), Motion(self.acc_rate or self.rate)

    def _moved(self, packet: Packet, times: NDArray[np.float64]) -> dict[str, list[float | None]]:
        if packet.acc is None or self.acc_rate is None:
            return {"t": [], "g": []}
        if packet.times is None or len(packet.acc) != len(times):  # it has a rate of its own
            times = self._begin + (self.acc_samples + np.arange(len(packet.acc))) / self.acc_rate
        self.acc_samples += len(packet.acc)
        return self._motion.push(times, packet.acc)


class Motion:
    """Mean deviation of the acceleration's size over the last second, every `LOOK` s."""

    def __init__(self, rate: float) -> None:
        self.step, self.second = round(LOOK * rate), round(rate)
        self._since = 0  # samples since the last one
        self._size: NDArray[np.float64] = np.empty(0)

    def push(self, times: NDArray[np.float64], acc: NDArray[np.float32]) -> dict[str, list[float | None]]:
        """Times in s and deviations in g; `times` (m,) s of `acc` (m, 3) g."""
        before = len(self._size)
        size = np.concatenate([self._size, np.sqrt(np.square(acc, dtype=np.float64).sum(axis=1))])
        found: dict[str, list[float | None]] = {"t": [], "g": []}
        for end in range(before - self._since + self.step, len(size) + 1, self.step):
            last = size[max(0, end - self.second) : end]
            last = last[np.isfinite(last)]
            moved = float(np.abs(last - last.mean()).mean()) if len(last) else math.nan
            found["t"].append(round(float(times[end - 1 - before]), 4))
            found["g"] += _significant(np.array([moved]))
        self._since = (self._since + len(acc)) % self.step
        self._size = size[-self.second :]
        return found


class Beats:
    """Systolic peaks as they become certain: those of `ppg_peaks` in the last seconds."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.last = -math.inf
        self._fresh = 0
        self._t: NDArray[np.float64] = np.empty(0)
        self._y: NDArray[np.float32] = np.empty(0, np.float32)

    def push(self, times: NDArray[np.float64], ppg: NDArray[np.float32]) -> dict[str, list[float | None]]:
        """The beats that are certain now: times in s, and the sample there."""
        from ppgfast.verbs.beats import beats
        from ppgfast.verbs.signal import signal_of

        found: dict[str, list[float | None]] = {"t": [], "y": []}
        late = np.flatnonzero(np.diff(times, prepend=self._t[-1:]) > GAP + 1.0 / self.rate)
        if len(late):  # beats do not reach across what is missing
            cut = int(late[-1]) + (0 if len(self._t) else 1)
            self._t, self._y, times, ppg = self._t[:0], self._y[:0], times[cut:], ppg[cut:]
        keep = round(BEHIND * self.rate)
        self._t, self._y = np.concatenate([self._t, times]), np.concatenate([self._y, ppg])
        self._fresh += len(times)
        if self._fresh < LOOK * self.rate or len(self._t) < 2:
            return found
        reach = max(keep, self._fresh + keep // 2)
        self._fresh, self._t, self._y = 0, self._t[-reach:], self._y[-reach:]
        peaks = beats(signal_of(self._y, sampling_rate=self.rate, timestamps=None), {})["sample"]
        certain = self._t[-1] - SETTLED
        for at in peaks.tolist():
            if self.last + APART < self._t[at] <= certain:
                self.last = float(self._t[at])
                found["t"] += _short(self._t[at : at + 1], 4)
                found["y"] += _significant(self._y[at : at + 1])
        self._t, self._y = self._t[-keep:], self._y[-keep:]
        return found


def _can_go_both_ways(model: ppgfast.Model) -> bool:
    return bool(model.info["kind"] != "streamgpt")


def _row(result: StreamResult, took: float) -> dict[str, Any]:
    reach = INTERVAL * result.hr_std
    row = {**result._asdict(), "hr_lo": result.hr_bpm - reach, "hr_hi": result.hr_bpm + reach}
    row["latency_ms"] = round(1e3 * took, 3)
    return {name: None if value != value else value for name, value in row.items()}


def _short(values: NDArray[np.float64], digits: int) -> list[float | None]:
    return [round(value, digits) for value in values.tolist()]


def _significant(values: NDArray[Any]) -> list[float | None]:
    """Six digits are more than a screen shows, and a third of the characters."""
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]
