"""What else could judge a window: learned qualities beside the one that the package has.

    python -m training.quality_trials runs/hr-tcn5k ../shared/data

Each attempt learns from the same people as the package's quality and is judged on the same others. Networks
that see the waveform learn from the people that trained the run, with the errors that the model makes on
them, and from other simulated people; what they say joins the features. Writes tables of docs/quality.md.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
import typer
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from torch import Tensor

import ppgfast
from ppgfast.verbs.features import ANSWER, SIGNAL
from ppgfast.verbs.quality import expanded
from training.data.signal import scale
from training.metrics import Interval, Metric, bootstrap, paired_bootstrap
from training.models import Model, build
from training.quality import (
    MODELS,
    NEAR,
    PAGE,
    Floats,
    Windows,
    joined,
    judged,
    lesson,
    patients,
    simulated,
    windows_of,
    write_tables,
)

Judge = Callable[[Windows], Floats]
Look = Callable[[Windows], Floats]

OTHERS = 91  # seed of simulated people that the features' weights are not learned from
BATCH, RATE = 128, 4e-3
EPOCHS = {"large": 4, "small": 8}
LARGE = {"d_model": 48, "n_blocks": 4}  # 56,641 weights; tcn5k has 4,993
HEARD = 0.7  # share of the teacher in what a distilled student learns
COVERED = np.linspace(0.1, 1.0, 91)
DRAWS = 300
FORMER = "features of the window"


def window_alone(windows: Windows) -> Floats:
    """Features that no neighbour has a part in."""
    signal = [i for i, name in enumerate(SIGNAL) if not name.endswith("around")]
    answer = [i for i, name in enumerate(ANSWER) if not name.endswith("around")]
    return np.column_stack([windows.looks[:, signal], windows.answer[:, answer]])


def with_neighbours(windows: Windows) -> Floats:
    return np.column_stack([windows.looks, windows.answer])


def with_distribution(windows: Windows) -> Floats:
    """And of the model's distribution: entropy, highest chance, log odds of being within 5 bpm."""
    chance = windows.chance / windows.chance.sum(axis=1, keepdims=True)
    entropy = -(chance * np.log(np.maximum(chance, 1e-9))).sum(axis=1)
    width = ppgfast.load(MODELS[0]).info["output"]["std"]  # bpm of a bin
    middle = (np.cumsum(chance, axis=1) < 0.5).sum(axis=1)
    away = np.abs(np.arange(chance.shape[1]) - middle[:, None]) * width
    inside = np.clip((chance * (away <= NEAR)).sum(axis=1), 1e-3, 1.0 - 1e-3)
    told = np.column_stack([entropy, np.log(chance.max(axis=1)), np.log(inside / (1.0 - inside))])
    return np.column_stack([with_neighbours(windows), told])


def logistic(look: Look, learned: Windows) -> Judge:
    """As the package's quality, of any features."""
    given = look(learned)
    mean, deviation = given.mean(axis=0), given.std(axis=0)
    fit = LogisticRegression(C=0.1, max_iter=3000).fit(expanded((given - mean) / deviation), learned.near)
    return lambda windows: fit.predict_proba(expanded((look(windows) - mean) / deviation))[:, 1]


def boosted(look: Look, learned: Windows) -> Judge:
    fit = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=12, l2_regularization=5.0, random_state=0
    ).fit(look(learned), learned.near)
    return lambda windows: fit.predict_proba(look(windows))[:, 1]


