"""Compare the simulator with recordings and write the tables and pictures of docs/simulator.md.

python -m training.simulation [--data FOLDER] [--subjects 80] [--docs docs]
"""

import os
import re
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ppgfast.simulate import Motion, Pulse, Respiration, Rhythm, Sensor
from training.metrics import auroc, pulse_variability
from training.progress import bar, default_console

from . import measures, pictures, recordings
from .recordings import RHYTHM_RATE, Floats, Windows

SECONDS = 300.0  # of each simulated recording
Row = tuple[str, str, str]


def main(
    data: Annotated[
        Path | None,
        typer.Option(help="folder with ieee_spc2015, cinc2015, bidmc, liu2022; else $PPGFAST_DATA"),
    ] = None,
    subjects: Annotated[int, typer.Option(min=10, help="simulated people for each comparison")] = 80,
    docs: Annotated[Path, typer.Option(help="folder of simulator.md and images/")] = Path("docs"),
) -> None:
    """Write the tables and pictures of docs/simulator.md."""
    folder = data or Path(os.environ.get("PPGFAST_DATA", "../shared/data"))
    if not folder.is_dir():
        raise typer.BadParameter(f"no recordings in {folder}: give --data or set PPGFAST_DATA")
    page = docs / "simulator.md"
    text = page.read_text(encoding="utf-8")
    console = default_console()
    with bar(console, "comparing", 4) as progress:
        running = recordings.treadmill(folder), list(recordings.simulated("treadmill", subjects, SECONDS))
        progress.advance(note="runners")
        resting = recordings.bed(folder), list(recordings.simulated("bed", 2 * subjects, SECONDS))
        progress.advance(note="patients")
        rhythms = recordings.segments(folder), recordings.simulated_segments(subjects, SECONDS)
        progress.advance(note="rhythms")
        rr = recordings.monitor_intervals(folder), recordings.simulated_intervals(subjects, 480.0)
        monitors = recordings.monitors(folder)
        progress.advance(note="intervals")
    parts = {
        "running": table(run_rows(*running)),
        "resting": table(rest_rows(*resting, monitors)),
        "rhythms": table(rhythm_rows(*rhythms)),
        "intervals": table(interval_rows(*rr)),
        "parameters": parameters(),
    }
    for name, content in parts.items():
        text = fill(text, name, content)
    page.write_text(text, encoding="utf-8")
    draw(docs / "images", running, resting, rhythms)
    console.print(f"wrote {page} and {docs / 'images'}")


def run_rows(real: list[Windows], made: list[Windows]) -> list[Row]:
    errors = [measures.errors(records) for records in (real, made)]
    return [
        *error_rows(errors[0], errors[1]),
        row(
            "windows > 5 bpm wrong whose peak is the accelerometer's",
            [percent(measures.at_accelerometer(r, e)) for r, e in zip((real, made), errors, strict=True)],
        ),
        row(
            "RMS acceleration in motion",
            [f"{measures.acceleration(records):.2f} g" for records in (real, made)],
        ),
        row("spectrum from 3 to 12 Hz", [fall(records) for records in (real, made)]),
    ]


def rest_rows(real: list[Windows], made: list[Windows], monitors: list[Windows]) -> list[Row]:
    errors = [measures.errors(records) for records in (real, made)]
    regular = [
        [error[record.variation <= measures.REGULAR] for record, error in zip(records, found, strict=True)]
        for records, found in zip((real, made), errors, strict=True)
    ]
    irregular = [
        [error[record.variation > measures.REGULAR] for record, error in zip(records, found, strict=True)]
        for records, found in zip((real, made), errors, strict=True)
    ]
    good = [
        [measures.good(record, error) for record, error in zip(records, found, strict=True)]
        for records, found in zip((real, made), errors, strict=True)
    ]
    sets = [[record for record in records if len(record.hr) >= 8] for records in good]
    ratios = [np.array([measures.harmonics(record) for record in records]) for records in sets]
    names = ("second", "third", "fourth")
    shapes = [measures.pulses(records) for records in sets]
    rows = [
        *error_rows(errors[0], errors[1]),
        *error_rows(regular[0], regular[1], ", regular rhythm"),
        *error_rows(irregular[0], irregular[1], ", irregular rhythm"),
        *((f"{name} (BIDMC)", value, "") for name, value, _ in error_rows(measures.errors(monitors), [])),
        row("spectrum from 3 to 12 Hz", [fall(records) for records in sets]),
        *(
            row(f"{name} harmonic over the first", [measures.spread(side[:, k]) for side in ratios])
            for k, name in enumerate(names)
        ),
        row("baseline below the pulse over the first", [measures.spread(side[:, 3]) for side in ratios]),
    ]
    for bounds in measures.CLASSES:
        widths = [np.array([measures.width(shape) for shape in side[bounds]]) for side in shapes]
        rows.append(
            row(
                f"share of the cycle above half height, {bounds[0]}-{bounds[1]} bpm",
                map(measures.spread, widths),
            )
        )
        apart = np.abs(shapes[0][bounds].mean(axis=0) - shapes[1][bounds].mean(axis=0)).mean()
        rows.append(
            (f"mean pulses apart, {bounds[0]}-{bounds[1]} bpm (mean of the cycle)", "", percent(apart))
        )
    return rows


