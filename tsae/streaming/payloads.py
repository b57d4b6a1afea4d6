"""Reading of rows from text: CSV with a header, or JSON objects."""

from __future__ import annotations

import csv
import json
import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tsae.errors import DataError
from tsae.series.cells import MISSING, SEPARATORS, WORD_VALUES, reads_as_number, split_units
from tsae.series.options import ReadOptions
from tsae.streaming.rows import time_ns
from tsae.streaming.transports.transport import Message

if TYPE_CHECKING:
    from tsae.series.times import TimeFormat

__all__ = ["CsvLines", "HeaderError", "JsonLines", "MessageReader", "StreamRow"]

_logger = logging.getLogger(__name__)
_TIME_NAMES = frozenset({"timestamp", "time", "datetime", "ts"})
_MOST_JUDGED = 1000  # headers of rows without a time


@dataclass(frozen=True)
class StreamRow:
    """One row of a stream."""

    values: Mapping[str, Any]
    """By channel; `None` where missing."""
    timestamp: Any
    """Time as `StreamScorer.update` takes it."""
    time: str | None
    """Original text of the time."""
    entity: str = ""


class HeaderError(DataError):
    """Error of a first line that is not a header, so that no later line can be read."""


class MessageReader:
    """Reader of rows from messages: lines of a CSV or JSON file, or payloads of a broker.

    A payload without a header is a JSON object, or the values in the order of the channels, after a time if there is
    one: `2026-11-24T10:00:00,1.5,20`.
    """

    def __init__(self, channels: Sequence[str], options: ReadOptions) -> None:
        self._channels, self._options = channels, options
        self._lines: CsvLines | JsonLines | None = None
        self._payloads = JsonLines(channels, options)

    @property
    def header(self) -> str | None:
        """Header of the lines; `None` if there is none."""
        return self._lines.header if isinstance(self._lines, CsvLines) else None

    def begin(self, header: str | None) -> None:
        """Continue with the `header` of a saved state."""
        if header is not None:
            self._lines = CsvLines(header, self._channels, self._options)

    def row(self, message: Message) -> StreamRow | None:
        """Return the row in a message; `None` for a header, a comment, or an empty line.

        A later header may have its columns in another order: that of the next file, or of a restarted sender.

        Raises
        ------
        HeaderError
            If the first line should be a header, but does not name all channels.
        DataError
            If the message cannot be read.
        """
        text = _text(message.payload)
        if not text.strip():
            return None
        if not message.place.startswith("line "):
            return self._payload(text)
        is_comment = text.startswith("#")
        if self._lines is None and text.lstrip().startswith("{"):
            self._lines = JsonLines(self._channels, self._options)
        elif self._lines is None:
            try:
                self._lines = CsvLines(text, self._channels, self._options)
            except DataError as error:
                if not is_comment:
                    raise HeaderError(str(error)) from error
            return None
        try:
            return self._lines.row(text)
        except DataError:
            if is_comment or self._is_next_header(text):
                return None
            raise

    def _is_next_header(self, text: str) -> bool:
        if self.header is None:
            return False
        try:
            self._lines = CsvLines(text, self._channels, self._options)
        except DataError:
            return False
        return True

    def _payload(self, text: str) -> StreamRow:
        if text.lstrip().startswith("{"):
            return self._payloads.row(text)
        cells = [cell.strip() for cell in text.strip().split(self._options.separator or ",")]
        time = cells.pop(0) if len(cells) == len(self._channels) + 1 else None
        if len(cells) != len(self._channels):
            raise DataError(
                f"the message {text[:60]!r} has {len(cells)} values, but the model {len(self._channels)} channels; "
                "send a JSON object, or one value per channel, after the time if there is one"
            )
        if time is not None:
            time_ns(time)
        pairs = zip(self._channels, cells, strict=True)
        return StreamRow({name: _number(cell, name, self._options) for name, cell in pairs}, time, time)


