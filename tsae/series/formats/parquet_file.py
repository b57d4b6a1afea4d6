"""A Parquet file as batches of typed columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tsae.errors import DataError
from tsae.series.formats.registry import TableFile
from tsae.series.options import ReadOptions

__all__ = ["ParquetFile"]

_BATCH_ROWS = 2**16
_SAMPLE_ROWS = 200
_BUFFER_BYTES = 2**18  # columns are read piece by piece, not one row group at once
_PANDAS_INDEX = "__index_level_"


class ParquetFile(TableFile):
    """A Parquet file and its columns.

    Raises
    ------
    DataError
        If the file is damaged or has no rows.
    """

    def __init__(self, stream: BinaryIO, _: ReadOptions) -> None:
        try:
            self._file = pq.ParquetFile(stream, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"the Parquet file is damaged ({error}); get it again") from error
        self._names: list[str] = self._file.schema_arrow.names
        self.headers = tuple("" if name.startswith(_PANDAS_INDEX) else name for name in self._names)
        self.unit_cells = ()
        self.decimal = "."
        self.notes = ("Parquet",)
        if not self._file.metadata.num_rows:
            raise DataError("the Parquet file has columns but no rows; record some data first")
        first = next(self._file.iter_batches(_SAMPLE_ROWS)).columns
        columns = [["" if cell is None else str(cell) for cell in column.to_pylist()] for column in first]
        self.sample = [list(row) for row in zip(*columns, strict=True)]

    def batches(self, columns: Sequence[int]) -> Iterator[list[Any]]:
        """Yield the columns, block by block, as pyarrow arrays."""
        wanted = [self._names[place] for place in columns]
        try:
            for batch in self._file.iter_batches(_BATCH_ROWS, columns=wanted):
                yield [batch.column(name) for name in wanted]
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"the Parquet file is damaged ({error}); get it again") from error

    def place(self, row: int) -> str:
        """Say where row `row` (from 0) stands in the file."""
        return f"row {row + 1}"
