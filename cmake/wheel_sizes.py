"""Holds a wheel to its sizes: python cmake/wheel_sizes.py WHEEL. The limits are here and nowhere else."""

import sys
import zipfile
from pathlib import Path

LIMITS = {"wheel": 6e6, "_core": 1.5e6, "models": 6e6}  # bytes; the last two unpacked


def sizes(wheel: Path) -> dict[str, int]:
    """Bytes of the file, of the compiled module in it, and of the bundled models."""
    with zipfile.ZipFile(wheel) as archive:
        files = {entry.filename: entry.file_size for entry in archive.infolist()}

    def under(start: str) -> int:
        return sum(size for name, size in files.items() if name.startswith(start))

    return {
        "wheel": wheel.stat().st_size,
        "_core": under("ppgfast/_core."),
        "models": under("ppgfast/models/"),
    }


if __name__ == "__main__":
    found = sizes(Path(sys.argv[1]))
    print(", ".join(f"{name} {size:,} of {LIMITS[name]:,.0f} bytes" for name, size in found.items()))
    if not all(0 < size <= LIMITS[name] for name, size in found.items()):
        sys.exit("the wheel is too large, or lacks a part: find the file that grew before a limit is raised")
