"""What importing and using ppgfast does to a process: nothing that anybody would notice."""

import subprocess
import sys
from pathlib import Path

import pytest

MODEL = Path(__file__).resolve().parents[1] / "data" / "models" / "v1.0_gpt_f32.ppgf"


def run(code: str) -> str:
    """Run `code` in a fresh interpreter and return its output."""
    done = subprocess.run([sys.executable, "-c", code, str(MODEL)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_numpy_and_nothing_else():
    code = """
import sys
import numpy
before = set(sys.modules)
import ppgfast
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(new - {"ppgfast"} - set(sys.stdlib_module_names)))
print("torch" in sys.modules, "scipy" in sys.modules)
"""
    assert run(code).splitlines() == ["[]", "False False"]


def test_import_and_use_start_no_thread():
    code = """
import os, sys
import numpy as np
before = len(os.listdir("/proc/self/task"))
import ppgfast
model = ppgfast.load(sys.argv[1])
model.predict(np.ones((64, 35), np.float32))
print(len(os.listdir("/proc/self/task")) - before)
"""
    assert run(code) == "0"


def test_import_leaves_the_process_as_it_was():
    code = """
import locale, os, signal, sys, warnings, random
import numpy as np
def state():
    tiny = np.float32(1e-40)
    return (
        float(tiny * np.float32(0.5)),  # flush to zero would make this 0
        float(np.float32(1) / np.float32(3)),  # the rounding mode shows in the last bit
        [signal.getsignal(s) for s in signal.valid_signals()],
        locale.setlocale(locale.LC_ALL),
        list(warnings.filters), os.environ.copy(), os.getcwd(),
        sorted(fd for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd)),
        random.getstate(), np.random.get_state()[1].tolist(),
        sys.getswitchinterval(), sys.getrecursionlimit(),
    )
before = state()
import ppgfast
model = ppgfast.load(sys.argv[1])
model.predict(np.ones(35, np.float32))
print([i for i, (a, b) in enumerate(zip(before, state())) if a != b])
"""
    assert run(code) == "[]"


def test_a_fork_after_use_works():
    code = """
import os, sys
import numpy as np, ppgfast
model = ppgfast.load(sys.argv[1])
x = np.ones(35, np.float32)
expected = model.predict(x)
pid = os.fork()
if pid == 0:
    os._exit(0 if (model.predict(x) == expected).all() else 1)
print(os.waitpid(pid, 0)[1])
"""
    assert run(code) == "0"


def test_every_public_name_resolves():
    code = "import ppgfast; print(all(getattr(ppgfast, name) is not None for name in ppgfast.__all__))"
    assert run(code) == "True"


def test_a_shell_completes_every_public_name():
    assert run("import ppgfast; print(set(ppgfast.__all__) <= set(dir(ppgfast)))") == "True"


def test_an_unknown_name_is_an_attribute_error():
    import ppgfast

    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        ppgfast.predict  # noqa: B018
