"""Journal of the batches since the last snapshot, one line per batch, so that each is acknowledged at once."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from tsae.errors import OutputError
from tsae.streaming.transports.transport import Message

__all__ = ["Journal", "JournalEntry"]


class JournalEntry(NamedTuple):
    """One batch of messages."""

    messages: list[Message]
    positions: list[Any]
    """Positions of the sinks, after the batch's results."""


class Journal:
    """File next to the snapshot, which names the snapshot that it continues, so that an outdated one is ignored.

    A line that was cut off by a crash was never acknowledged, and is dropped.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._end = 0

    def open(self) -> None:
        """Open and lock the file, until `close` or the end of the process.

        Raises
        ------
        OutputError
            If it cannot be written, or another process has locked it.
        """
        try:
            self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        except OSError as error:
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; choose another path") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise OutputError(
                f"{str(self._path)!r} is in use by another watch; end that one, or use another state file"
            ) from error
        except OSError:
            pass  # a file system without locks

    def read(self, snapshot: int) -> list[JournalEntry]:
        """Return the batches since this snapshot; the next one will be written after them."""
        entries: list[JournalEntry] = []
        file = self._held()
        file.seek(0)
        lines = file.read().splitlines(keepends=True)
        try:
            if lines and json.loads(lines[0]) == {"snapshot": snapshot}:
                self._end = len(lines[0])
                for line in lines[1:]:
                    if not line.endswith(b"\n"):
                        break
                    record = json.loads(line)
                    messages = [Message(base64.b64decode(data), entity, place) for data, entity, place in record["in"]]
                    entries.append(JournalEntry(messages, record["out"]))
                    self._end += len(line)
        except (ValueError, KeyError, TypeError):
            pass  # the rest was cut off
        if not self._end:
            self.begin(snapshot)
        return entries

    def begin(self, snapshot: int) -> None:
        """Drop all batches, which this snapshot contains."""
        self._end = 0
        self._write(json.dumps({"snapshot": snapshot}).encode() + b"\n")

    def add(self, messages: Sequence[Message], positions: Sequence[Any]) -> None:
        """Write a batch so that it survives the end of the process and a loss of power."""
        batch = [[base64.b64encode(message.payload).decode(), message.entity, message.place] for message in messages]
        self._write(json.dumps({"in": batch, "out": list(positions)}).encode() + b"\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _held(self) -> IO[bytes]:
        if self._file is None:
            raise OutputError(f"{str(self._path)!r} is not open")
        return self._file

    def _write(self, data: bytes) -> None:
        file, end = self._held(), self._end + len(data)
        try:
            file.seek(self._end)
            file.truncate()
            while data:
                data = data[file.write(data) :]
            os.fdatasync(file.fileno())
            self._end = end  # a partial write is repeated
        except OSError as error:
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; free some space") from error
