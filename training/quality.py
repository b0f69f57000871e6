"""Fits the quality of `ppg_quality`, and judges it on people that neither it nor the models learned from.

    python -m training.quality runs/hr-tcn5k ../shared/data

The run says which subjects of CinC 2015 were whose: the quality learns from those that chose the models'
epoch (validation) and from simulated people, and is judged on its test subjects, on BIDMC and on SPC. Writes
quality.json of the package and the tables of docs/quality.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import numpy as np
import typer
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import ppgfast
from ppgfast.verbs.features import ANSWER, SIGNAL, answer_features, features
from ppgfast.verbs.quality import FILE, chance, coefficients, expanded
from ppgfast.verbs.signal import signal_of
from ppgfast.verbs.windows import cut, heart_rate
from training.data.recording import Recording
from training.data.registry import data_set
from training.data.simulated import SimulateConfig
from training.figures import COLOURS, STYLE
from training.metrics import coverage_error
from training.progress import write_atomically, write_json

Floats = NDArray[np.float64]

MODELS = ("hr-tcn5k-s8", "hr-gpt50k-s8", "hr-gpt1m-s8")
WITH_ACC = "hr-tcn5k-acc-s8"
NEAR = 5.0  # bpm
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
SIMULATED = {"daily": 30, "bed": 20, "treadmill": 10}  # people of each setting, apart from those of training
SEED = 90
CURVES = (COLOURS["distilled"], COLOURS["alone"], COLOURS["peak"])
PAGE = Path(__file__).resolve().parents[1] / "docs" / "quality.md"
PICTURE = PAGE.parent / "images" / "quality.svg"


@dataclass(frozen=True)
class Windows:
    """n labelled windows.

    subject : whose. error : answer minus truth, bpm. deviation : of the answer, bpm. inside : whether the
    truth is inside the answer's interval. looks, answer : features as in ppgfast.verbs. chance (n, K) : what
    the model believes of the window alone. ppg (n, L) : the window.
    """

    subject: NDArray[np.str_]
    error: Floats
    deviation: Floats
    inside: NDArray[np.bool_]
    looks: Floats
    answer: Floats
    chance: NDArray[np.float32]
    ppg: NDArray[np.float32]

    @property
    def near(self) -> NDArray[np.bool_]:
        return np.abs(self.error) <= NEAR

    @property
    def alone(self) -> Windows:
        """The same windows as if they had no neighbours."""
        looks, answer = self.looks.copy(), self.answer.copy()
        looks[:, SIGNAL.index("concentrated_around")] = looks[:, SIGNAL.index("concentrated")]
        answer[:, ANSWER.index("unsure_around")] = answer[:, ANSWER.index("unsure")]
        return replace(self, looks=looks, answer=answer)

    @property
    def quality(self) -> Floats:
        return chance(np.column_stack([self.looks, self.answer]), "answer")

    @property
    def quality_of_signal(self) -> Floats:
        return chance(self.looks, "signal")


def recordings(name: str, folder: Path) -> Iterator[Recording]:
    """Those of a published data set that training takes."""
    data = data_set(name)
    return (r for r in data.read(folder) if r.name not in data.exclude)


def simulated(seed: int = SEED) -> Iterator[Recording]:
    for setting, people in SIMULATED.items():
        config = SimulateConfig(subjects=people, seconds=300, setting=setting, seed=seed)
        yield from data_set("simulated").read(config)


def windows_of(found: Iterable[Recording], name: str) -> Windows:
    """What the model `name` answers on the labelled windows of recordings, through the verbs' own path."""
    model = ppgfast.load(name)
    about = model.info["input"]
    parts: list[tuple[Any, ...]] = []
    for recording in found:
        signal = signal_of(recording.ppg[0], sampling_rate=recording.sampling_rate, timestamps=None)
        motion: dict[str, Any] = {}
        if about["channels"] == 4:
            assert recording.acc is not None
            motion = {"acc": recording.acc[0].T, "acc_rate": recording.acc_rate}
        cuts = cut(signal, about, **motion)
        answers = heart_rate(model, cuts, track=True)
        truth = np.asarray(recording.labels["hr"].of(cuts.start, cuts.seconds)).reshape(-1)[: len(cuts.start)]
        looks, rates = features(signal, cuts)
        kept = cuts.whole & np.isfinite(truth)
        if not kept.any():
            continue
        inside = (answers[:, 2] <= truth) & (truth <= answers[:, 3])
        subject = np.full(len(truth), recording.subject)
        told = answer_features(answers, rates, cuts)
        row = (subject, answers[:, 0] - truth, answers[:, 1], inside, looks, told)
        index = np.flatnonzero(kept)
        whole = (model.distribution(cuts.at(index)), cuts.ppg_at(index))
        parts.append((*(column[kept] for column in row), *whole))
    return Windows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def joined(parts: Iterable[Windows]) -> Windows:
    return Windows(*(np.concatenate(c) for c in zip(*(vars(p).values() for p in parts), strict=True)))


