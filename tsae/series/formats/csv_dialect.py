"""The dialect of a CSV file, worked out from its first lines: separator, decimal sign, header, units row."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tsae.errors import DataError
from tsae.series.cells import SEPARATORS, cell_kind
from tsae.series.formats.registry import format_names
from tsae.series.options import ReadOptions

__all__ = ["Dialect", "sniff"]

_SAMPLE_LINES = 200
_DECIMAL = re.compile(r"[+-]?\d*([.,])\d+([eE][+-]?\d+)?")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's own first line
_FOREIGN = {
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
}


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
    _refuse_foreign(head)
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    lines = head[mark:].splitlines(keepends=True)[: _SAMPLE_LINES + 1]
    if not complete and len(lines) <= _SAMPLE_LINES:
        lines = lines[:-1]
    encoding, text = _decode(lines, options)
    if not any(line.strip() for line in text):
        raise DataError("the file is empty; a sensor table has one row per time and one column per sensor")
    split = _split_best(text, options)
    header, units, rows = _layout(split, options)
    if not rows:
        raise DataError("the file has a header but no rows below it; record some data first")
    above = units or header
    lines_before = above.end if above else rows[0].end - 1
    sample = tuple(tuple(cell.strip() for cell in row.cells) for row in rows)
    return Dialect(
        separator=split.separator,
        decimal=options.decimal or _decimal(sample),
        encoding=encoding,
        headers=tuple(cell.strip() for cell in header.cells) if header else ("",) * split.width,
        units=tuple(cell.strip() for cell in units.cells) if units else (),
        sample=sample,
        lines_before=lines_before,
        bytes_before=mark + sum(len(line) for line in lines[:lines_before]),
        notes=_notes(split, encoding, header, units),
    )


def _refuse_foreign(head: bytes) -> None:
    kind = next((kind for start, kind in _FOREIGN.items() if head.startswith(start)), None)
    if kind is None and b"\0" in head:
        kind = "a binary file"
    if kind is not None:
        raise DataError(f"the file is {kind}, which is not read; save the table as {format_names()}, text in UTF-8")


def _decode(lines: Sequence[bytes], options: ReadOptions) -> tuple[str, list[str]]:
    wanted = [options.encoding] if options.encoding else ["utf-8", "cp1252"]
    for encoding in wanted:
        try:
            return encoding, [line.decode(encoding) for line in lines]
        except UnicodeDecodeError:
            continue
    raise DataError(f"the file is not text in the encoding {' or '.join(wanted)}; state its `encoding`")


def _split_best(text: list[str], options: ReadOptions) -> _Split:
    excel = _SEPARATOR_LINE.fullmatch(text[0])
    if options.separator:
        candidates: Sequence[str] = (options.separator,)
    else:
        candidates = (excel[1],) if excel else SEPARATORS
    splits = (_split(text, separator, skip=1 if excel else 0) for separator in candidates)
    return max(splits, key=lambda split: split.fit)


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


def _kinds(records: Sequence[_Record], column: int) -> Counter[str]:
    kinds = (cell_kind(record.cells[column]) for record in records if column < len(record.cells))
    return Counter(kind for kind in kinds if kind != "missing")


def _usual_kind(records: Sequence[_Record], column: int) -> str:
    usual = _kinds(records, column).most_common(1)
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


def _decimal(sample: tuple[tuple[str, ...], ...]) -> str:
    found = Counter(match[1] for row in sample for cell in row if (match := _DECIMAL.fullmatch(cell)))
    return "," if found[","] > found["."] else "."


def _notes(split: _Split, encoding: str, header: _Record | None, units: _Record | None) -> tuple[str, ...]:
    named = {"\t": "tab"}.get(split.separator, repr(split.separator))
    above = f"header in line {header.end}" if header else "no header"
    notes = [f"CSV in {encoding}, separator {named}, {above}"]
    if units:
        notes.append(f"line {units.end} is read as units: {', '.join(filter(None, units.cells))}")
    return tuple(notes)
