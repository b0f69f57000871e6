"""Errors of the library in the words of the command line."""

from __future__ import annotations

import re

# Names that no sentence has by chance, and names that are words too: those count before `=` alone.
_NAMES = re.compile(
    r"(?<![\w'\"./=-])(?:(sampling_rate|acc_columns|both_ways|min_quality|af_model)(?![\w'\"./-])(=?)"
    r"|(column|polarity|hop|model)(=))(?=(\w?))"
)


def as_options(text: str) -> str:
    """Names of parameters as the options that they are: `sampling_rate=64` is `--sampling-rate 64`."""

    def option(found: re.Match[str]) -> str:
        name, equals = (found[1], found[2]) if found[1] else (found[3], found[4])
        return f"--{name.replace('_', '-')}" + (" " if equals and found[5] else "")

    return _NAMES.sub(option, text).replace("the other polarity", "the other --polarity")
