"""Recordings as people keep them: `read(path)` finds out what a file is and returns a `Recording`.

Each container is read by the library that its community keeps; `pip install 'ppgfast[io]'`, in a checkout
`'.[io]'`, brings them all.
docs/files.md tells what is detected, and how.
"""

from .containers import read
from .recording import Recording

__all__ = ["Recording", "read"]
