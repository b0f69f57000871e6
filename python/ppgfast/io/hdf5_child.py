"""Run by hdf5.py in a process of its own: libhdf5 may loop for ever or crash on damaged files.

`list FILE`: JSON of all arrays of numbers and of the numbers that attributes state. `read FILE NAME`: the
bytes of one array. An answer begins with a line of JSON on stdout; what cannot be is {"error": sentence}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

MAX_ARRAYS = 1000
MAX_DEPTH = 16


def main() -> None:
    sys.path.pop(0)  # this folder, whose modules nobody asked for
    import h5py

    what, path, *name = sys.argv[1:]
    with h5py.File(path, "r") as file:
        if what == "read":
            values = file[name[0]][()]
            shape = {"dtype": values.dtype.str, "shape": values.shape}
            sys.stdout.buffer.write(json.dumps(shape).encode() + b"\n")
            sys.stdout.buffer.write(values.tobytes())
            return
        arrays = []
        for name_of, data in listed(file, "", 0):
            arrays.append(described(name_of, data))
            if len(arrays) > MAX_ARRAYS:
                print(json.dumps({"error": f"it holds more than {MAX_ARRAYS} arrays: save the PPG alone"}))
                return
        print(json.dumps({"numbers": numbers(file.attrs), "arrays": arrays}))


def listed(group: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Arrays of numbers below a group, through hard links alone."""
    import h5py

    if depth > MAX_DEPTH:
        return
    for key in group:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            continue
        item = group[key]
        if isinstance(item, h5py.Group):
            yield from listed(item, f"{prefix}{key}/", depth + 1)
        elif isinstance(item, h5py.Dataset) and item.shape is not None and item.dtype.kind in "iuf":
            yield f"{prefix}{key}", item


def described(name: str, data: Any) -> dict[str, Any]:
    units = data.attrs.get("units", "")
    return {
        "name": name,
        "shape": data.shape,
        "itemsize": data.dtype.itemsize,
        "elsewhere": bool(data.external) or data.is_virtual,
        "units": units.decode("latin-1") if isinstance(units, bytes) else str(units),
        "numbers": numbers(data.attrs),
        "value": float(data[()].reshape(-1)[0]) if data.size == 1 and not data.external else None,
    }


def numbers(attributes: Any) -> dict[str, float]:
    """Attributes that are one number."""
    found = {}
    for key, value in attributes.items():
        if getattr(value, "size", 0) == 1 and value.dtype.kind in "iuf":
            found[key] = float(value.reshape(-1)[0])
    return found


main()