def fit(given: Floats, near: NDArray[np.bool_]) -> dict[str, Any]:
    """A logistic model of standardised, bounded features and their squares."""
    mean, scale = given.mean(axis=0), given.std(axis=0)
    learned = LogisticRegression(C=0.1, max_iter=2000).fit(expanded((given - mean) / scale), near)
    digits = {"mean": mean, "scale": scale, "weights": learned.coef_[0], "bias": learned.intercept_[0]}
    return {name: np.round(value, 5).tolist() for name, value in digits.items()}


def patients(run: dict[str, Any], data: Path, part: str) -> list[Recording]:
    """The CinC 2015 patients of a part of the run's split."""
    names = {name.removeprefix("cinc2015/") for name in run["subjects"][part]}
    return [r for r in recordings("cinc2015", data / "cinc2015") if r.name in names]


def lesson(run: dict[str, Any], data: Path) -> Windows:
    """What quality learns from: validation subjects of the run and simulated people, with neighbours and, as
    often, without."""
    known, people = patients(run, data, "validation"), list(simulated())
    parts = [windows_of(found, name) for name in MODELS for found in (known, people)]
    everyone = joined([*parts, windows_of(people, WITH_ACC)])
    return joined((everyone, everyone.alone))


def learn(run: dict[str, Any], everyone: Windows) -> dict[str, Any]:
    """The coefficients and what they come from."""
    people = f"{len(run['subjects']['validation'])} subjects, and {sum(SIMULATED.values())} simulated people"
    return {
        "signal": fit(everyone.looks, everyone.near),
        "answer": fit(np.column_stack([everyone.looks, everyone.answer]), everyone.near),
        "features": {"signal": SIGNAL, "answer": (*SIGNAL, *ANSWER)},
        "windows": len(everyone.error) // 2,
        "models": (*MODELS, WITH_ACC),
        "data": f"cinc2015 (ODC-BY 1.0), {people}",
    }


def judged(run: dict[str, Any], data: Path) -> dict[str, Windows]:
    """Windows of people that nothing learned from."""
    return {
        "CinC 2015, test": windows_of(patients(run, data, "test"), MODELS[0]),
        "BIDMC": windows_of(recordings("bidmc", data / "bidmc"), MODELS[0]),
        "SPC": windows_of(recordings("ieee_spc2015", data / "ieee_spc2015"), MODELS[0]),
        "SPC, accelerometer": windows_of(recordings("ieee_spc2015", data / "ieee_spc2015"), WITH_ACC),
    }


