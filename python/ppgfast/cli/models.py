"""What a model is, whether it computes here what it did where it was made, and how fast."""

from __future__ import annotations

import hashlib
import platform
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

import ppgfast
from ppgfast import format as ppgf
from ppgfast.bundled import file_of

from .output import FAILED, Json, plain_errors, say_json, say_pairs, say_table

Windows = NDArray[np.float32]

MODEL = "A .ppgf file or the name of a bundled model."


def model_file(name: str) -> Path:
    """The file of a bundled model, or the path as it is."""
    return Path(file_of(name))


ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help=MODEL, parser=model_file)]
Isa = Annotated[str | None, typer.Option(help="Kernels to use, one of `ppgfast cpu`; default the fastest.")]


def models(json: Json = False) -> None:
    """The models that come with the package.

    --json gives their cards: input, data and its licence, errors on people they did not learn from."""
    cards = ppgfast.models()
    if json:
        say_json(cards)
        return
    say_table(
        [
            {
                "model": name,
                "task": card["task"],
                "input": "PPG" if card["input"]["channels"] == 1 else "PPG, acceleration",
                "bytes": card["bytes"],
                "multiply-adds": card["multiply_adds"],
                "use": card["use"],
                "licences of its data": card["data"]["licence"],
            }
            for name, card in cards.items()
        ]
    )


def info(model: ModelPath, json: Json = False) -> None:
    """What a model takes, answers and weighs.

    The note is what its maker says of its data and licence."""
    with plain_errors():
        about = ppgfast.load(model).info
        data = model.read_bytes()
    about = {"file": model.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), **about}
    cards = ppgfast.models().values()
    about["use"] = next((card["use"] for card in cards if card["sha256"] == about["sha256"]), None)
    if json:
        say_json(about)
        return
    takes, gives = about["input"], about["output"]
    low, high, order = takes["filter"]
    seconds = takes["window"] / takes["sampling_rate"] if takes["sampling_rate"] else 0.0
    channels = "PPG" if takes["channels"] == 1 else "PPG and acceleration x, y, z in g"
    say_pairs(
        {
            "model": f"{about['kind']}, {about['precision']}, "
            + ", ".join(f"{name} {value}" for name, value in about["shape"].items()),
            "takes": f"{channels}, {takes['window']} samples of each"
            + (f": {seconds:g} s at {takes['sampling_rate']:g} Hz" if seconds else ""),
            "hop": f"{takes['hop']} samples" if takes["hop"] else "not stated",
            "filter": f"{low:g} to {high:g} Hz, order {order}" if order else "none",
            "scaling": takes["scaling"],
            "polarity": takes["polarity"],
            "answers": f"{gives['task']}, {gives['units']}, {gives['activation']}",
            "parameters": about["parameters"],
            "file": f"{about['bytes']:,} bytes, sha256 {about['sha256']}",
            "memory": f"{about['weight_bytes']:,} bytes of weights, {about['scratch_bytes']:,} to compute",
            "use": about["use"] or "see the note",
            "note": about["note"] or "none",
        }
    )


def check(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL", help="One or more .ppgf files or names of bundled models.", parser=model_file
        ),
    ],
    json: Json = False,
) -> None:
    """Test models with all kernels of this CPU.

    Each self test's answers are equal bit for bit, or it is said where they are not."""
    rows: list[dict[str, Any]] = []
    for path in models:
        try:
            rows += [_checked(path, isa) for isa, runs in _isas().items() if runs]
        except (ValueError, OSError) as error:
            rows.append({"model": path.name, "isa": "", "ok": False, "found": str(error)})
    if json:
        say_json(rows)
    else:
        say_table(rows)
    if not all(row["ok"] for row in rows):
        raise typer.Exit(FAILED)


def _isas() -> dict[str, bool]:
    isas = ppgfast.cpu()["isas"]
    assert isinstance(isas, dict)
    return isas


