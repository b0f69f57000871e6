"""From published data sets to windows: one reader per data set, one prepared form."""

from .errors import DataError
from .splits import subject_folds, subject_split
from .windows import WindowSet, concatenate, load

__all__ = ["DataError", "WindowSet", "concatenate", "load", "subject_folds", "subject_split"]
