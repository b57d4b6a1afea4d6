"""From a path, "-" or an open file to bytes that can be read twice, and what the names of tables say."""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from tsae.errors import DataError
from tsae.series.formats.registry import FORMATS

__all__ = ["is_table_name", "open_source", "source_name", "stem_of"]

_GZIP, _GZIP_ENDING = b"\x1f\x8b", ".gz"
_ENDINGS = tuple(ending for each in FORMATS for ending in each.endings)
_IN_MEMORY = 64 * 2**20  # a pipe longer than this goes to a temporary file


def source_name(source: str | Path | BinaryIO) -> str:
    """Name of a source for messages."""
    if isinstance(source, str | Path):
        return "standard input" if str(source) == "-" else str(source)
    return str(getattr(source, "name", "the stream"))


def is_table_name(name: str) -> bool:
    """Whether a file name ends as a table does, compressed or not."""
    return name.lower().removesuffix(_GZIP_ENDING).endswith(_ENDINGS)


def stem_of(source: str) -> str:
    """Name of a table without folder and endings, to name results after.

    >>> stem_of("data/today.csv.gz"), stem_of("-")
    ('today', 'stdin')
    """
    name = "stdin" if source == "-" else Path(source).name
    while name.lower().endswith((_GZIP_ENDING, *_ENDINGS)) and Path(name).stem:
        name = Path(name).stem
    return name


@contextmanager
def open_source(source: str | Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a source as seekable, decompressed bytes that start at 0; an open file handed in stays open.

    Raises
    ------
    DataError
        If the source cannot be opened.
    """
    with ExitStack() as stack:
        if not isinstance(source, str | Path):
            raw = source
        elif str(source) == "-":
            raw = sys.stdin.buffer
        else:
            raw = stack.enter_context(_open_path(Path(source)))
        if not raw.seekable() or raw.tell() != 0:
            raw = stack.enter_context(_spool(raw))
        start = raw.read(len(_GZIP))
        raw.seek(0)
        if start == _GZIP:
            raw = stack.enter_context(cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb")))
        yield raw


def _open_path(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror}; check the path") from error


@contextmanager
def _spool(stream: BinaryIO) -> Iterator[BinaryIO]:
    # Sniffing looks at the head before the whole is read, and a message about a bad cell counts lines again.
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        shutil.copyfileobj(stream, spool)
        spool.seek(0)
        yield cast(BinaryIO, spool)
