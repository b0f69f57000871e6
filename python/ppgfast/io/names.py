"""Which column is what, by the names that people give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .recording import Axes, Channel

_PPG = re.compile(r"ppg|bvp|pleth|photopl")
_COLOURS = (
    re.compile(r"green"),
    re.compile(r"infra|(?<![a-z])ir(?![a-z])|ppgir"),
    re.compile(r"(?<![a-z])red|ppgred|ledred"),
    re.compile(r"blue"),
)
_PROCESSED = re.compile(r"clean|filt|norm|smooth|deriv")
_NOT_PPG = re.compile(
    r"quality|sqi|rate|(?<![a-z])(hr|rr|ir?bi|ibi)(?![a-z])|bpm|heart|puls|peak|onset|time|date|zeit|tiempo|ambient|label|flag"
    r"|status|(?<![a-z])acc|ecg|ekg|eda|gsr|resp|temp|spo2|gyro|valid|ampl|^[xyz]$"
)
_TIME = re.compile(
    r"time|date|elapsed|epoch|zeit|tiempo|(?<![a-z])temps(?![a-z])"
    r"|^(t|ts|s|secs?|seconds?|ms|us|ns|unix|utc)$"
)
_COUNTER = re.compile(
    r"^(|unnamed.*|index|idx|i|n|no|nr|#|samples?|frames?|rows?|counter|sample.?(index|number|no))$"
)
_ACC = re.compile(r"^(?P<before>.*?)(?P<axis>[xyz])$|^(?P<first>[xyz])(?P<after>[^a-z].*|acc.*)$")
_UNIT = re.compile(r"[\[(]\s*(?![xyz]\s*[\])])([^\])]*?)\s*[\])]\s*$|[ _](s|secs?|ms|msec|us|ns|mg|g)$")

RATE_NAMES = {
    *("samplingrate", "samplingfrequency", "samplerate", "samplefrequency", "samplinghz", "samplingratehz"),
    *("fs", "sfreq", "srate", "ppgrate", "ppgfs", "fsppg", "ppgsamplingrate"),
}
ACC_RATE_NAMES = {"accrate", "accfs", "fsacc", "accsamplingrate", "accsamplingfrequency"}


def plain(name: str) -> str:
    """A name in lower case without its unit."""
    return _UNIT.sub("", name.strip().strip("'\"").lower()).strip()


def letters(name: str) -> str:
    """The letters of a name alone: `Sampling Rate` and `sampling_rate` are one."""
    return re.sub(r"[^a-z]", "", name.lower())


def unit_in(name: str) -> str:
    """The unit that a name ends with, as in `Time [s]`, `x (mg)` and `time_ms`; else empty."""
    found = _UNIT.search(name.strip().strip("'\""))
    return (found[1] or found[2] or "") if found else ""


def ppg_rank(name: str) -> tuple[int, ...] | None:
    """How much a name says PPG, smaller is more, None if it does not: by word, raw, then by colour."""
    low = plain(name)
    colour = next((i for i, pattern in enumerate(_COLOURS, 1) if pattern.search(low)), 0)
    named = bool(_PPG.search(low))
    if not (named or colour) or _NOT_PPG.search(low):
        return None
    return (int(not named), int(bool(_PROCESSED.search(low))), colour, int(any(c.isdigit() for c in low)))


def best_ppg(channels: Iterable[Channel]) -> list[Channel]:
    """The numeric channels whose names say PPG most: none, one, or several that say it alike."""
    ranks = [(rank, channel) for channel in channels if channel.numeric and (rank := ppg_rank(channel.name))]
    least = min((rank for rank, _ in ranks), default=None)
    return [channel for rank, channel in ranks if rank == least]


def says_other(name: str) -> bool:
    """Whether a name says that the column holds something else, as `HR` and `ECG` do."""
    return bool(_NOT_PPG.search(plain(name)))


def is_time(name: str) -> bool:
    return bool(_TIME.search(plain(name)))


def is_counter(name: str) -> bool:
    """Whether a column by its name only numbers the rows."""
    return bool(_COUNTER.match(plain(name)))


def time_channel(channels: Sequence[Channel]) -> Channel | None:
    """The time: a number with a unit before a number without, numbers before text.

    Where no name says time, it is the one channel of dates.
    """
    found = [channel for channel in channels if is_time(channel.name)]
    if not found and sum(channel.dated for channel in channels) == 1:
        return next(channel for channel in channels if channel.dated)
    return min(found, key=lambda c: (not c.numeric, not unit_in(c.name)), default=None)


def acc_triples(channels: Iterable[Channel]) -> list[Axes]:
    """Triples of names that differ in x, y, z and say acceleration, or say nothing but x, y, z."""
    groups: dict[str, dict[str, str]] = {}
    for channel in channels:
        low = re.sub(r"[\s_\-.\[\]()]+", "_", plain(channel.name)).strip("_")
        found = _ACC.match(low)
        if not channel.numeric or found is None:
            continue
        rest = (found["before"] or "") + (found["after"] or "")
        if "acc" in rest or not rest.strip("_"):
            groups.setdefault(rest.strip("_"), {})[found["axis"] or found["first"]] = channel.name
    return [(axes["x"], axes["y"], axes["z"]) for axes in groups.values() if len(axes) == 3]
