"""IDX files, written by the letter of the format."""

from __future__ import annotations

import struct
from typing import Any

from numpy.typing import NDArray

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx(array: NDArray[Any]) -> bytes:
    header = struct.pack(">BBBB", 0, 0, CODES[array.dtype.name], array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()
