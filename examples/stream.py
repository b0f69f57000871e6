"""Stream a recording as if it were live: `python examples/stream.py MODEL [RECORDING] [--speed 10]`.

Without a recording, one is simulated: a minute of rest, then a run, at the wrist.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import ppgfast

PACKET = 0.25  # s


def simulated() -> tuple[np.ndarray, float, None]:
    heart_rate = ((0, 60, 120), (65, 70, 130))  # s, bpm
    record = ppgfast.ppg_simulate(duration=120, sampling_rate=64, heart_rate=heart_rate, seed=1)
    return record.signal, record.sampling_rate, None


def recorded(path: str) -> tuple[np.ndarray, float, np.ndarray | None]:
    recording = ppgfast.read(path)
    return np.asarray(recording.signal, dtype=np.float32), recording.sampling_rate, recording.timestamps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("recording", nargs="?")
    parser.add_argument("--speed", type=float, default=10.0, help="1 is live, 0 as fast as it goes")
    arguments = parser.parse_args()

    samples, rate, times = recorded(arguments.recording) if arguments.recording else simulated()
    model = ppgfast.load(arguments.model)
    if model.info["input"]["channels"] != 1:
        parser.error(f"{arguments.model} takes an accelerometer: this example plays the PPG alone")
    is_af = model.info["output"]["task"] == "af"
    stream = model.stream(sampling_rate=rate, timestamps=times is not None)
    for part in np.array_split(np.arange(len(samples)), int(np.ceil(len(samples) / (PACKET * rate)))):
        if arguments.speed > 0:
            time.sleep(len(part) / rate / arguments.speed)
        for result in stream.push(samples[part], timestamps=None if times is None else times[part]):
            answer = f"{result.af_probability:6.3f} of AF" if is_af else f"{result.hr_bpm:6.1f} bpm"
            print(f"{result.t_end:6.1f} s  {answer}  quality {result.quality:.2f}  {result.reason}")


if __name__ == "__main__":
    main()
