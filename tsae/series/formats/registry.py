"""The table formats there are: reading, help and error texts take them from here."""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import BinaryIO

from tsae.series.formats.table_file import TableFile
from tsae.series.options import ReadOptions

__all__ = ["FORMATS", "TableFormat", "format_names", "open_file"]


@dataclass(frozen=True)
class TableFormat:
    """One format of table files."""

    name: str
    """As texts for users write it."""
    endings: tuple[str, ...]
    """File name endings, in lower case."""
    starts: tuple[bytes, ...]
    """First bytes of such a file; the longest that fits decides, so that `b""` takes what no other format does."""
    file: str
    """`module:class` of its `TableFile`, imported when a file is opened."""

    def n_recognised(self, head: bytes) -> int:
        """Length of the longest of `starts` that a file with this head begins with; −1 if there is none."""
        return max((len(start) for start in self.starts if head.startswith(start)), default=-1)


FORMATS = (
    TableFormat("CSV", (".csv", ".tsv", ".txt"), (b"",), "tsae.series.formats.csv_file:CsvFile"),
    TableFormat("Parquet", (".parquet",), (b"PAR1",), "tsae.series.formats.parquet_file:ParquetFile"),
)


def open_file(stream: BinaryIO, options: ReadOptions) -> TableFile:
    """Open a seekable, uncompressed stream in the format that its first bytes show.

    Raises
    ------
    DataError
        If it is no table.
    """
    stream.seek(0)
    head = stream.read(max(len(start) for each in FORMATS for start in each.starts))
    stream.seek(0)
    found = max(FORMATS, key=lambda each: each.n_recognised(head))
    file: TableFile = resolve_name(found.file)(stream, options)
    return file


def format_names() -> str:
    """All formats in words.

    >>> format_names()
    'CSV or Parquet'
    """
    *names, last = (each.name for each in FORMATS)
    return f"{', '.join(names)} or {last}"
