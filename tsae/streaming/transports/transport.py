"""Protocols of sources and sinks, and lines of text, which several transports carry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from tsae.streaming.records import Record

__all__ = ["LONGEST_PAYLOAD", "LineSplitter", "Message", "Sink", "Source", "json_lines"]

LONGEST_PAYLOAD = 2**20
"""Bytes; a longer payload is refused by its size, so that no sender can fill the memory."""


class Message(NamedTuple):
    """One row as received."""

    payload: bytes
    entity: str | None = None
    """Sender, if the transport names it (in a topic or a key)."""
    place: str = ""
    """Origin of the message, for reports about it."""


class Source(Protocol):
    """Rows from outside.

    Messages returned by `poll` count as unfinished until `commit`: a source that can rewind (`replayable`) returns them
    again when it is opened at the `position` of the last commit; otherwise its server sends them again.
    """

    replayable: bool

    def open(self, position: Any) -> None:
        """Begin at an earlier `position()`, or at the start of the source (`None`)."""

    def poll(self, timeout: float) -> list[Message] | None:
        """Return the next messages, at most a few thousand; empty after `timeout` idle seconds, `None` at the end."""

    def position(self) -> Any:
        """Return the end of the messages polled so far, JSON-able."""

    def commit(self) -> None:
        """Mark all messages polled so far as finished."""

    def close(self) -> None:
        """Release the connection or file."""


class Sink(Protocol):
    """Results to outside."""

    def open(self, position: Any) -> None:
        """Begin; a sink that can take back records removes those written after an earlier `position()`."""

    def write(self, records: Sequence[Record]) -> None:
        """Send records; they are out when it returns.

        Raises
        ------
        OutputError
            If some are not out; the caller tries again with the same records.
        """

    def position(self) -> Any:
        """Return the end of the records written so far, JSON-able; `None` if the sink cannot take records back.

        Raises
        ------
        OutputError
            If the records cannot be made durable; the caller tries again.
        """

    def close(self) -> None:
        """Release the connection or file."""


class LineSplitter:
    """Splitter of bytes into lines; it keeps only the beginning of a line that is too long, and reports its length."""

    def __init__(self) -> None:
        self._rest = b""
        self._n_dropped = 0
        self._n_lines = 0

    @property
    def pending(self) -> int:
        """Bytes of the last line, which is not complete."""
        return len(self._rest) + self._n_dropped

    def push(self, data: bytes) -> list[Message]:
        """Take bytes and return the lines that they complete."""
        *lines, rest = (self._rest + data).split(b"\n")
        messages = [self._message(line) for line in lines]
        self._rest = rest
        if len(rest) > LONGEST_PAYLOAD + 1:
            self._n_dropped += len(rest) - LONGEST_PAYLOAD - 1
            self._rest = rest[: LONGEST_PAYLOAD + 1]
        return messages

    def end(self) -> list[Message]:
        """Return the last line if it has no line end."""
        return self.push(b"\n") if self._rest else []

    def _message(self, line: bytes) -> Message:
        self._n_lines += 1
        self._n_dropped = 0
        return Message(line.rstrip(b"\r"), None, f"line {self._n_lines}")


def json_lines(records: Sequence[Record]) -> bytes:
    """Return records as lines of JSON."""
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()
