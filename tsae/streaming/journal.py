"""What was done since the last snapshot: one line a batch, so that a message can be acknowledged at once."""

from __future__ import annotations

import base64
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

    def read(self, snapshot: int) -> list[JournalEntry]:
        """The batches since this snapshot; the next one will be written behind them."""
        entries: list[JournalEntry] = []
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except OSError:
            return self._begun(snapshot, entries)
        try:
            if not lines or json.loads(lines[0]) != {"snapshot": snapshot}:
                return self._begun(snapshot, entries)
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
            return self._begun(snapshot, entries)
        self._open("r+b")
        return entries

    def begin(self, snapshot: int) -> None:
        """Forget everything: it is part of this snapshot now."""
        self.close()
        self._open("wb")
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

    def _begun(self, snapshot: int, entries: list[JournalEntry]) -> list[JournalEntry]:
        self.begin(snapshot)
        return entries

    def _open(self, mode: str) -> None:
        try:
            self._file = self._path.open(mode, buffering=0)
        except OSError as error:
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; choose another path") from error

    def _write(self, data: bytes) -> None:
        file = self._file
        if file is None:
            raise OutputError(f"{str(self._path)!r} is not open")
        try:
            file.seek(self._end)
            file.truncate()
            while data:
                n_written = file.write(data)
                self._end += n_written
                data = data[n_written:]
            os.fdatasync(file.fileno())
        except OSError as error:
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; free space") from error
