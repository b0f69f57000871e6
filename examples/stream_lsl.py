"""Heart rate from a Lab Streaming Layer stream: `python examples/stream_lsl.py MODEL [--name NAME]`.

Needs `pip install ppgfast[lsl]`. The first stream of type PPG is taken, or the one named; its time stamps,
put on this computer's clock, go into the stream with its samples. Results come with the time of that clock.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import ppgfast

WAIT = 0.2  # s that a call waits for samples


def resolve(name: str | None, timeout: float) -> Any:
    """The inlet of the stream of that name, or of the first of type PPG."""
    import pylsl

    prop, value = ("name", name) if name else ("type", "PPG")
    found = pylsl.resolve_byprop(prop, value, timeout=timeout)
    if not found:
        raise SystemExit(
            f"no LSL stream of {prop} {value} within {timeout:g} s: start it, or state its --name"
        )
    return pylsl.StreamInlet(found[0], processing_flags=pylsl.proc_clocksync)


def results(
    model: ppgfast.Model,
    inlet: Any,
    *,
    rate: float = 0.0,
    channel: int = 0,
    acc: int | None = None,
    patience: float = 10.0,
) -> Iterator[ppgfast.StreamResult]:
    """What a model says of an inlet, as it comes, until no sample has come for `patience` seconds.

    `rate` in Hz is needed where the stream states none. `channel` holds the PPG and, for a model that takes
    the accelerometer, `acc` and the two after it x, y and z in g.
    """
    rate = rate or inlet.info().nominal_srate()
    options = {} if acc is None else {"acc_rate": rate}
    stream = model.stream(sampling_rate=rate or None, timestamps=True, **options)
    last, heard = -np.inf, time.monotonic()
    while time.monotonic() - heard < patience:
        rows, stamps = inlet.pull_chunk(timeout=WAIT)
        if not stamps:
            continue
        heard = time.monotonic()
        # A new estimate of the other clock may set stamps back by a little.
        times = np.maximum.accumulate(np.maximum(np.asarray(stamps, dtype=np.float64), last))
        last = times[-1]
        samples = np.asarray(rows, dtype=np.float32)
        ppg = np.ascontiguousarray(samples[:, channel])
        axes = None if acc is None else np.ascontiguousarray(samples[:, acc : acc + 3])
        yield from stream.push(ppg, acc=axes, timestamps=times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", help="a .ppgf file, or the name of a model of the package")
    parser.add_argument("--name", help="of the stream; default: the first of type PPG")
    parser.add_argument("--rate", type=float, default=0.0, help="Hz, where the stream states none")
    parser.add_argument("--channel", type=int, default=0, help="of the PPG, from 0")
    parser.add_argument("--acc", type=int, help="first of three channels in g, for models that take them")
    parser.add_argument(
        "--timeout", type=float, default=10.0, help="s to wait for the stream and its samples"
    )
    arguments = parser.parse_args()

    inlet = resolve(arguments.name, arguments.timeout)
    model = ppgfast.load(arguments.model)
    is_af = model.info["output"]["task"] == "af"
    options = {"rate": arguments.rate, "channel": arguments.channel, "acc": arguments.acc}
    for result in results(model, inlet, patience=arguments.timeout, **options):
        answer = f"{result.af_probability:6.3f} of AF" if is_af else f"{result.hr_bpm:6.1f} bpm"
        print(f"{result.t_end:12.1f} s  {answer}  quality {result.quality:.2f}  {result.reason}", flush=True)


if __name__ == "__main__":
    main()
