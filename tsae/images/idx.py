"""IDX files, the format of MNIST: a few bytes that say type and shape, then the numbers."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError

__all__ = ["read_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_VALUES = 2**31


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, compressed with gzip or not, into an array of this machine's byte order.

    Bytes 1 and 2 are zero, byte 3 is the type, byte 4 the number of sides; then come the sides, big-endian, four
    bytes each, and the numbers in rows.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another format, or shorter or longer than it says.
    """
    try:
        content = Path(path).read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {str(path)!r} ({error}); restore it, or download it again") from error
    return _parsed(content, path)


def _parsed(content: bytes, path: str | os.PathLike[str]) -> NDArray[Any]:
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise DataError(f"{str(path)!r} is not an IDX file; it must begin with 0, 0, a type and the number of sides")
    dtype, n_sides = np.dtype(_TYPES[content[2]]), content[3]
    start = 4 + 4 * n_sides
    if len(content) < start:
        raise DataError(f"{str(path)!r} ends within its header; restore it, or download it again")
    shape = tuple(np.frombuffer(content, ">u4", count=n_sides, offset=4).tolist())
    wanted = math.prod(shape) * dtype.itemsize
    if math.prod(shape) > _MOST_VALUES or len(content) - start != wanted:
        found = len(content) - start
        raise DataError(
            f"{str(path)!r} says it holds {wanted:,} bytes of shape {shape}, but there are {found:,}; restore it, or "
            "download it again"
        )
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
