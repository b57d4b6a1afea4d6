"""Ending a command that waits for input, without losing what it has."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import BinaryIO, Self

__all__ = ["Stopping"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LONGEST_LINE = 2**20  # bytes; what is longer is cut, so that no sender can fill the memory


class _Stopped(Exception):  # noqa: N818 (no error: it only wakes up a read that waits)
    pass


class Stopping:
    """While it lasts, SIGINT and SIGTERM end the reading of lines; work on a line is never interrupted."""

    def __init__(self) -> None:
        self._stopped = False
        self._waits = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._stop) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def lines(self, stream: BinaryIO) -> Iterator[bytes]:
        """Lines of a stream as they come, until it ends or a signal arrives."""
        while line := self._next(stream):
            yield line

    def _next(self, stream: BinaryIO) -> bytes:
        try:
            self._waits = True
            if self._stopped:
                return b""
            line = rest = stream.readline(_LONGEST_LINE)
            while len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
                rest = stream.readline(_LONGEST_LINE)
            self._waits = False
        except _Stopped:
            return b""
        return line

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (the signature of a handler)
        self._stopped = True
        if self._waits:
            self._waits = False
            raise _Stopped
