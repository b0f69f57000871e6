"""The one exception of `training.data`."""


class DataError(ValueError):
    """A data set cannot be used as asked: one sentence that names the file or value and the fix."""
