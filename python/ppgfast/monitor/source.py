"""Where samples come from: a recording that is played, a pipe, a Lab Streaming Layer stream.

Each gives packets of samples as they come, and what a model's stream must know of them before the first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppgfast.io import Recording

from .lines import NAMED, Lines, Row, Wanted

TICK = 0.1  # s between packets of a recording that is played
UNPACED = 10.0  # s of signal in a packet of one that is played as fast as it goes
PATIENCE = 0.2  # s that a look for samples of a Lab Streaming Layer stream takes
JITTER = 0.1  # s by which a time stamp may run back; more, and the clock was set
SLOWEST, FASTEST = 20.0, 500.0  # Hz, of what a stream takes
SEEN = 2.0  # s of time stamps from which a rate that nobody stated is found
MOST = 10_000  # lines that are looked at for it: time stamps may stand still

Complain = Callable[[str], None]


class Packet(NamedTuple):
    """Samples that came together.

    ppg : (n,) float32, NaN where one is missing. acc : (m, 3) float32 in g, or None. times : (n,) float64 s,
    or None where the rate alone says when. anew : the clock was set back, so nothing from before counts.
    """

    ppg: NDArray[np.float32]
    acc: NDArray[np.float32] | None = None
    times: NDArray[np.float64] | None = None
    anew: bool = False


@dataclass(frozen=True)
class Source:
    """`name` for people; rates in Hz, `acc_rate` None without accelerometer; `timed`: packets have times."""

    name: str
    sampling_rate: float
    acc_rate: float | None
    timed: bool
    packets: Iterator[Packet]


def turned(source: Source) -> Source:
    """The same upside down."""
    return replace(source, packets=(packet._replace(ppg=-packet.ppg) for packet in source.packets))


def played(recording: Recording, speed: float) -> Source:
    """A recording as if it were live, `speed` times as fast; 0 is as fast as it goes."""
    stamps = recording.timestamps
    return Source(
        recording.metadata["file"],
        recording.sampling_rate,
        recording.acc_rate,
        stamps is not None,
        _played(recording, speed),
    )


def _played(recording: Recording, speed: float) -> Iterator[Packet]:
    ppg, stamps = recording.signal.astype(np.float32), recording.timestamps
    acc, step = recording.acc_from_start(), max(TICK * speed, TICK) if speed else UNPACED
    begin, first, first_acc = time.monotonic(), 0, 0
    for k in range(1, math.ceil(recording.duration / step) + 1):
        end = math.ceil(k * step * recording.sampling_rate)
        end = min(end, len(ppg)) if stamps is None else int(np.searchsorted(stamps, k * step))
        end_acc = 0 if recording.acc_rate is None else math.ceil(k * step * recording.acc_rate)
        if speed:
            time.sleep(max(0.0, begin + k * step / speed - time.monotonic()))
        if end > first or end_acc > first_acc:
            times = None if stamps is None else stamps[first:end]
            yield Packet(ppg[first:end], None if acc is None else acc[first_acc:end_acc], times)
        first, first_acc = end, end_acc


def chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """What `read(most)` finds, as soon as it is there, until it finds nothing."""
    while data := read(1 << 16):
        yield data


def raw(data: Iterator[bytes], *, sampling_rate: float | None, with_acc: bool, complain: Complain) -> Source:
    """Little-endian float32: the PPG, or with `with_acc` PPG, x, y, z in turn."""
    if sampling_rate is None:
        raise ValueError("samples as float32 hold no time: state --sampling-rate, in Hz")
    packets = _raw(data, 4 if with_acc else 1, complain)
    return Source("standard input", sampling_rate, sampling_rate if with_acc else None, False, packets)


def _raw(data: Iterator[bytes], width: int, complain: Complain) -> Iterator[Packet]:
    rest = b""
    for chunk in data:
        rest += chunk
        whole = len(rest) // (4 * width)
        values = np.frombuffer(rest, "<f4", whole * width).astype(np.float32).reshape(whole, width)
        rest = rest[4 * whole * width :]
        if whole:
            yield Packet(values[:, 0].copy(), values[:, 1:].copy() if width > 1 else None)
    if rest:
        complain(f"the input ends within a sample: {len(rest)} bytes are left over")


def text(data: Iterator[bytes], *, sampling_rate: float | None, wanted: Wanted, complain: Complain) -> Source:
    """Lines of text. Waits for the first, since they tell what they hold; ValueError if they do not."""
    lines = Lines(wanted, complain)
    rows: list[Row] = []
    rate, ended = sampling_rate, True
    for chunk in data:
        rows += lines.feed(chunk)
        rate = rate or lines.rate
        if lines.layout and lines.layout.time is None and rate is None:
            break
        times = [row.time for row in rows if math.isfinite(row.time)]
        if rows and (rate or len(rows) > MOST or (times and times[-1] - times[0] > SEEN)):
            ended = False
            break
    if ended:
        rows += lines.finish()
    if lines.layout is None:
        raise ValueError("the input ended before the first sample")
    if rate is None and lines.layout.time is None:
        raise ValueError("the lines hold no time: state --sampling-rate, in Hz")
    rate = rate or _rate(np.array([row.time for row in rows]))
    timed = lines.layout.time is not None
    clock = _Clock(rate, timed, bool(lines.layout.acc), complain)
    more = chain((lines.feed(chunk) for chunk in data), (lines.finish() for _ in range(1)))
    packets = (packet for part in chain([rows], more) for packet in clock.packets(part))
    return Source("standard input", rate, rate if lines.layout.acc else None, timed, packets)


def _rate(times: NDArray[np.float64]) -> float:
    """Hz of the first time stamps (s; NaN where a line had none), holes left out."""
    there = np.flatnonzero(np.isfinite(times))
    rows, seconds = np.diff(there), np.diff(times[there])
    steps = seconds / rows
    usual = steps > 0
    if usual.any():
        usual = (seconds > -JITTER) & (steps <= 3 * np.median(steps[usual]))
    if usual.sum() < 2:
        raise ValueError(f"{len(there)} time stamps do not tell a rate: state --sampling-rate, in Hz")
    rate = float(f"{rows[usual].sum() / seconds[usual].sum():.4g}")
    if not SLOWEST <= rate <= FASTEST:
        raise ValueError(
            f"the time stamps advance at {rate:g} Hz, expected {SLOWEST:g} to {FASTEST:g}: state "
            "--sampling-rate, or the unit of the time with --time-unit"
        )
    return rate


class _Clock:
    """Rows to packets whose times never run back."""

    def __init__(self, rate: float, timed: bool, with_acc: bool, complain: Complain) -> None:
        self.step, self.timed, self.with_acc, self.complain = 1.0 / rate, timed, with_acc, complain
        self.last, self.resets = -math.inf, 0

    def packets(self, rows: list[Row]) -> Iterator[Packet]:
        if not self.timed:
            yield from self._packet(rows, None, False)
            return
        kept: list[Row] = []
        times: list[float] = []
        anew = False
        for row in rows:
            at = row.time if math.isfinite(row.time) else self.last + self.step
            if at < self.last - JITTER:
                yield from self._packet(kept, times, anew)
                self.resets += 1
                if self.resets <= NAMED:
                    self.complain(
                        f"line {row.line}: the time goes back from {self.last:.6g} s to {at:.6g} s: what "
                        "follows is a new stream"
                    )
                kept, times, anew = [], [], True
            elif at == -math.inf:  # no time was seen yet
                continue
            else:
                at = max(at, self.last)
            kept.append(row)
            times.append(at)
            self.last = at
        yield from self._packet(kept, times, anew)

    def _packet(self, rows: list[Row], times: list[float] | None, anew: bool) -> Iterator[Packet]:
        if rows:
            values = np.array([row[2:] for row in rows], np.float32)
            acc = values[:, 1:].copy() if self.with_acc else None
            yield Packet(values[:, 0].copy(), acc, None if times is None else np.array(times), anew)


def lsl(
    *, name: str | None, channel: int, acc: int | None, sampling_rate: float | None, timeout: float
) -> Source:
    """The Lab Streaming Layer stream of that name, or the first of type PPG, with its time stamps.

    `channel` holds the PPG; `acc` and the two after it x, y and z in g. ValueError if there is none within
    `timeout` s. One that falls silent is waited for: it may come back.
    """
    try:
        import pylsl
    except (ModuleNotFoundError, RuntimeError) as error:
        raise ValueError(f"this needs pylsl: pip install 'ppgfast[lsl]' ({error})") from None
    kind, value = ("name", name) if name else ("type", "PPG")
    found = pylsl.resolve_byprop(kind, value, timeout=timeout)
    if not found:
        raise ValueError(
            f"no LSL stream of {kind} {value} within {timeout:g} s: start it, or state its --name"
        )
    inlet = pylsl.StreamInlet(found[0], processing_flags=pylsl.proc_clocksync)
    rate, width = sampling_rate or found[0].nominal_srate(), found[0].channel_count()
    if not rate:
        raise ValueError(f"the LSL stream {found[0].name()} states no rate: state --sampling-rate, in Hz")
    if not 0 <= channel < width or not (acc is None or 0 <= acc <= width - 3):
        raise ValueError(f"the LSL stream {found[0].name()} has channels 0 to {width - 1} and no others")
    return Source(found[0].name(), rate, None if acc is None else rate, True, _pulled(inlet, channel, acc))


def _pulled(inlet: Any, channel: int, acc: int | None) -> Iterator[Packet]:
    last = -math.inf
    while True:
        rows, stamps = inlet.pull_chunk(timeout=PATIENCE)
        if not stamps:
            continue
        times = np.asarray(stamps, np.float64)
        anew = bool(times[0] < last - 1.0)  # the other computer's clock was set, or it came back as another
        # A new estimate of the other clock may set stamps back by a little.
        times = np.maximum.accumulate(times if anew else np.maximum(times, last))
        last = float(times[-1])
        samples = np.asarray(rows, np.float32)
        axes = None if acc is None else np.ascontiguousarray(samples[:, acc : acc + 3])
        yield Packet(np.ascontiguousarray(samples[:, channel]), axes, times, anew)
