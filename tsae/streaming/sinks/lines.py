"""Results as JSON lines: on standard output, or in a file, each exactly once."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from tsae.errors import OutputError
from tsae.streaming.records import Record

__all__ = ["FileSink", "StdoutSink"]


class StdoutSink:
    """JSON lines on standard output."""

    def __init__(self) -> None:
        self._rest = b""  # of the records that are being written

    def open(self, position: Any) -> None:
        pass

    def write(self, records: Sequence[Record]) -> None:
        self._rest = self._rest or _lines(records)
        output = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)  # a buffer would try again what failed
        try:
            while self._rest:
                self._rest = self._rest[output.write(self._rest) or 0 :]
        except BrokenPipeError:
            raise  # nobody reads any more
        except OSError as error:
            way_out = "free space, or send results elsewhere with `--to`"
            raise OutputError(f"cannot write to standard output: {error.strerror}; {way_out}") from error

    def position(self) -> None:
        return None

    def close(self) -> None:
        pass


class FileSink:
    """JSON lines in a file. After a crash it is cut to where the saved state ends, so that no record stands twice."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._name = str(self._path.absolute())  # another file is never cut to where this one ended
        self._file: IO[bytes] | None = None
        self._end = 0

    def open(self, position: Any) -> None:
        try:
            file = self._path.open("r+b" if self._path.exists() else "w+b")
            self._end = file.seek(0, os.SEEK_END)
            if position is not None and position["file"] == self._name:
                self._end = min(int(position["end"]), self._end)
            file.truncate(self._end)
            file.seek(self._end)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot write {str(self._path)!r}: {reason}; choose another path") from error
        self._file = file

    def write(self, records: Sequence[Record]) -> None:
        data = _lines(records)
        file = self._file
        if file is None:
            raise OutputError(f"{str(self._path)!r} is not open")
        try:
            file.seek(self._end)
            file.write(data)
            file.flush()
        except OSError as error:
            self._take_back()
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; free space") from error
        self._end += len(data)

    def position(self) -> dict[str, Any]:
        if self._file is not None:
            try:
                os.fdatasync(self._file.fileno())  # what is remembered as written outlasts a loss of power
            except OSError as error:
                raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; check the disk") from error
        return {"file": self._name, "end": self._end}

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take_back(self) -> None:
        """Cut what was written in part; a buffer that cannot be flushed goes with its file object."""
        os.truncate(self._path, self._end)
        handle = os.open(self._path, os.O_RDWR)
        old, self._file = self._file, os.fdopen(handle, "r+b")
        try:
            if old is not None:
                old.close()
        except OSError:
            pass  # it tries once more to write what is to be forgotten
        os.truncate(self._path, self._end)


def _lines(records: Sequence[Record]) -> bytes:
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()
