"""Write the graphs that the benchmarks run: python -m benchmarks.convert [RUNTIME ...]

A graph is kept under build/benchmarks and made again when a source that decides it has changed. Each runtime
converts in a process of its own, so that no exporter's threads, memory or patches are around when times are
taken.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.cases import CACHE, LATENCY, ROOT, TEACHER, THROUGHPUT, Case
from benchmarks.runtimes import NAMES, Unavailable, find, need

SOURCES = ("benchmarks/tuned.py", "benchmarks/model.py", "training/models/gpt.py")
OWN_SOURCES = {"ppgfast": ("training/export.py", "training/quantize.py", "python/ppgfast/format.py")}


def graph_path(name: str, case: Case, precision: str) -> Path:
    """Where the graph of a runtime lies, or will lie."""
    digest = hashlib.sha256()
    for source in (*SOURCES, f"benchmarks/runtimes/{name}.py", *OWN_SOURCES.get(name, ())):
        digest.update((ROOT / source).read_bytes())
    file = f"{case.graph}-{precision}-{digest.hexdigest()[:8]}{find(name).SUFFIX}"
    return CACHE / name / file


def entries(name: str) -> list[tuple[Case, str]]:
    """Cases and precisions that a runtime is measured in, one of each graph."""
    cases = {case.graph: case for case in (*LATENCY, *THROUGHPUT)}
    found = [(case, precision) for case in cases.values() for precision in find(name).PRECISIONS]
    return [*found, (TEACHER, "f32")] if name in ("ppgfast", "torch_eager") else found


def convert(name: str) -> None:
    """Write the missing graphs of one runtime, or say why there are none."""
    runtime = find(name)
    reasons = set()
    for case, precision in entries(name):
        path = graph_path(name, case, precision)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            try:
                need(runtime.MODULE)
                runtime.convert(case, precision, Path(folder) / path.name)
            except Unavailable as error:
                reasons.add(f"  {name} {precision}: {error}")
                continue
            for stale in path.parent.glob(f"{case.graph}-{precision}-*"):
                stale.unlink()
            for file in sorted(Path(folder).iterdir()):  # OpenVINO writes two
                file.replace(path.with_name(file.name))
        print(f"  {name} {precision}: {case.graph}", flush=True)
    for reason in sorted(reasons):
        print(reason, flush=True)


def convert_apart(name: str) -> None:
    """`convert` in a new process. A runtime that fails there is missing from the tables, by name."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.convert", name]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"  {name}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        convert(sys.argv[1])
    else:
        for runtime in sys.argv[1:] or NAMES:
            convert_apart(runtime)
