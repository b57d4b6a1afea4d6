"""The model file: one safetensors file, its JSON manifest in the header. Nothing in it is ever executed.

The manifest carries a SHA-256 of the tensors, and beside it stands one of the manifest, so that a flipped bit is
refused and not scored with. The same model gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tsae.errors import ModelFileError, OutputError

__all__ = [
    "FORMAT_VERSION",
    "check_writable",
    "open_atomically",
    "parse_model",
    "read_file",
    "read_manifest",
    "read_model",
    "write_atomically",
    "write_model",
]

FORMAT_VERSION = 2
_KEY = "tsae"  # the only one in the header's metadata, which is written in no certain order
_LARGEST_HEADER = 100_000_000

Tensors = Mapping[str, NDArray[Any]]


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out before the work starts whether `path` can be written.

    Raises
    ------
    OutputError
        If the folder is missing, the path is a folder, or nothing can be created there.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"output path {str(target)!r} is a folder; name a file in it")
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}."):
            pass
    except OSError as error:
        raise OutputError(f"cannot write {str(target)!r}: {error.strerror}; choose another path") from error


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` as `open_atomically` does."""
    with open_atomically(path) as file:
        file.write(data)


@contextmanager
def open_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file beside `path` to write into; flushed to the disk and put in place if all goes well, gone otherwise.

    The old file survives any failure.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    target = Path(path)
    check_writable(target)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError as error:
        raise OutputError(
            f"cannot write {str(target)!r}: {error.strerror}; free space or choose another path"
        ) from error
    finally:
        Path(name).unlink(missing_ok=True)


def write_model(path: str | os.PathLike[str], tensors: Tensors, manifest: Mapping[str, Any]) -> None:
    """Write tensors and manifest (JSON-able) into one file, atomically."""
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    full = {"format_version": FORMAT_VERSION, **manifest, "sha256": _digest(arrays)}
    text = json.dumps({"sha256": _manifest_digest(full), "manifest": full})
    write_atomically(path, save(arrays, metadata={_KEY: text}))


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Tensors and manifest of a model file.

    Raises
    ------
    ModelFileError
        If the file is missing, not a tsae model, truncated, damaged, or of a newer format.
    """
    return parse_model(read_file(path), path)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a model file, for `parse_model`.

    Raises
    ------
    ModelFileError
        If it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def parse_model(data: bytes, path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """As `read_model`, of what `read_file` gave; `path` is what messages call it."""
    manifest = _manifest(data[8 : 8 + _header_length(data)], path)
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _damaged(path, str(error)) from error
    if _digest(tensors) != manifest.get("sha256"):
        raise _damaged(path, "the checksum of its tensors does not match")
    return tensors, manifest


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest alone, without reading the tensors."""
    try:
        with Path(path).open("rb") as file:
            header = file.read(_header_length(file.read(8)))
    except OSError as error:
        raise _unreadable(path, error) from error
    return _manifest(header, path)


def _header_length(data: bytes) -> int:
    """Bytes of the header that follows the first eight; 0 if that cannot be."""
    length = int.from_bytes(data[:8], "little")
    return length if length <= _LARGEST_HEADER else 0


def _manifest(header: bytes, path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        both = json.loads(json.loads(header)["__metadata__"][_KEY])
        manifest, checksum = both["manifest"], both["sha256"]
        version = int(manifest["format_version"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ModelFileError(
            f"{str(path)!r} is not a tsae model, or its beginning is damaged; write one with `tsae fit` or "
            "`detector.save(path)`"
        ) from error
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"{str(path)!r} has format version {version}, this tsae reads up to {FORMAT_VERSION}; upgrade tsae"
        )
    if _manifest_digest(manifest) != checksum:
        raise _damaged(path, "the checksum of its manifest does not match")
    return dict(manifest)


def _unreadable(path: str | os.PathLike[str], error: OSError) -> ModelFileError:
    return ModelFileError(f"cannot read model {str(path)!r}: {error.strerror}; check the path")


def _damaged(path: str | os.PathLike[str], why: str) -> ModelFileError:
    return ModelFileError(f"model file {str(path)!r} is damaged ({why}); restore it from a copy or fit again")


def _manifest_digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()


def _digest(tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.asarray(tensors[name], order="C")
        digest.update(f"{name}|{array.dtype}|{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()