class CsvLines:
    """Reader of the lines of a CSV.

    Examples
    --------
    >>> lines = CsvLines("Zeit;flow [l/s]", ["flow"], ReadOptions())
    >>> lines.row("24.11.2026 10:00;1,5").values
    {'flow': 1.5}
    """

    def __init__(self, header: str, channels: Sequence[str], options: ReadOptions) -> None:
        self.header = header
        splits = [(separator, _cells(header, separator)) for separator in options.separator or SEPARATORS]
        self._separator, self._headers = max(splits, key=lambda split: len(_by_channel(split[1], channels)))
        self._columns = _by_channel(self._headers, channels)
        absent = [name for name in channels if name not in self._columns]
        if absent:
            raise DataError(
                f"the first line of the stream, {header[:80]!r}, does not name the channels {absent}; begin with a "
                "header that names all channels of the model, or send JSON lines"
            )
        self._options = options
        self._roles = _RolesOfColumns(channels, options)

    def row(self, line: str) -> StreamRow | None:
        """Read a line below the header; `None` if its cells are empty.

        Raises
        ------
        DataError
            If the line cannot be read; the next ones still can.
        """
        cells = _cells(line, self._separator)
        if not any(cells):
            return None
        extra = len(cells) - len(self._headers)
        if extra == 1 and not cells[-1]:  # a separator ends the rows, but not the header
            cells.pop()
        elif extra == -1 and not self._headers[-1]:  # or the header, but not the rows
            cells.append("")
        if len(cells) != len(self._headers):
            raise DataError(f"the line has {len(cells)} cells, but the header {len(self._headers)}; repair the sender")
        texts = dict(zip(self._headers, cells, strict=True))
        comma = self._separator != ","
        values = {
            name: _number(texts[header], name, self._options, comma=comma) for name, header in self._columns.items()
        }
        return self._roles.row(values, texts)


class JsonLines:
    """Reader of lines that are JSON objects; a channel that is not named is missing.

    Examples
    --------
    >>> JsonLines(["flow"], ReadOptions()).row('{"time": "2026-11-24T10:00Z", "flow": 1.5}').timestamp
    '2026-11-24T10:00Z'
    """

    def __init__(self, channels: Sequence[str], options: ReadOptions) -> None:
        self._channels, self._options = channels, options
        self._roles = _RolesOfColumns(channels, options)

    def row(self, line: str) -> StreamRow:
        """Read a line; raises as `CsvLines.row` does."""
        try:
            record = json.loads(line)
            if "\\ud" in line.lower():
                json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair is not text
        except (ValueError, RecursionError) as error:
            raise DataError(f"the line is not JSON ({error}): {line[:60]!r}; repair the sender") from error
        columns = _by_channel(list(record), self._channels) if isinstance(record, dict) else {}
        if not columns:
            raise DataError(
                f"the line names none of the channels {list(self._channels)}: {line[:60]!r}; send an object"
            )
        values = {
            name: _number(record[key], name, self._options) if isinstance(record[key], str) else record[key]
            for name, key in columns.items()
        }
        return self._roles.row(values, {key: "" if value is None else str(value) for key, value in record.items()})


