"""Standard input as a source, standard output as a sink."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tsae.errors import OutputError
from tsae.streaming.transports.transport import LineSplitter, Message, json_lines

if TYPE_CHECKING:
    from tsae.streaming.records import Record

__all__ = ["StdinSource", "StdoutSink", "sink", "source"]

_CHUNK = 2**16


class StdinSource:
    """Lines of standard input, or of another file descriptor, as they arrive."""

    replayable = False

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = -1 if descriptor is None else descriptor
        self._lines = LineSplitter()
        self._ended = False

    def open(self, position: Any) -> None:
        if self._descriptor < 0:
            with contextlib.suppress(OSError, ValueError):  # a replacement of standard input may have no descriptor
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


class StdoutSink:
    """JSON lines on standard output."""

    def __init__(self) -> None:
        self._rest = b""  # of the records that are being written

    def open(self, position: Any) -> None:
        pass

    def write(self, records: Sequence[Record]) -> None:
        self._rest = self._rest or json_lines(records)
        output = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)  # a buffer would write again after a failure
        try:
            while self._rest:
                self._rest = self._rest[output.write(self._rest) or 0 :]
        except BrokenPipeError:
            raise  # the reader is gone
        except OSError as error:
            way_out = "free some space, or send results elsewhere with `--to`"
            raise OutputError(f"cannot write to standard output: {error.strerror}; {way_out}") from error

    def position(self) -> None:
        return None

    def close(self) -> None:
        pass


def source(_address: str, _follow: bool) -> StdinSource:
    """Open standard input."""
    return StdinSource()


def sink(_address: str) -> StdoutSink:
    """Open standard output."""
    return StdoutSink()
