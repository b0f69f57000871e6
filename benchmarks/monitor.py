"""What the monitor costs while a browser looks at it: `python -m benchmarks.monitor [--update]`.

A simulated walk at 128 Hz with the accelerometer is played in its own time. Processor time is that of the
server's process, with and without a page open, and of `Model.stream` alone on the same packets. --update
writes the table of docs/monitor.md.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

import ppgfast
from benchmarks.cases import ROOT
from benchmarks.machine import cpu_model
from benchmarks.report import table
from ppgfast.monitor.live import Feed, Options
from ppgfast.monitor.source import TICK, Packet, played
from tests.browser.monitor_page import RATE, chromium, missing, monitor, simulated

MODELS = ("hr-tcn5k-acc-s8", "hr-gpt1m-s8")
LOADING = 5.0  # s that are not counted: the page loads
PAGE = ROOT / "docs" / "monitor.md"
START, END = "<!-- cost:start -->", "<!-- cost:end -->"


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
        time.sleep(LOADING)
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of each measurement")
    parser.add_argument("--update", action="store_true", help="write what was measured")
    arguments = parser.parse_args()
    lacking = missing()
    if lacking:
        raise SystemExit(f"this machine lacks {lacking}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        walk = simulated(Path(folder), seconds=arguments.seconds + 60)
        for model in MODELS:
            shares = [
                served(walk, model, arguments.seconds, looked_at=looked_at) for looked_at in (False, True)
            ]
            shares.append(inference(walk, model, arguments.seconds))
            rows.append([f"`{model}`", *(f"{100 * share:.2f} %" for share in shares)])
            print(*rows[-1], flush=True)
    header = ["of one core, at 128 Hz", "no page open", "a page open", "`Model.stream` alone"]
    text = f"{table(header, rows)}\n\n{cpu_model()}, {arguments.seconds:g} s each."
    if arguments.update:
        before, rest = PAGE.read_text(encoding="utf-8").split(START)
        PAGE.write_text(f"{before}{START}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