class _RolesOfColumns:
    """Columns of the time and the entity, decided by the first row that can be read.

    If no time is found, the next row decides again that fills a column which was empty before.
    """

    def __init__(self, channels: Sequence[str], options: ReadOptions) -> None:
        self._channels, self._options = set(channels), options
        self._time: list[str] = []
        self._format: TimeFormat | None = None  # None: ISO
        self._judged: set[str] = set()  # headers of the rows that were decided by

    def row(self, values: Mapping[str, Any], texts: Mapping[str, str]) -> StreamRow:
        """Make a row of its values by channel and all its cells by header."""
        if not self._time and self._is_news(texts):
            self._decide(texts)
        entity = ""
        if self._options.entity is not None:
            entity = texts.get(self._options.entity, "").strip()
            if not entity:
                raise DataError(f"the line has no value for `--entity` (={self._options.entity!r}); name its entity")
        if not self._time:
            return StreamRow(values, None, None, entity)
        time = " ".join(texts.get(header, "").strip() for header in self._time)
        return StreamRow(values, self._timestamp(time), time, entity)

    def _is_news(self, texts: Mapping[str, str]) -> bool:
        is_full = len(self._judged) >= _MOST_JUDGED
        return not is_full and any(text and header not in self._judged for header, text in texts.items())

    def _decide(self, texts: Mapping[str, str]) -> None:
        headers = list(texts)
        time, time_format = _named_as_times(texts), None
        is_free = self._options.timestamp is None and self._options.timestamp_format is None
        if not (is_free and len(time) == 1 and _is_iso(texts[time[0]])):
            from tsae.series.columns import choose_roles  # loads pandas

            roles = choose_roles(headers, (), [list(texts.values())], self._options)
            time, time_format = [headers[place] for place in roles.time], roles.time_format
        if not time:
            for header in [] if self._options.timestamp is False else _named_as_times(texts):
                if header not in self._channels and not texts[header].strip():
                    raise DataError(
                        f"column {header!r} must contain the time, but is empty; repair the sender, or pass "
                        "`--no-timestamp` if the rows have none"
                    )
            _warn("the rows have no readable time; they are taken to follow each other without gaps")
        else:
            _logger.info("times are read from %r", " ".join(time))
        self._time, self._format = time, time_format
        self._judged.update(header for header, text in texts.items() if text)
        others = [name for name in headers if name not in time and name != self._options.entity]
        extra = [name for name in others if not _by_channel([name], self._channels)]
        if extra:
            _warn(f"columns {extra} were not there in fit and are ignored")

    def _timestamp(self, time: str) -> Any:
        if _is_iso(time) and (self._format is None or self._format.name == "iso"):
            return time
        if self._format is None:
            raise DataError(f"no time can be read from {time!r}; write ISO times, as in the earlier rows")
        import pandas as pd
        import pyarrow as pa

        from tsae.series.times import UnreadableTimeError, parse_times

        try:
            parsed = parse_times(pa.chunked_array([[time or None]], pa.string()), self._format)
        except UnreadableTimeError as error:
            raise DataError(f"no time can be read from {time!r}: {error}; {error.way_out}") from error
        return pd.Timestamp(int(parsed.ns[0]), tz="UTC" if parsed.zoned else None)


def _number(cell: str, name: str, options: ReadOptions, *, comma: bool = False) -> float | None:
    """Return the number in a cell, as the reader of files reads it; `comma` allows a decimal comma."""
    text = cell.strip()
    if text in MISSING or text in options.missing:
        return None
    if text.lower() in WORD_VALUES:
        return WORD_VALUES[text.lower()]
    if not reads_as_number(text) or ("," in text and not comma):
        raise DataError(
            f"column {name!r} has the text {text[:60]!r}, which is not a number; repair the sender, or name "
            "it with `--missing` if it means a missing value"
        )
    return float(text.replace(",", "."))


def _text(payload: bytes) -> str:
    """Decode UTF-8, or else Windows-1252, as in files."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        text = payload.decode("cp1252", errors="replace")
    return text.removeprefix("\ufeff").strip("\r\n")


def _named_as_times(headers: Iterable[str]) -> list[str]:
    """Return the headers that are usual names of a time."""
    return [header for header in headers if header.strip().lower() in _TIME_NAMES]


def _is_iso(time: str) -> bool:
    try:
        time_ns(time)
    except DataError:
        return False
    return len(time) > len("2026-11-24")


def _warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=2)


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error as error:
        raise DataError(f"the line is not CSV ({error}): {line[:60]!r}; repair the sender") from error


def _by_channel(headers: Sequence[str], channels: Sequence[str] | set[str]) -> dict[str, str]:
    """Return headers by channel, for the channels found; a header may have a unit that the channel lacks."""
    named = {header if header in channels else split_units([header])[0][0]: header for header in headers}
    return {name: header for name, header in named.items() if name in channels}
