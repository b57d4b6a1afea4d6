"""Lines of text, as standard input, standard output and files carry them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tsae.streaming.transports.transport import LONGEST_PAYLOAD, Message

if TYPE_CHECKING:
    from tsae.streaming.records import Record

__all__ = ["LineSplitter", "json_lines"]


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
