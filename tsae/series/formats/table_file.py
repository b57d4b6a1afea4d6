"""The contract of every table format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

__all__ = ["TableFile"]


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
