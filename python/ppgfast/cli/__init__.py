"""The command line: `ppgfast --help`. Needs typer and rich: extra `cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """What `ppgfast` in a shell runs."""
    try:
        from ppgfast.cli.app import app
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("typer", "rich", "click"):
            raise
        sys.exit(f"ppgfast: this needs {error.name}: pip install 'ppgfast[cli]', in a checkout '.[cli]'")
    app()
