"""A CSV file: its dialect, worked out from its first lines, and batches of text cells."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.csv as pa_csv

from tsae.errors import DataError
from tsae.series.cells import MISSING, SEPARATORS, cell_kind
from tsae.series.formats.registry import TableFile, format_names
from tsae.series.options import ReadOptions

__all__ = ["CsvFile", "Dialect", "sniff"]

_HEAD_BYTES = 2**18
_SAMPLE_LINES = 200
_DECIMAL = re.compile(r"[+-]?\d*([.,])\d+([eE][+-]?\d+)?")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's own first line
_FOREIGN = {
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}


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


@dataclass(frozen=True)
class Dialect:
    """How the cells of a CSV file are written."""

    separator: str
    decimal: str
    encoding: str
    headers: tuple[str, ...]
    """Names as written; all empty if the file has no header."""
    units: tuple[str, ...]
    """Cells of the units row; empty if there is none."""
    sample: tuple[tuple[str, ...], ...]
    """First rows of data, stripped."""
    lines_before: int
    """Lines above the data."""
    bytes_before: int
    """The same in bytes."""
    notes: tuple[str, ...]


class _Record(NamedTuple):
    cells: tuple[str, ...]
    end: int
    """Lines of the file up to the end of this record."""


@dataclass(frozen=True)
class _Split:
    separator: str
    records: list[_Record]
    """Without preamble and empty lines; the header, if there is one, is the first."""
    width: int
    """Cells that most records have."""

    @property
    def fit(self) -> tuple[float, int]:
        """The higher, the better the separator fits: cells that mean something, in rows of equal width."""
        if self.width == 1 and any(separator in self.records[0].cells[0] for separator in SEPARATORS):
            return 0.0, 1  # "a,b" above "1,5" is no column with a decimal comma
        body = self.records[1:] or self.records
        cells = [cell for record in body[:50] for cell in record.cells]
        recognised = sum(cell_kind(cell) != "text" for cell in cells) / max(1, len(cells))
        even = sum(len(record.cells) == self.width for record in self.records) / len(self.records)
        return recognised * even, self.width


def sniff(head: bytes, *, complete: bool, options: ReadOptions) -> Dialect:
    r"""Work out the dialect from the first bytes of a file.

    Parameters
    ----------
    head : bytes
        Start of the file.
    complete : bool
        Whether the file ends there; otherwise its last line may be cut and is not looked at.
    options : ReadOptions
        What is stated is not sniffed.

    Raises
    ------
    DataError
        If the bytes are no text table, or one without rows.

    Examples
    --------
    >>> dialect = sniff(b"Zeit;T\n24.11.2026 10:00;21,5\n", complete=True, options=ReadOptions())
    >>> dialect.separator, dialect.decimal, dialect.headers
    (';', ',', ('Zeit', 'T'))
    """
    foreign = [kind for start, kind in _FOREIGN.items() if head.startswith(start)]
    if foreign or b"\0" in head:
        kind = foreign[0] if foreign else "a binary file"
        raise DataError(f"the file is {kind}, which is not read; save the table as {format_names()}, text in UTF-8")
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    lines = head[mark:].splitlines(keepends=True)[: _SAMPLE_LINES + 1]
    if not complete and len(lines) <= _SAMPLE_LINES:
        lines = lines[:-1]
    encoding, text = _decode(lines, options)
    if not any(line.strip() for line in text):
        raise DataError("the file is empty; a sensor table has one row per time and one column per sensor")
    excel = _SEPARATOR_LINE.fullmatch(text[0])
    separators = options.separator or (excel[1] if excel else SEPARATORS)
    split = max(
        (_split(text, separator, skip=1 if excel else 0) for separator in separators), key=lambda each: each.fit
    )
    header, units, rows = _layout(split, options)
    if not rows:
        raise DataError("the file has a header but no rows below it; record some data first")
    above = units or header
    lines_before = above.end if above else rows[0].end - 1
    sample = tuple(tuple(cell.strip() for cell in row.cells) for row in rows)
    signs = Counter(match[1] for row in sample for cell in row if (match := _DECIMAL.fullmatch(cell)))
    named = "tab" if split.separator == "\t" else repr(split.separator)
    notes = [f"CSV in {encoding}, separator {named}, {f'header in line {header.end}' if header else 'no header'}"]
    if units:
        notes.append(f"line {units.end} is read as units: {', '.join(filter(None, units.cells))}")
    return Dialect(
        separator=split.separator,
        decimal=options.decimal or ("," if signs[","] > signs["."] else "."),
        encoding=encoding,
        headers=tuple(cell.strip() for cell in header.cells) if header else ("",) * split.width,
        units=tuple(cell.strip() for cell in units.cells) if units else (),
        sample=sample,
        lines_before=lines_before,
        bytes_before=mark + sum(len(line) for line in lines[:lines_before]),
        notes=tuple(notes),
    )


def _decode(lines: Sequence[bytes], options: ReadOptions) -> tuple[str, list[str]]:
    wanted = [options.encoding] if options.encoding else ["utf-8", "cp1252"]
    for encoding in wanted:
        try:
            return encoding, [line.decode(encoding) for line in lines]
        except UnicodeDecodeError:
            continue
    raise DataError(f"the file is not text in the encoding {' or '.join(wanted)}; state its `encoding`")


def _split(text: list[str], separator: str, skip: int) -> _Split:
    reader = csv.reader(text[skip:], delimiter=separator)
    try:
        records = [_Record(tuple(cells), skip + reader.line_num) for cells in reader if any(cells)]
    except csv.Error as error:
        raise DataError(f"line {skip + reader.line_num} is not CSV ({error}); check its quotes") from error
    if not records:
        raise DataError("the file is empty; a sensor table has one row per time and one column per sensor")
    width = Counter(len(record.cells) for record in records).most_common(1)[0][0]
    start = next(place for place, record in enumerate(records) if len(record.cells) == width)
    # A title or a comment above a header is skipped; above plain data it might be a damaged row.
    is_preamble = all(len(record.cells) == 1 or record.cells[0].startswith("#") for record in records[:start])
    if is_preamble and not any(cell_kind(cell) in ("number", "time") for cell in records[start].cells):
        records = records[start:]
    return _Split(separator, records, width)


def _layout(split: _Split, options: ReadOptions) -> tuple[_Record | None, _Record | None, list[_Record]]:
    """Split the records into header, units row and data."""
    records = split.records
    has_header = options.header if options.header is not None else _has_header(records, split.width)
    if not has_header:
        return None, None, records
    header, rows = _fit_header(records[0], records[1:], split), records[1:]
    has_units = options.units_row if options.units_row is not None else _has_units(rows)
    return (header, rows[0], rows[1:]) if has_units and rows else (header, None, rows)


def _usual_kind(records: Sequence[_Record], column: int) -> str:
    kinds = (cell_kind(record.cells[column]) for record in records if column < len(record.cells))
    usual = Counter(kind for kind in kinds if kind != "missing").most_common(1)
    return usual[0][0] if usual else "missing"


def _has_header(records: list[_Record], width: int) -> bool:
    first = [cell_kind(cell) for cell in records[0].cells]
    if len(records) == 1:
        return not {"number", "time"} & set(first)
    below = [_usual_kind(records[1:], column) for column in range(width)]
    pairs = list(zip(first, below, strict=False))
    if ("time", "time") in pairs:  # then a text above numbers is a bad cell, not a name
        return False
    return any(top == "text" for top, _ in pairs) or not any(top == "number" for top, _ in pairs)


def _has_units(rows: list[_Record]) -> bool:
    """Whether the first row has no number or time where all other rows do, and says something else there."""
    if len(rows) < 2:
        return False
    usual = [_usual_kind(rows[1:], column) for column in range(len(rows[0].cells))]
    above = [
        cell_kind(cell) for cell, kind in zip(rows[0].cells, usual, strict=True) if kind in ("number", "time", "word")
    ]
    return "text" in above and set(above) <= {"text", "missing"}


def _fit_header(header: _Record, rows: list[_Record], split: _Split) -> _Record:
    """Make up for a separator at the end of the header only, or of the rows only."""
    extra = len(header.cells) - split.width
    if extra == 1 and not header.cells[-1].strip():
        return header._replace(cells=header.cells[:-1])
    if extra == -1 and not any(row.cells[-1].strip() for row in rows):
        return header._replace(cells=(*header.cells, ""))
    if extra:
        raise DataError(
            f"the header in line {header.end} has {len(header.cells)} cells, but most rows have "
            f"{split.width}; give each column one name, or state `separator`"
        )
    return header
