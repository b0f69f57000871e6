"""Runs the tutorials (`make tutorials`). What a page shows is what its blocks print, or the test fails.

Blocks of a page run in order in one folder, which has links to what is in a checkout: `python` in this
process, `sh` in bash. A `text` block below is their whole output; `...` in it stands for what another
computer may print otherwise. `make tutorials UPDATE=1` writes the blocks that have no `...` anew.
"""

import doctest
import io
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, SkipParser

import ppgfast

ROOT = Path(__file__).resolve().parents[2]
# Commands of the package under test, whether it is installed or not.
PRELUDE = """set -euo pipefail
python() { command "$PPGFAST_PYTHON" "$@"; }
ppgfast() { python -m ppgfast "$@"; }
"""


def in_python(example: Example) -> str | None:
    printed = io.StringIO()
    code = compile(example.parsed, example.path, "exec", dont_inherit=True)
    with redirect_stdout(printed):
        exec(code, example.namespace)
    return keep(example, printed.getvalue())


def in_a_shell(example: Example) -> str | None:
    done = subprocess.run(
        ["bash", "-c", PRELUDE + example.parsed],
        env=example.namespace["environment"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return f"ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return keep(example, done.stdout)


def keep(example: Example, printed: str) -> str | None:
    before = example.namespace["printed"]
    example.namespace["printed"] = printed
    return f"the block before printed what the page does not show:\n{before}" if before else None


def shown(example: Example) -> str | None:
    found, example.namespace["printed"] = example.namespace["printed"], ""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    checker = doctest.OutputChecker()
    if checker.check_output(example.parsed, found, flags):
        return None
    if os.environ.get("UPDATE") and "..." not in example.parsed:
        page = Path(example.path)
        text = page.read_text("utf-8")
        page.write_text(text.replace(f"```text\n{example.parsed}```", f"```text\n{found}```", 1), "utf-8")
        return None
    return f"the page shows\n{example.parsed}\nand the blocks printed\n{found}"


def missing(command: str) -> bool:
    """For skip comments on a page."""
    return shutil.which(command) is None


def setup(namespace: dict) -> None:
    folder = TemporaryDirectory()
    for name in ("CMakeLists.txt", "CMakePresets.json", "cmake", "cpp", "training"):
        (Path(folder.name) / name).symlink_to(ROOT / name)
    package = str(Path(ppgfast.__file__).resolve().parents[1])
    known = {"PYTHONPATH": package, "PPGFAST_PYTHON": sys.executable, "COLUMNS": "100", "NO_COLOR": "1"}
    namespace |= {"environment": {**os.environ, **known}, "folder": folder, "before": Path.cwd()}
    namespace |= {"printed": "", "missing": missing}
    os.chdir(folder.name)


def teardown(namespace: dict) -> None:
    os.chdir(namespace["before"])
    namespace["folder"].cleanup()
    unseen = namespace["printed"]
    assert not unseen, f"the last block printed what the page does not show:\n{unseen}"


pytest_collect_file = Sybil(
    parsers=[
        SkipParser(),
        CodeBlockParser(language="python", evaluator=in_python),
        CodeBlockParser(language="sh", evaluator=in_a_shell),
        CodeBlockParser(language="text", evaluator=shown),
    ],
    pattern="*.md",
    setup=setup,
    teardown=teardown,
).pytest()
