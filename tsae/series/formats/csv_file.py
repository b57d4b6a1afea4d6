"""A CSV file as batches of text cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv

from tsae.errors import DataError
from tsae.series.cells import MISSING
from tsae.series.formats.csv_dialect import sniff
from tsae.series.formats.table_file import TableFile
from tsae.series.options import ReadOptions

__all__ = ["CsvFile"]

_HEAD_BYTES = 2**18


class CsvFile(TableFile):
    """A CSV file: its dialect, and its columns as text.

    Raises
    ------
    DataError
        If the head of the file is not a table.
    """

    def __init__(self, stream: BinaryIO, options: ReadOptions) -> None:
        head = stream.read(_HEAD_BYTES)
        self._stream = stream
        self._dialect = sniff(head, complete=len(head) < _HEAD_BYTES, options=options)
        self._missing = sorted(MISSING | set(options.missing))
        self.headers = self._dialect.headers
        self.unit_cells = self._dialect.units
        self.sample = self._dialect.sample
        self.decimal = self._dialect.decimal
        self.notes = self._dialect.notes

    def batches(self, columns: Sequence[int]) -> Iterator[list[Any]]:
        """Yield the cells of the columns, block by block, as pyarrow arrays of text.

        Raises
        ------
        DataError
            If a row has another number of cells than the header.
        UnicodeError
            If the bytes do not fit the encoding.
        """
        names = [str(place) for place in range(len(self.headers))]
        wanted = [names[place] for place in columns]
        self._stream.seek(self._dialect.bytes_before)
        source = pa.PythonFile(self._stream, mode="r")
        try:
            reader = pa_csv.open_csv(
                source,
                read_options=pa_csv.ReadOptions(column_names=names, encoding=self._dialect.encoding),
                parse_options=pa_csv.ParseOptions(delimiter=self._dialect.separator, newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    include_columns=wanted,
                    null_values=self._missing,
                    strings_can_be_null=True,
                ),
            )
            for batch in reader:
                yield batch.columns
        except pa.ArrowInvalid as error:
            if "invalid UTF8" in str(error):
                raise UnicodeError(str(error)) from error
            raise DataError(self._explain(error)) from error

    def place(self, row: int) -> str:
        """Say where row `row` of the data (from 0) stands in the file."""
        line = next((line for number, (_, line) in enumerate(self._records()) if number == row), None)
        return f"line {line}" if line else f"row {row + 1} of the data"

    def _records(self) -> Iterator[tuple[list[str], int]]:
        self._stream.seek(self._dialect.bytes_before)
        text = io.TextIOWrapper(self._stream, self._dialect.encoding, errors="replace", newline="")
        try:
            reader = csv.reader(text, delimiter=self._dialect.separator)
            for cells in reader:
                if cells:
                    yield cells, self._dialect.lines_before + reader.line_num
        finally:
            text.detach()  # or the stream would be closed with it

    def _explain(self, error: pa.ArrowInvalid) -> str:
        width = len(self.headers)
        for cells, line in self._records():
            if len(cells) != width:
                return (
                    f"line {line} must have {width} cells like the others, but has {len(cells)} "
                    f"(it starts with {cells[0]!r}); repair or delete the line"
                )
        return f"the file is not a CSV table ({error}); check its quotes"