def network(look: Look, learned: Windows) -> Judge:
    """One hidden layer of 16."""
    given = look(learned)
    mean, deviation = given.mean(axis=0), given.std(axis=0)

    def bounded(windows: Windows) -> Floats:
        return np.clip((look(windows) - mean) / deviation, -3.0, 3.0)

    fit = MLPClassifier((16,), alpha=0.01, max_iter=15, batch_size=256, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bounded time for all attempts
        fit.fit(bounded(learned), learned.near)
    return lambda windows: fit.predict_proba(bounded(windows))[:, 1]


def waves(windows: Windows) -> Tensor:
    return torch.from_numpy(scale(windows.ppg, "minmax"))


def trained(size: str, windows: Windows, teacher: Model | None = None) -> Model:
    """A tcn, large or small, that tells from the waveform whether the answer is near; it learns from the
    chances of a `teacher` too."""
    torch.manual_seed(0)
    model = build("tcn5k", n_patches=windows.ppg.shape[1] // 40, **(LARGE if size == "large" else {}))
    x, near = waves(windows), torch.from_numpy(windows.near.astype(np.float32))
    if teacher is not None:
        near = HEARD * torch.sigmoid(logits(teacher, x)) + (1.0 - HEARD) * near
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    steps = EPOCHS[size] * (len(x) // BATCH)
    course = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in range(EPOCHS[size]):
        for rows in torch.randperm(len(x))[: len(x) // BATCH * BATCH].view(-1, BATCH):
            model.train()
            loss = F.binary_cross_entropy_with_logits(model(x[rows]).prediction[:, 0], near[rows])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            course.step()
    return model


@torch.no_grad()
def logits(model: Model, x: Tensor) -> Tensor:
    model.eval()
    return torch.cat([model(part).prediction[:, 0] for part in x.split(1024)])


def seen_by(model: Model) -> Look:
    """The features, and what a network makes of the waveform."""
    return lambda windows: np.column_stack(
        [with_neighbours(windows), logits(model, waves(windows)).numpy().astype(np.float64)]
    )


def attempts(learned: Windows, wave: Windows) -> dict[str, Judge]:
    """Name -> what judges windows."""
    large = trained("large", wave)
    alone, distilled = trained("small", wave), trained("small", wave, large)
    return {
        FORMER: logistic(window_alone, learned),
        "**and of its neighbours**": lambda windows: windows.quality,
        "and of the model's distribution": logistic(with_distribution, learned),
        "the same, boosted trees": boosted(with_distribution, learned),
        "the same, a network of 16": network(with_distribution, learned),
        "neighbours, and tcn5k on the waveform": logistic(seen_by(alone), learned),
        "neighbours, and tcn5k distilled from tcn57k": logistic(seen_by(distilled), learned),
        "neighbours, and tcn57k itself": logistic(seen_by(large), learned),
    }


def area(quality: NDArray[np.floating], error: NDArray[np.floating]) -> float:
    """Mean, over coverages of 10 to 100 %, of the mean absolute error of the windows kept, bpm."""
    ordered = np.abs(error)[np.argsort(-quality, kind="stable")]
    kept = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return float(kept[np.maximum((COVERED * len(ordered)).astype(int) - 1, 0)].mean())


def brier(quality: NDArray[np.floating], error: NDArray[np.floating]) -> float:
    """Mean square of chance less outcome: how right and how sharp the chances are."""
    return float(((quality - (np.abs(error) <= NEAR)) ** 2).mean())


def table(judges: Mapping[str, Judge], found: Mapping[str, Windows], metric: Metric, digits: int) -> str:
    """Markdown: the metric of each attempt, and the 95 % interval of its difference to the first."""
    lines = [["Brier score" if metric is brier else "mean error, bpm", *found]]
    lines.append(["---", *["---:"] * len(found)])
    qualities = {name: [judge(windows) for windows in found.values()] for name, judge in judges.items()}
    first = next(iter(qualities.values()))
    for name, own in qualities.items():
        cells = []
        for mine, theirs, windows in zip(own, first, found.values(), strict=True):
            value, whose = (
                f"{metric(mine, windows.error):.{digits}f}",
                np.unique(windows.subject, return_inverse=True)[1],
            )
            if mine is theirs:
                span = _span(bootstrap(metric, mine, windows.error, subjects=whose, n=DRAWS), digits)
            else:
                apart = paired_bootstrap(metric, mine, theirs, windows.error, subjects=whose, n=DRAWS)
                span = _span(apart, digits, signed=True)
            cells.append(f"{value} ({span})")
        lines.append([name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _span(interval: Interval, digits: int, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{interval.low:{sign}.{digits}f} to {interval.high:{sign}.{digits}f}"


def main(
    run: Annotated[Path, typer.Argument(help="Run folder whose subjects are kept apart.")],
    data: Annotated[Path, typer.Argument(help="Folder with cinc2015/, bidmc/ and ieee_spc2015/.")],
) -> None:
    """Learn every attempt and write the tables; some minutes."""
    about = json.loads((run / "run.json").read_text(encoding="utf-8"))
    wave = joined(
        windows_of(people, MODELS[0]) for people in (patients(about, data, "train"), simulated(OTHERS))
    )
    judges, found = attempts(lesson(about, data), wave), judged(about, data)
    tables = {
        "attempts": lambda: table(judges, found, area, 2),
        "brier": lambda: table(judges, found, brier, 4),
    }
    write_tables(PAGE, tables)


if __name__ == "__main__":
    typer.run(main)
