"""The table formats there are, and the contract of each; reading, help and error texts take them from here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, BinaryIO, Protocol

from tsae.series.options import ReadOptions

__all__ = ["FORMATS", "TableFile", "TableFormat", "format_names", "is_table_name", "open_file", "stem_of"]


class TableFile(Protocol):
    """An open table file: its head, and its columns block by block.

    A format is a class with these members that is made from `(stream, options)`: a seekable binary file at its start,
    and the `ReadOptions`. It raises a `DataError` if the file is damaged or has no rows.
    """

    headers: Sequence[str]
    """Column names as written, with their units; empty where a column has none."""
    unit_cells: Sequence[str]
    """Units of the columns if the file keeps them apart from the names; empty otherwise."""
    sample: Sequence[Sequence[str]]
    """First rows as text; a missing cell is empty."""
    decimal: str
    """Decimal sign of numbers that are text: "." or ","."""
    notes: Sequence[str]
    """Sentences on how the file was read."""

    def batches(self, columns: Sequence[int]) -> Iterator[list[Any]]:
        """Yield blocks of rows, each as one pyarrow array per wanted column (positions from 0), of text or typed.

        Raises
        ------
        DataError
            If the file is damaged.
        UnicodeError
            If its bytes do not fit the encoding.
        """
        ...

    def place(self, row: int) -> str:
        """Say where row `row` (from 0) of the batches stands in the file, such as "line 7"."""
        ...


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


FORMATS = (
    TableFormat("CSV", (".csv", ".tsv", ".txt"), (b"",), "tsae.series.formats.csv_file:CsvFile"),
    TableFormat("Parquet", (".parquet",), (b"PAR1",), "tsae.series.formats.parquet_file:ParquetFile"),
)
_ENDINGS = tuple(ending for each in FORMATS for ending in each.endings)


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
    _, found = max(
        ((start, each.file) for each in FORMATS for start in each.starts if head.startswith(start)),
        key=lambda pair: len(pair[0]),
    )
    file: TableFile = resolve_name(found)(stream, options)
    return file


def format_names() -> str:
    """All formats in words.

    >>> format_names()
    'CSV or Parquet'
    """
    *names, last = (each.name for each in FORMATS)
    return f"{', '.join(names)} or {last}"


def is_table_name(name: str) -> bool:
    """Whether a file name ends as a table does, compressed or not."""
    return name.lower().removesuffix(".gz").endswith(_ENDINGS)


def stem_of(source: str) -> str:
    """Name of a table without folder and endings, to name results after.

    >>> stem_of("data/today.csv.gz"), stem_of("-")
    ('today', 'stdin')
    """
    name = "stdin" if source == "-" else Path(source).name
    while name.lower().endswith((".gz", *_ENDINGS)) and Path(name).stem:
        name = Path(name).stem
    return name
