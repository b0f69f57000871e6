"""Cycles of the inner loops of the products, modelled by llvm-mca on the code that the compiler made."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

MCA = "llvm-mca-19"
ITERATIONS = 200
CORES = {"neon": ("cortex-a53",), "neon_dot": ("cortex-a55", "cortex-a76")}  # who runs which kernel table
LOOPS = {"linear_f32": "linear_block<5>(", "linear_s8": "Products, 5>("}  # five rows, sixteen outputs
# Multiply-adds of one instruction; between SMULL and SMLAL eight products stay in 16 bits.
MULTIPLY_ADDS = {r"fmla\s+v\d+\.4s": 4, r"sdot\s+v\d+\.4s": 16, r"sm[lu][al]l2?\s+v\d+\.8h": 8}


@dataclass(frozen=True)
class Loop:
    """One loop on one core."""

    loop: str
    isa: str
    core: str
    multiply_adds: int  # of an iteration
    cycles: float  # of an iteration, modelled

    @property
    def name(self) -> str:
        return f"{self.loop} {self.isa} {self.core}"

    @property
    def cost(self) -> float:
        return self.cycles


def loops(build: Path) -> list[Loop]:
    """All of them, from the objects of an aarch64 build."""
    found = []
    for isa, cores in CORES.items():
        folder = build / "CMakeFiles" / f"ppgfast_kernels_{isa}.dir" / "cpp" / "src" / "kernels"
        file = str(folder / f"{isa}.cpp.o")
        command = ["aarch64-linux-gnu-objdump", "-d", "-C", "--no-show-raw-insn", file]
        listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for loop, symbol in LOOPS.items():
            body = inner_loop(listing, symbol)
            found += [Loop(loop, isa, core, multiply_adds(body), _cycles(body, core)) for core in cores]
    return found


def multiply_adds(body: list[str]) -> int:
    """Products that the instructions add up."""
    return sum(n for line in body for pattern, n in MULTIPLY_ADDS.items() if re.match(pattern, line))


def inner_loop(listing: str, symbol: str) -> list[str]:
    """Of the function whose name contains `symbol`, the innermost loop with the most multiply-adds."""
    functions = re.split(r"^[0-9a-f]+ <(.*)>:$", listing, flags=re.MULTILINE)
    text = next(
        (text for name, text in zip(functions[1::2], functions[2::2], strict=True) if symbol in name), ""
    )
    lines = re.findall(r"^\s*([0-9a-f]+):\t(.*?)\s*(?://.*)?$", text, re.MULTILINE)
    at = {address: i for i, (address, _) in enumerate(lines)}
    targets = [re.match(r"(?:b\.\w+|b|cbn?z|tbn?z)\s.*?\b([0-9a-f]+) <", line) for _, line in lines]
    spans = [(at[t[1]], end) for end, t in enumerate(targets) if t and t[1] in at and at[t[1]] <= end]
    inner = [s for s in spans if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)]
    bodies = [[line for _, line in lines[first : last + 1]] for first, last in inner]
    best = max(bodies, key=multiply_adds, default=[])
    if multiply_adds(best) == 0:
        raise RuntimeError(f"no loop of multiply-adds in {symbol!r}: has the kernel's name changed?")
    return best


def _cycles(body: list[str], core: str) -> float:
    """Of an iteration, among many."""
    code = "loop:\n" + "\n".join(re.sub(r"\b[0-9a-f]+ <.*>", "loop", line) for line in body) + "\n"
    command = [MCA, "-mtriple=aarch64-linux-gnu", f"-mcpu={core}", f"-iterations={ITERATIONS}", "--json"]
    done = subprocess.run(command, input=code, check=True, capture_output=True, text=True)
    summary = json.loads(done.stdout)["CodeRegions"][0]["SummaryView"]
    return float(summary["TotalCycles"]) / ITERATIONS
