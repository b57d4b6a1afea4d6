"""Files by which a stream survives its process: a snapshot, the journal since then, and the model of both."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tsae.errors import DataError, ModelFileError, OutputError
from tsae.model.fitted import FittedModel
from tsae.store import write_atomically
from tsae.streaming.scorer import StreamScorer
from tsae.streaming.state import model_of_state, write_state
from tsae.streaming.transports.transport import Message

__all__ = ["BESIDE", "Journal", "KeptModel", "StateFiles"]

BESIDE = (".journal", ".model", ".model.next")
"""Endings of the files next to a state file."""


class StateFiles:
    """State file, with the journal and the copy of the model next to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        journal, *models = (Path(f"{path}{ending}") for ending in BESIDE)
        self.journal, self.model = Journal(journal), KeptModel(path, *models)

    def write(self, scorer: StreamScorer, facts: Mapping[str, Any]) -> None:
        """Write a snapshot, and its model if that has changed."""
        with self.model.beside(scorer.model):
            write_state(self.path, scorer, facts)


class KeptModel:
    """Copy of the model of the state, with which a restart settles the rows that wait.

    It is written only when the model changes. During a change there are two copies, so that either state that a crash
    may leave has its model.
    """

    def __init__(self, state: Path, path: Path, following: Path) -> None:
        self._state, self._path, self._next = state, path, following
        self._checksum: str | None = None  # of the copy, once it is known to be there

    def scorer_of_state(self, scorer: StreamScorer) -> StreamScorer:
        """Return the scorer of the state: `scorer`, or one like it with the model that was in use then.

        Raises
        ------
        DataError
            If the state is damaged, or of another model that is missing.
        """
        checksum = model_of_state(self._state)
        if checksum in (None, scorer.model.checksum):
            return scorer
        for path in (self._path, self._next):
            try:
                model = FittedModel.load(path)
            except ModelFileError:
                continue
            if model.checksum == checksum:
                self._put_in_place(path, model)
                return scorer.with_model(model)
        raise DataError(
            f"the state belongs to another model, and {str(self._path)!r} is not a copy of it; use that model, or "
            f"delete the state {str(self._state)!r} to begin afresh"
        )

    @contextmanager
    def beside(self, model: FittedModel) -> Iterator[None]:
        """Save the model of the state that is written inside; after a failure that of the state before is kept."""
        is_new = bool(model.file) and model.checksum != self._checksum
        if is_new:
            write_atomically(self._next, model.file)
        yield
        if is_new:
            self._put_in_place(self._next, model)

    def _put_in_place(self, path: Path, model: FittedModel) -> None:
        try:
            path.replace(self._path)
        except OSError as error:
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; choose another path") from error
        self._checksum = model.checksum


class Journal:
    """Batches since the last snapshot, one line per batch, so that each is acknowledged at once.

    The file names the snapshot that it continues, so that an outdated one is ignored. A line that was cut off by a
    crash was never acknowledged, and is dropped.
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

    def read(self, snapshot: int) -> list[tuple[list[Message], list[Any]]]:
        """Return the batches since this snapshot, each with the positions of the sinks after its results.

        The next batch will be written after them.
        """
        entries: list[tuple[list[Message], list[Any]]] = []
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
                    entries.append((messages, record["out"]))
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
