"""Lines of standard input."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import Any

from tsae.streaming.sources.source import LONGEST_PAYLOAD, Message

__all__ = ["LineSplitter", "StdinSource"]

_CHUNK = 2**16


class LineSplitter:
    """Bytes to lines; of a line that is too long only the beginning is kept, and that it was too long."""

    def __init__(self) -> None:
        self._rest = b""
        self._n_dropped = 0
        self._n_lines = 0

    @property
    def pending(self) -> int:
        """Bytes of the last line, which is not complete."""
        return len(self._rest) + self._n_dropped

    def push(self, data: bytes) -> list[Message]:
        """Complete lines."""
        *lines, rest = (self._rest + data).split(b"\n")
        messages = [self._message(line) for line in lines]
        self._rest = rest
        if len(rest) > LONGEST_PAYLOAD + 1:
            self._n_dropped += len(rest) - LONGEST_PAYLOAD - 1
            self._rest = rest[: LONGEST_PAYLOAD + 1]
        return messages

    def end(self) -> list[Message]:
        """What comes without a line end."""
        return self.push(b"\n") if self._rest else []

    def _message(self, line: bytes) -> Message:
        self._n_lines += 1
        self._n_dropped = 0
        return Message(line.rstrip(b"\r"), None, f"line {self._n_lines}")


class StdinSource:
    """Lines of a file descriptor, as they come."""

    replayable = False

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = -1 if descriptor is None else descriptor
        self._lines = LineSplitter()
        self._ended = False

    def open(self, position: Any) -> None:
        if self._descriptor < 0:
            with contextlib.suppress(OSError, ValueError):  # something that stands in for it has none
                self._descriptor = sys.stdin.fileno()

    def poll(self, timeout: float) -> list[Message] | None:
        if self._ended:
            return None
        if self._descriptor < 0:
            data = sys.stdin.buffer.read(_CHUNK)
        elif select.select([self._descriptor], [], [], timeout)[0]:
            data = os.read(self._descriptor, _CHUNK)
        else:
            return []
        if data:
            return self._lines.push(data)
        self._ended = True
        return self._lines.end()

    def position(self) -> None:
        return None

    def commit(self) -> None:
        pass

    def close(self) -> None:
        pass
