"""Public sets of labelled pictures: scikit-learn's digits, which are here, and others, which are downloaded.

Files from the web come whole and with the right checksum, or not at all; they are IDX, the format of MNIST.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import math
import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError, OutputError, ParameterError
from tsae.series.bundled import bundled_folder

__all__ = ["ImageSet", "cache_folder", "fetch", "image_dataset", "image_datasets", "read_idx"]

_LOGGER = logging.getLogger(__name__)
_SECONDS = 30
_AT_ONCE = 2**20
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_VALUES = 2**31
_TRAINING_DIGITS = 2 / 3  # scikit-learn does not split them


@dataclass(frozen=True)
class ImageSet:
    """Pictures `(n, height, width)` in their own values, and what each shows, whole numbers `(n,)`."""

    train: NDArray[Any]
    train_labels: NDArray[np.int64]
    test: NDArray[Any]
    test_labels: NDArray[np.int64]


def image_datasets() -> tuple[str, ...]:
    """Names that `image_dataset` knows.

    >>> image_datasets()
    ('digits', 'mnist', 'fashion-mnist')
    """
    return "digits", *_catalogue()


def image_dataset(name: str = "digits", *, folder: str | os.PathLike[str] | None = None) -> ImageSet:
    """Load a set of labelled pictures; all but "digits" are downloaded on first use.

    Parameters
    ----------
    name
        One of `image_datasets()`.
    folder
        Where downloads are kept, each set in a folder of its own; `None` takes `tsae` in the user's cache.

    Raises
    ------
    ParameterError
        If there is no set of that name.
    DataError
        If a file cannot be downloaded, or is not the one that the catalogue names by its SHA-256.
    OutputError
        If the folder cannot be written.

    Examples
    --------
    >>> digits = image_dataset("digits")
    >>> digits.train.shape, digits.test.shape
    ((1198, 8, 8), (599, 8, 8))
    """
    if name == "digits":
        from sklearn.datasets import load_digits

        data = load_digits()
        images, labels = data.images.astype(np.float32), data.target.astype(np.int64)
        n = round(_TRAINING_DIGITS * len(images))
        return ImageSet(images[:n], labels[:n], images[n:], labels[n:])
    known = _catalogue()
    if name not in known:
        raise ParameterError(
            f"`name` (={name!r}) is not a set of pictures; choose one of {', '.join(image_datasets())}"
        )
    return _fetched(known[name], (cache_folder() if folder is None else Path(folder)) / name)


def _fetched(entry: dict[str, Any], folder: Path) -> ImageSet:
    parts = {}
    for part, file in entry["files"].items():
        urls = [url + file["name"] for url in entry["urls"]]
        parts[part] = read_idx(fetch(urls, folder / file["name"], sha256=file["sha256"]))
    for half in ("train", "test"):
        images, labels = parts[f"{half}_images"], parts[f"{half}_labels"]
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise DataError(f"{half} images {images.shape} and labels {labels.shape} do not belong together")
    return ImageSet(
        parts["train_images"],
        parts["train_labels"].astype(np.int64),
        parts["test_images"],
        parts["test_labels"].astype(np.int64),
    )


def _catalogue() -> dict[str, Any]:
    catalogue: dict[str, Any] = json.loads((bundled_folder("images", "catalogue.json") / "catalogue.json").read_text())
    return catalogue


def cache_folder() -> Path:
    """Where downloads are kept: `tsae` in `$XDG_CACHE_HOME`, which usually is `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tsae"


def fetch(urls: Sequence[str], path: Path, *, sha256: str) -> Path:
    """Make sure that `path` holds the file with this checksum; download it from the first of `urls` that has it.

    A file that is there already is checked, not downloaded. A download is written beside `path` and put in place
    when it is whole; what was there before survives any failure.

    Raises
    ------
    DataError
        If no address has the file, or what is there, or what came, has another checksum.
    OutputError
        If the folder cannot be written.
    """
    if path.exists():
        if _digest(path) != sha256:
            raise DataError(f"{str(path)!r} has another SHA-256 than {sha256}; delete it to have it downloaded again")
        return path
    failures = []
    for url in urls:
        try:
            _download(url, path, sha256)
        except (URLError, HTTPException, TimeoutError, ConnectionError, DataError) as error:
            failures.append(f"{url}: {error}")
        else:
            return path
    raise DataError(f"cannot download {path.name!r} ({'; '.join(failures)}); put the file at {str(path)!r} yourself")


def _download(url: str, path: Path, sha256: str) -> None:
    _LOGGER.info("downloading %s", url)
    with urlopen(url, timeout=_SECONDS) as answer:  # before anything is made on the disk
        handle, name = _beside(path)
        try:
            with os.fdopen(handle, "wb") as file:
                while part := answer.read(_AT_ONCE):
                    file.write(part)
            found = _digest(Path(name))
            if found != sha256:
                raise DataError(f"has SHA-256 {found}, not {sha256}")
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


def _beside(path: Path) -> tuple[int, str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}; pass another `folder`") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
