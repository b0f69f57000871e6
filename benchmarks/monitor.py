"""What the monitor costs while a browser looks at it: `python -m benchmarks.monitor [SECONDS]`.

A simulated walk at 128 Hz with the accelerometer is played in its own time. Processor time is that of the
server's process, with and without a page open, and of `Model.stream` alone on the same packets.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import ppgfast
from ppgfast.monitor.live import Feed, Options
from ppgfast.monitor.source import TICK, Packet, played
from tests.browser.monitor_page import RATE, chromium, missing, monitor, simulated

MODELS = ("hr-tcn5k-acc-s8", "hr-gpt1m-s8")
START = 5.0  # s that are not counted: the page loads


def processor_time(process: int) -> float:
    """s that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def served(walk: Path, model: str, seconds: float, *, looked_at: bool) -> float:
    """Share of one core that `ppgfast monitor` takes."""
    with monitor(walk, "--model", model) as (address, process), chromium() as browser:
        if looked_at:
            page = browser.new_page(viewport={"width": 1280, "height": 760})
            page.goto(address)
        time.sleep(START)
        before, begin = processor_time(process.pid), time.monotonic()
        time.sleep(seconds)
        share = (processor_time(process.pid) - before) / (time.monotonic() - begin)
        if looked_at:
            assert page.evaluate("now") > seconds, "the page has not kept up"
        return share


def inference(walk: Path, model: str, seconds: float) -> float:
    """The same of the model's stream alone, on packets of a tenth of a second."""
    recording = ppgfast.read(walk)
    source = played(recording, 0)
    feed = Feed(ppgfast.load(model), source, Options())
    signal, acc = recording.signal.astype("f4"), recording.acc_from_start()
    n = int(seconds / TICK)
    parts = zip(
        np.array_split(signal[: int(seconds * RATE)], n),
        np.array_split(acc[: int(seconds * recording.acc_rate)], n),
        strict=True,
    )
    packets = [Packet(ppg.copy(), axes.copy()) for ppg, axes in parts]
    begin = time.process_time()
    for packet in packets:
        feed.push(packet)
    return (time.process_time() - begin) / seconds


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    lacking = missing()
    if lacking:
        raise SystemExit(f"this machine lacks {lacking}")
    print(f"% of one core at {RATE} Hz | no page | a page | Model.stream alone")
    with tempfile.TemporaryDirectory() as folder:
        walk = simulated(Path(folder), seconds=seconds + 30)
        for model in MODELS:
            shares = [served(walk, model, seconds, looked_at=looked_at) for looked_at in (False, True)]
            shares.append(inference(walk, model, seconds))
            print(model, *(f"{100 * share:.2f}" for share in shares), sep=" | ", flush=True)


if __name__ == "__main__":
    main()