def rhythm_rows(real: dict[str, Floats], made: dict[str, Floats]) -> list[Row]:
    rows = []
    for rhythm in recordings.RHYTHMS:
        sides = [measures.interval_statistics(side[rhythm]) for side in (real, made)]
        for k, name in enumerate(("pulse rate, bpm", "interval variation", "RMSSD over mean")):
            rows.append(row(f"{rhythm}: {name}", [measures.spread(side[:, k]) for side in sides]))
        heights = [measures.height_against_interval(side[rhythm]) for side in (real, made)]
        rows.append(
            row(f"{rhythm}: correlation of height and interval", [f"{value:.2f}" for value in heights])
        )
    for other in ("sinus", "pvc", "pac"):
        rows.append(
            row(
                f"AUROC of pulse variability, af against {other}",
                [separation(s, other) for s in (real, made)],
            )
        )
    return rows


def separation(segments: dict[str, Floats], other: str) -> str:
    score = pulse_variability(np.concatenate([segments["af"], segments[other]]), RHYTHM_RATE)
    label = np.repeat([1, 0], [len(segments["af"]), len(segments[other])])
    return f"{auroc(score, label):.3f}"


def interval_rows(real: list[Floats], made: list[Floats]) -> list[Row]:
    names = ("mean RR, ms", "SDNN, ms", "RMSSD, ms", "pNN50, %", "LF/HF", "sample entropy")
    sides = [np.array([measures.variability(rr) for rr in side]) for side in (real, made)]
    return [row(name, [measures.spread(side[:, k]) for side in sides]) for k, name in enumerate(names)]


def error_rows(real: list[Floats], made: list[Floats], kind: str = "") -> list[Row]:
    sides = [np.concatenate(side) if side else np.empty(0) for side in (real, made)]
    summaries = (
        ("mean", lambda e: f"{e.mean():.1f} bpm"),
        ("median", lambda e: f"{np.median(e):.2f} bpm"),
        ("share within 5 bpm", lambda e: percent((e < 5).mean())),
    )
    return [
        row(f"spectral-peak error{kind}: {name}", [summary(side) if len(side) else "" for side in sides])
        for name, summary in summaries
    ]


def fall(records: list[Windows]) -> str:
    return f"{measures.fall(*measures.mean_spectrum(records)):.1f} dB/octave"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def row(name: str, values: "list[str] | map[str]") -> Row:
    real, made = values
    return name, real, made


def table(rows: list[Row]) -> str:
    return "\n".join(
        ["| | recorded | simulated |", "|---|---|---|", *(f"| {' | '.join(cells)} |" for cells in rows)]
    )


def parameters() -> str:
    """Every parameter with default, range, unit and source, from its declaration."""
    lines = ["| parameter | default | range | unit | meaning | source |", "|---|---|---|---|---|---|"]
    for group in (Rhythm, Pulse, Respiration, Motion, Sensor):
        for name, item in group.__dataclass_fields__.items():
            rule = item.metadata
            allowed = (
                ", ".join(map(str, rule["options"]))
                if "options" in rule
                else f"{rule['low']:g} to {rule['high']:g}"
            )
            cells = (
                f"`{group.__name__}.{name}`",
                str(item.default),
                allowed,
                rule["unit"],
                rule["meaning"],
                rule["source"],
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def fill(text: str, name: str, content: str) -> str:
    """text with what stands between the markers of `name` replaced."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    if not pattern.search(text):
        raise ValueError(
            f"the page has no <!-- {name} --> ... <!-- /{name} -->: put the two markers where it belongs"
        )
    return pattern.sub(lambda match: f"{match[1]}{content}\n{match[2]}", text)


def draw(folder: Path, running: pictures.Pair, resting: pictures.Pair, rhythms: pictures.Rhythms) -> None:
    found = {
        "running": [measures.errors(side) for side in running],
        "patients": [measures.errors(side) for side in resting],
    }
    good = [
        [good for good in map(measures.good, side, errors) if len(good.hr) >= 8]
        for side, errors in zip(resting, found["patients"], strict=True)
    ]
    pictures.examples(folder / "simulator_examples.png", running, resting, rhythms)
    pictures.statistics(
        folder / "simulator_statistics.png",
        {
            "running": [measures.mean_spectrum(side) for side in running],
            "patients": [measures.mean_spectrum(side) for side in good],
        },
        [measures.pulses(side) for side in good],
        {name: [np.concatenate(side) for side in sides] for name, sides in found.items()},
        {name: [measures.relative_intervals(side[name]) for side in rhythms] for name in ("af", "pvc")},
    )


if __name__ == "__main__":
    typer.run(main)
