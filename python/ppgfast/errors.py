"""Exceptions and warnings that ppgfast raises beyond the built-in ones."""

from __future__ import annotations


class ModelFileError(ValueError):
    """A model file that cannot be used.

    Attributes
    ----------
    status : the check that failed, one of the names in ``status.def``, e.g. ``"truncated"``.
    offset : byte offset in the file at which it failed.
    name : the config value, tensor or field concerned; empty when none applies.
    """

    def __init__(self, message: str, *, status: str, offset: int = 0, name: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.offset = offset
        self.name = name


class SignalWarning(UserWarning):
    """A PPG that is probably not what the caller says it is; ``info["findings"]`` of a verb and
    ``metadata["notes"]`` of a recording tell the same."""


class RecordingError(ValueError):
    """A file of measurements that cannot be read: names the file, what was found and how to mend it."""
