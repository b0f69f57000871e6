"""One prediction in a process of its own, timed by the process that started it.

python -c "from benchmarks.cold import main; main()" RUNTIME PRECISION N_PATCHES FILE

Prints the clock after the first answer (ns, comparable between processes) and the peak resident memory
(bytes). The runtime "numpy" answers nothing: what it takes is the part that everyone pays.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.runtimes import find


def peak_memory() -> int:
    """Largest resident size of this process so far, bytes.

    Not getrusage: its maximum starts with the size of the parent, before exec.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def main() -> None:
    runtime, precision, n_patches, file = sys.argv[1:]
    case = Case(int(n_patches))
    windows = case.windows()
    if runtime != "numpy":
        find(runtime).load(Path(file), case, precision)(windows)
    now = time.perf_counter_ns()
    print(now, peak_memory())
