"""Files from the web into a folder: whole, with the right checksum, or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tsae.errors import DataError, OutputError

__all__ = ["cache_folder", "fetch"]

_LOGGER = logging.getLogger(__name__)
_SECONDS = 30
_AT_ONCE = 2**20


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
