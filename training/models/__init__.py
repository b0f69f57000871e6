"""Teachers and students behind one interface: `module(x, tap="last") -> Outputs`."""

from .interface import Model, Outputs, as_patches, from_channels, tap_index, widths
from .published import from_published
from .registry import NAMES, build, from_config

__all__ = [
    "NAMES",
    "Model",
    "Outputs",
    "as_patches",
    "build",
    "from_channels",
    "from_config",
    "from_published",
    "tap_index",
    "widths",
]