def _checked(path: Path, isa: str) -> dict[str, Any]:
    """One line of `check`: without a self test the kernels are held to the scalar ones."""
    model = ppgfast.load(path, isa=isa)
    tensors = ppgf.read(path).tensors
    if "selftest.input" in tensors:
        windows, expected = np.asarray(tensors["selftest.input"], np.float32), tensors["selftest.output"]
        source = "the self test"
    else:
        windows = _windows(model, 4)
        expected = ppgfast.load(path, isa="scalar").predict(windows)
        source = "the scalar kernels (no self test)"
    found = model.predict(windows)
    expected = np.asarray(expected, np.float32).reshape(found.shape)
    different = np.argwhere(found.view(np.uint32) != expected.view(np.uint32))
    row = {"model": path.name, "isa": isa, "ok": len(different) == 0}
    if len(different) == 0:
        return {**row, "found": f"{len(windows)} windows equal bit for bit to {source}"}
    window, output = (int(i) for i in different[0])
    return {
        **row,
        "found": f"{len(different)} of {found.size} answers differ from {source}, the first in window "
        f"{window}, output {output}: {found[window, output]!r} instead of {expected[window, output]!r}",
    }


def _windows(model: ppgfast.Model, n: int) -> Windows:
    """Simulated windows (n, L) or (n, channels, L) that a model can take; noise where it states no rate."""
    takes = model.info["input"]
    shape = (takes["window"],) if takes["channels"] == 1 else (takes["channels"], takes["window"])
    windows: Windows = np.random.default_rng(0).normal(size=(n, *shape)).astype(np.float32)
    beat = np.arange(takes["window"]) / (takes["sampling_rate"] or takes["window"]) * 1.2
    windows += np.sin(2 * np.pi * beat).astype(np.float32)
    return windows


def bench(
    model: ModelPath,
    isa: Isa = None,
    batch: Annotated[int, typer.Option(min=1, help="Windows in a call, for windows per second.")] = 64,
    threads: Annotated[int, typer.Option(min=1, help="Threads that share such a call.")] = 1,
    seconds: Annotated[float, typer.Option(min=0.05, help="How long to measure each number, s.")] = 1.0,
    json: Json = False,
) -> None:
    """How fast a model is on this computer.

    Latency is that of one window on one thread, measured one call at a time: its least and its median."""
    with plain_errors():
        loaded = ppgfast.load(model, isa=isa)
        about = loaded.info
        one, many = _windows(loaded, 1), _windows(loaded, batch)
        alone = _timed(lambda: loaded.predict(one), seconds)
        together = _timed(lambda: loaded.predict(many, threads=threads), seconds)
    measured = {
        "model": model.name,
        "isa": about["isa"],
        "latency_min_us": round(1e6 * min(alone), 2),
        "latency_median_us": round(1e6 * float(np.median(alone)), 2),
        "windows_per_second": round(batch / float(np.median(together))),
        "batch": batch,
        "threads": threads,
        "calls": len(alone),
        "file_bytes": model.stat().st_size,
        "weight_bytes": about["weight_bytes"],
        "scratch_bytes": about["scratch_bytes"],
        "cpu": _processor(),
        "ppgfast": ppgfast.__version__,
    }
    if json:
        say_json(measured)
    else:
        say_pairs({name.replace("_", " "): value for name, value in measured.items()})


def _timed(call: Any, seconds: float) -> list[float]:
    """Duration (s) of each call, after some that only warm up, for that long and at least 5 times."""
    end = time.perf_counter() + seconds / 5
    while time.perf_counter() < end:
        call()
    durations: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(durations) < 5:
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return durations


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8", errors="replace").splitlines() if listed.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.processor() or platform.machine()


def cpu(json: Json = False) -> None:
    """Which kernels this computer can run."""
    with plain_errors():
        found = ppgfast.cpu()
    if json:
        say_json({"cpu": _processor(), "ppgfast": ppgfast.__version__, **found})
        return
    isas = found["isas"]
    assert isinstance(isas, dict)
    say_pairs(
        {
            "cpu": _processor(),
            "selected": found["selected"],
            "runs": ", ".join(name for name, runs in isas.items() if runs),
            "does not run": ", ".join(name for name, runs in isas.items() if not runs) or "none",
        }
    )
