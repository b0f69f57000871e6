"""A model for a microcontroller: C source whose array lies in flash and is used there, weights and all."""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path

import numpy as np

from ppgfast import _core, format
from ppgfast.errors import ModelFileError

__all__ = ["export_c", "pack"]

ISA = "scalar"  # what a small device runs
OBJECTS = 1024, 256  # bytes that a model's own objects take at most, and those of each layer or block


def pack(model: str | os.PathLike[str] | bytes, *, selftest: int = 2) -> bytes:
    """A model file whose weights are stored as the kernels of a small device read them.

    Parameters
    ----------
    model : a ``.ppgf`` file, or its bytes.
    selftest : windows to keep, with their answers; fewer take less flash.

    Returns
    -------
    The packed file: same contract and same answers, bit for bit, opened by ``Model::open_in_place``.

    Raises
    ------
    ModelFileError
        if the model cannot be opened.
    """
    data = model if isinstance(model, bytes) else Path(model).read_bytes()
    opened = _core.open_bytes(data, ISA)
    config, tensors = format.loads(data)
    weights = np.frombuffer(_core.packed_weights(opened), np.uint8)
    packed = {f"packed.{ISA}.{_core.packed_layout}": weights}
    if "selftest.input" in tensors:
        kept = {name: tensors[name][:selftest] for name in ("selftest.input", "selftest.output")}
        packed |= {name: value for name, value in kept.items() if len(value)}
    return format.dumps(config, packed)


def export_c(
    model: str | os.PathLike[str], folder: str | os.PathLike[str] = ".", *, name: str = "", selftest: int = 2
) -> tuple[Path, Path]:
    """Write ``<name>.c`` and ``<name>.h``: the packed model as an array, and what a device has to know.

    Parameters
    ----------
    model : a ``.ppgf`` file.
    folder : where to write.
    name : of the files and the array, a C identifier; default from the model's file name.
    selftest : windows to keep, with their answers.

    Returns
    -------
    The paths of the two files.

    Raises
    ------
    ModelFileError
        if the model cannot be opened.
    ValueError
        if the name is no C identifier.
    """
    path = Path(model)
    name = name or re.sub(r"\W", "_", path.stem)
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise ValueError(f"name is {name!r}, expected a C identifier: letters, digits and underscores")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"{path}: cannot be read: {error.strerror}; check the path", status="file_unreadable"
        ) from None
    packed = pack(data, selftest=selftest)
    source, header = Path(folder) / f"{name}.c", Path(folder) / f"{name}.h"
    header.write_text(_header(name, packed, _core.open_bytes(data, ISA)))
    source.write_text(_source(name, packed))
    return source, header


def _header(name: str, packed: bytes, original: _core.Model) -> str:
    model = _core.open_in_place(packed, ISA)
    info = original.info
    contract, shape = info["input"], info["shape"]
    macro = name.upper()
    layers = shape.get("n_layers", shape.get("n_blocks", 0))
    note = textwrap.indent(info["note"] or "No note.", "// ").replace("\\\n", "\\ \n")
    what = f"{info['kind']}, {info['precision']}, {info['parameters']:,} parameters; {info['output']['task']}"
    return f"""// {name}: {what}. Written by ppgfast.
{note}
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {macro}_SAMPLING_RATE {contract["sampling_rate"]:g}  // Hz
#define {macro}_WINDOW {contract["window"]}  // samples of each channel
#define {macro}_CHANNELS {contract["channels"]}
#define {macro}_HOP {contract["hop"]}  // samples
#define {macro}_SCRATCH_BYTES {model.info["scratch_bytes"]}  // of RAM, for each call
#define {macro}_MODEL_BYTES {OBJECTS[0] + OBJECTS[1] * layers}  // of RAM, for the open model, at most
#define {macro}_FLASH_BYTES {len(packed)}  // of this array
#define {macro}_MACS {info["multiply_adds"]}  // multiply-adds of one window in its linear layers

extern const unsigned char {name}[{len(packed)}];  // at a multiple of 64

#ifdef __cplusplus
}}
#endif
"""


def _source(name: str, packed: bytes) -> str:
    numbers = np.frombuffer(packed, np.uint8)
    lines = (",".join(map(str, numbers[i : i + 32])) for i in range(0, len(numbers), 32))
    body = ",\n".join(lines)
    return f'#include "{name}.h"\n\n_Alignas(64) const unsigned char {name}[{len(packed)}] = {{\n{body}}};\n'
