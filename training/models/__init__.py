"""Teachers and students behind one interface: `module(x, tap="last") -> Outputs`."""

from .gpt import GPT
from .interface import Model, Outputs, as_patches, from_channels, tap_index, widths
from .mlp import MLP, Linear
from .papagei import PaPaGei
from .published import from_published
from .registry import NAMES, build, from_config
from .tcn import TCN

__all__ = [
    "GPT",
    "MLP",
    "NAMES",
    "TCN",
    "Linear",
    "Model",
    "Outputs",
    "PaPaGei",
    "as_patches",
    "build",
    "from_channels",
    "from_config",
    "from_published",
    "tap_index",
    "widths",
]
