"""What was done since the last snapshot: one line a batch, so that a message can be acknowledged at once."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from tsae.errors import OutputError
from tsae.streaming.sources.source import Message

__all__ = ["Journal", "JournalEntry"]


class JournalEntry(NamedTuple):
    """One batch."""

    messages: list[Message]
    positions: list[Any]
    """Of the sinks, after the batch's results."""


class Journal:
    """A file beside the snapshot. It names the snapshot that it goes on from, so that an older one is left alone.

    A line that was torn by a crash was never acknowledged, and is dropped.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._end = 0

    def open(self) -> None:
        """Take hold of the file, as long as this process lives.

        Raises
        ------
        OutputError
            If it cannot be written, or another process has hold of it.
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
                f"{str(self._path)!r} is in use by another watch; end that one, or give each its own state"
            ) from error
        except OSError:
            pass  # a file system without locks

    def read(self, snapshot: int) -> list[JournalEntry]:
        """The batches since this snapshot; the next one will be written behind them."""
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
            pass  # what follows was torn
        if not self._end:
            self.begin(snapshot)
        return entries

    def begin(self, snapshot: int) -> None:
        """Forget everything: it is part of this snapshot now."""
        self._end = 0
        self._write(json.dumps({"snapshot": snapshot}).encode() + b"\n")

    def add(self, messages: Sequence[Message], positions: Sequence[Any]) -> None:
        """Keep a batch; it survives the end of the process, and after `fsync` that of the machine."""
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
            self._end = end  # what was written in part is written again
        except OSError as error:
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; free space") from error