def calibration(found: dict[str, Windows], of: str = "quality") -> str:
    """Markdown: share of windows within 5 bpm, and how many there are, for each bin of quality."""
    edges = list(pairwise(BINS))
    head = ["quality", *(f"{low:g} to {high:g}" for low, high in edges), "calibration error"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, windows in found.items():
        quality, near = getattr(windows, of), windows.near
        cells, off = [], 0.0
        for low, high in edges:
            inside = (quality >= low) & ((quality < high) | (high == 1.0))
            if inside.any():
                off += abs(near[inside].mean() - quality[inside].mean()) * inside.mean()
            cells.append(f"{100 * near[inside].mean():.0f} % ({inside.sum():,})" if inside.any() else "-")
        lines.append([name, *cells, f"{off:.3f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def coverage(found: dict[str, Windows]) -> str:
    """Markdown: mean absolute error of the best windows, chosen by quality and, to compare, by the
    deviation."""
    shares = (1.0, 0.9, 0.8, 0.7, 0.5)
    head = ["MAE of the best", *(f"{100 * share:.0f} %" for share in shares)]
    lines = [head, ["---", *["---:"] * len(shares)]]
    for name, windows in found.items():
        ways = {"quality": -windows.quality, "hr_std": windows.deviation}
        for way, doubt in ways.items():
            _, error = coverage_error(windows.error, np.zeros(len(doubt)), doubt)
            cells = [f"{error[max(0, round(share * len(error)) - 1)]:.2f}" for share in shares]
            lines.append([f"{name}, by `{way}`", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def interval(found: dict[str, Windows]) -> str:
    """Markdown: share of windows whose truth is inside the interval, of all and of those of good quality."""
    lines = [["", "all windows", "quality 0.5 or more", "0.8 or more"], ["---", *["---:"] * 3]]
    for name, windows in found.items():
        shares = [windows.inside[windows.quality >= least].mean() for least in (0.0, 0.5, 0.8)]
        lines.append([name, *(f"{100 * share:.0f} %" for share in shares)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(found: dict[str, Windows]) -> Figure:
    """A panel for each set: the error of the best windows against their share, and what a perfect order would
    leave."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 2.8), layout="constrained")
        for axes, (name, windows) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
            ways = {
                "quality": -windows.quality,
                "hr_std": windows.deviation,
                "the error itself": np.abs(windows.error),
            }
            for (way, doubt), colour in zip(ways.items(), CURVES, strict=True):
                share, error = coverage_error(windows.error, np.zeros(len(doubt)), doubt)
                shown = np.searchsorted(share, np.linspace(0.1, 1.0, 91)).clip(max=len(share) - 1)
                axes.plot(100 * share[shown], error[shown], color=colour, linewidth=1.6, label=way)
            axes.set_title(f"{name} ({len(windows.error):,})")
            axes.set_xlabel("windows kept, %")
            axes.set_xlim(0, 100)
            axes.set_ylim(bottom=0)
        figure.axes[0].set_ylabel("mean absolute error, bpm")
        figure.axes[0].legend(title="kept by")
    return figure


def put(page: str, name: str, text: str) -> str:
    """The page with what stands between the marks of `name` replaced."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, rest = page.split(start)
    return f"{before}{start}\n{text}\n{end}{rest.split(end)[1]}"


def write_tables(page: Path, tables: Mapping[str, Callable[[], str]]) -> None:
    """Make each table and put it on the page at once: what is made stays if a later one is cut off."""
    for name, made in tables.items():
        text = made()
        print(text, end="\n\n", flush=True)
        whole = put(page.read_text(encoding="utf-8"), name, text)
        page.write_text(whole, encoding="utf-8")


def main(
    run: Annotated[Path, typer.Argument(help="Run folder whose subjects are kept apart.")],
    data: Annotated[Path, typer.Argument(help="Folder with cinc2015/, bidmc/ and ieee_spc2015/.")],
) -> None:
    """Fit the quality and write its page."""
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    write_json(FILE, learn(about, lesson(about, data)))
    coefficients.cache_clear()
    found = judged(about, data)
    tables = {
        "calibration": lambda: calibration(found),
        "signal": lambda: calibration(found, "quality_of_signal"),
        "coverage": lambda: coverage(found),
        "interval": lambda: interval(found),
    }
    write_tables(PAGE, tables)
    figure = picture(found)
    write_atomically(PICTURE, lambda file: figure.savefig(file, format="svg", metadata={"Date": None}))


if __name__ == "__main__":
    typer.run(main)
