"""Teachers and students behind one interface: `module(x, tap="last") -> Outputs`."""

from .gpt import GPT
from .interface import Model, Outputs, as_patches, from_channels, tap_index, widths
from .mlp import MLP, Linear
from .papagei import PaPaGei
from .published import from_published
from .registry import NAMES, STREAMING, build, from_config
from .streamgpt import StreamGPT
from .tcn import TCN

__all__ = [
    "GPT",
    "MLP",
    "NAMES",
    "STREAMING",
    "TCN",
    "Linear",
    "Model",
    "Outputs",
    "PaPaGei",
    "StreamGPT",
    "as_patches",
    "build",
    "from_channels",
    "from_config",
    "from_published",
    "tap_index",
    "widths",
]
