"""The machine: its name, its versions, and how fast one of its cores can multiply and add."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.cases import CACHE
from benchmarks.runtimes import NAMES, find


def cpu_model() -> str:
    """What the CPU calls itself."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return names[0].strip() if names else platform.processor() or platform.machine()


def slug() -> str:
    """The CPU's name as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", cpu_model().lower()).strip("-")


def versions() -> dict[str, str]:
    """Installed distributions that take part, numpy and Python."""
    found = {"python": platform.python_version()}
    for package in sorted({find(name).PACKAGE for name in NAMES} | {"numpy"}):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def describe() -> dict[str, object]:
    """What a result file says of the machine; no host, no user, no path."""
    import ppgfast

    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "machine": platform.machine(),
        "ppgfast_isa": ppgfast.cpu()["selected"],
        "versions": versions(),
    }


class Peak:
    """The program of peak.cpp, waiting: one call is a burst of multiply-adds, timed by the program itself."""

    def __init__(self, program: Path) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([program], stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def burst(self, precision: str) -> tuple[int, int]:
        """Multiply-adds done, and the ns they took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(precision + "\n")
        operations, nanoseconds = self._process.stdout.readline().split()
        return int(operations), int(nanoseconds)

    def close(self) -> None:
        self._process.communicate()


def build_peak() -> Path | None:
    """The compiled program, made on this machine; None where there is no C++ compiler."""
    source, program = Path(__file__).with_name("peak.cpp"), CACHE / "peak"
    compiler = shutil.which("c++")
    if compiler is None:
        return None
    program.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-O2", "-march=native", source, "-o", program], check=True)
    return program
