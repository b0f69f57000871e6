"""Write the model files that both readers are tested with: `python tests/data/make_ppgf.py`.

`malformed/<status>[.<which>].ppgf` holds one file per check of the reader, with both checksums right unless
they are the point, and otherwise as valid as it can be: a reader without that check accepts most of them.
`malformed/expected.tsv` has the byte offset and the name that the error must state, written down here
by hand. `golden/v<format version>_<what>.ppgf` are valid files: their bytes never change.
"""

from __future__ import annotations

import pickle
import struct
import sys
import zlib
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent

# Offsets in `valid()`: config records a and b, tensor records x and y, their payloads, the end.
A, B, X, Y = 64, 128, 192, 288
X_DATA, Y_DATA, END = 384, 448, 451


def u16(value: int) -> bytes:
    return struct.pack("<H", value)


def u32(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def field(name: str) -> bytes:
    return name.encode().ljust(48, b"\0")


def sealed(data: bytes) -> bytes:
    """Return `data` with its size and both checksums put right."""
    body = u32(zlib.crc32(data[64:]))
    header = data[:16] + u64(len(data)) + data[24:56] + body
    return header + u32(zlib.crc32(header)) + data[64:]


def valid() -> bytes:
    """Return a file with configs a = 7 and b = 1.5, tensors x = [1, 2] (f32) and y = [1, 2, 3] (u8)."""
    header = b"\x89PPGF\r\n\x1a" + u16(1) + u16(0) + u32(0) + bytes(8) + u32(2, 2) + bytes(32)
    configs = field("a") + bytes([0]) + bytes(7) + u64(7) + field("b") + bytes([1]) + bytes(7)
    configs += struct.pack("<d", 1.5)
    x = field("x") + bytes([4, 1]) + bytes(6) + u32(2, 1, 1, 1) + u64(X_DATA) + u64(8) + bytes(8)
    y = field("y") + bytes([0, 1]) + bytes(6) + u32(3, 1, 1, 1) + u64(Y_DATA) + u64(3) + bytes(8)
    return sealed(header + configs + x + y + struct.pack("<2f", 1, 2) + bytes(56) + b"\1\2\3")


def patched(*changes: tuple[int, bytes], base: bytes | None = None) -> bytes:
    """Return a valid file with some bytes replaced, size and checksums right again."""
    data = bytearray(valid() if base is None else base)
    for at, new in changes:
        data[at : at + len(new)] = new
    return sealed(bytes(data))


def flipped(at: int) -> bytes:
    """Return a valid file with one bit flipped and the checksums left alone."""
    data = bytearray(valid())
    data[at] ^= 1
    return bytes(data)


def impostors() -> dict[str, bytes]:
    table = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    return {
        "file_empty": b"",
        "not_ppgf": b"time,ppg\n0.000,0.512\n0.025,0.498\n",
        "not_ppgf_zip": b"PK\x03\x04\x00\x00\x08\x08" + bytes(18) + b"archive/data.pkl",
        "not_ppgf_pickle": pickle.dumps({"state": [1.0, 2.0]}, protocol=2),
        "not_ppgf_git_lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:"
        + b"0" * 64
        + b"\nsize 9\n",
        "not_ppgf_html.doctype": b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n",
        "not_ppgf_html.after_space": b"\xef\xbb\xbf\r\n <HTML><body>Sign in</body></HTML>\n",
        "not_ppgf_gguf": b"GGUF" + u32(3) + u64(0) + u64(0),
        "not_ppgf_safetensors": u64(len(table)) + table + bytes(4),
        "not_ppgf_onnx": b"\x08\x08\x12\x07pytorch\x1a\x052.0.0",
        "damaged_line_endings.crlf_to_lf": valid().replace(b"\r\n", b"\n"),
        "damaged_line_endings.lf_to_crlf": valid().replace(b"\n", b"\r\n"),
    }


def malformed() -> dict[str, tuple[bytes, int, str]]:
    """Return (bytes, offset, name) of each malformed file by its name."""
    nan, infinity = struct.pack("<d", np.nan), struct.pack("<d", -np.inf)
    # 2**62 float32 items are 2**64 bytes: 0, if one multiplies first and looks afterwards.
    overflow = (X + 49, b"\4"), (X + 56, u32(1 << 15, 1 << 15, 1 << 16, 1 << 16)), (X + 80, u64(0))
    return {name: (data, 0, "") for name, data in impostors().items()} | {
        "truncated.magic": (valid()[:5], 5, "header"),
        "truncated.header": (valid()[:63], 63, "header"),
        "truncated.file": (valid()[:-1], END - 1, ""),
        "truncated.records": (patched((28, u32(100))), END, "records"),
        "truncated.payload": (patched((Y + 56, u32(4)), (Y + 80, u64(4))), END, "y"),
        "truncated.before_payload": (sealed(valid()[: X_DATA + 8]), X_DATA + 8, "y"),
        "trailing_bytes.after_file": (valid() + b"\0", END, ""),
        "trailing_bytes.after_payload": (sealed(valid() + b"\0"), END, ""),
        "bad_header_crc": (flipped(24), 60, ""),
        "bad_body_crc": (flipped(X_DATA), 56, ""),
        "unsupported_version.major": (patched((8, u16(2)), (10, u16(3))), 8, "2.3"),
        "unsupported_version.major_zero": (patched((8, u16(0))), 8, "0.0"),
        "unsupported_version.minor": (patched((10, u16(1))), 10, "1.1"),
        "unsupported_feature": (patched((12, u32(1 << 31))), 12, ""),
        "bad_reserved.header": (patched((55, b"\1")), 55, "header"),
        "bad_reserved.config": (patched((B + 55, b"\1")), B + 55, "b"),
        "bad_reserved.tensor": (patched((X + 50, b"\1")), X + 50, "x"),
        "bad_reserved.tensor_end": (patched((X + 95, b"\1")), X + 95, "x"),
        "bad_reserved.padding": (patched((Y_DATA - 1, b"\1")), Y_DATA - 1, "y"),
        "too_many_records.configs": (patched((24, u32(257))), 24, "configs"),
        "too_many_records.tensors": (patched((28, u32(4097))), 28, "tensors"),
        "bad_name.empty": (patched((A, field(""))), A, ""),
        "bad_name.endless": (patched((Y, b"y" * 48)), Y + 47, "y" * 48),
        "bad_name.character": (patched((B, field("b{c"))), B + 1, "b"),
        "bad_name.after_nul": (patched((X, field("aaa\0a"))), X + 4, "aaa"),
        "names_not_ascending.equal": (patched((B, field("a"))), B, "a"),
        "names_not_ascending.falling": (patched((Y, field("w"))), Y, "w"),
        "bad_config_type": (patched((A + 48, b"\2")), A + 48, "a"),
        "config_not_finite.nan": (patched((B + 56, nan)), B + 56, "b"),
        "config_not_finite.infinity": (patched((B + 56, infinity)), B + 56, "b"),
        "bad_dtype": (patched((Y + 48, b"\5")), Y + 48, "y"),
        "bad_rank.zero": (patched((Y + 49, b"\0"), (Y + 56, u32(1)), (Y + 80, u64(1))), Y + 49, "y"),
        "bad_rank.five": (patched((Y + 49, b"\5")), Y + 49, "y"),
        "bad_dims.empty": (patched((Y + 56, u32(0)), (Y + 80, u64(0))), Y + 56, "y"),
        "bad_dims.unused": (patched((X + 56, u32(1, 2))), X + 60, "x"),
        "bad_dims.overflow": (patched(*overflow), X + 68, "x"),
        "bad_tensor_bytes": (patched((Y + 56, u32(2))), Y + 80, "y"),
        "bad_tensor_offset": (patched((Y + 72, u64(Y_DATA + 64))), Y + 72, "y"),
    }


def golden() -> dict[str, tuple[dict[str, int | float], dict[str, np.ndarray]]]:
    """Return (config, tensors) of each golden file by its name."""
    types = {
        "u8": np.arange(3, dtype=np.uint8),
        "i8": np.array([[-127, 0], [1, 127]], np.int8),
        "f16": np.array([[[0.5, -2.0, 65504.0]]], np.float16),
        "i32": np.array([[[[-(1 << 31), (1 << 31) - 1]]]], np.int32),
        "f32": np.array([1.0, -0.0, 2.0**-149, 3.0e38], np.float32),
        "longest." + "z" * 39: np.ones((4, 5), np.float32),
    }
    numbers = {"0": -(1 << 63), "1": (1 << 63) - 1, "_": -0.0, "a.b": 5e-324, "a_b": 1.7976931348623157e308}
    return {"v1.0_smallest": ({}, {}), "v1.0_types": (numbers, types)}


def all_files() -> dict[str, bytes]:
    """Return the content of every file by its path below this folder."""
    from ppgfast import format as ppgf

    cases = malformed()
    files = {f"malformed/{name}.ppgf": data for name, (data, _, _) in cases.items()}
    lines = [f"{name}.ppgf\t{offset}\t{where}\n" for name, (_, offset, where) in sorted(cases.items())]
    files["malformed/expected.tsv"] = "".join(lines).encode()
    for name, (config, tensors) in golden().items():
        files[f"golden/{name}.ppgf"] = ppgf.dumps(config, tensors)
    return files


def main() -> None:
    for name, data in all_files().items():
        (HERE / name).write_bytes(data)
        sys.stdout.write(f"{len(data):7d}  {name}\n")


if __name__ == "__main__":
    main()
