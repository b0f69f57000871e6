"""From published data sets to windows: one reader per data set, one common form, one prepared form."""

from .errors import DataError
from .registry import DATA_SETS, data_set
from .splits import subject_folds, subject_split
from .windows import WindowSet, concatenate, load

__all__ = [
    "DATA_SETS",
    "DataError",
    "WindowSet",
    "concatenate",
    "data_set",
    "load",
    "subject_folds",
    "subject_split",
]
