"""Lines of a file that grows, over rotation and truncation."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import IO, Any

from tsae.errors import DataError
from tsae.streaming.sources.source import Message
from tsae.streaming.sources.stdin import LineSplitter

__all__ = ["FollowedFile"]

_logger = logging.getLogger(__name__)
_CHUNK = 2**18
_PAUSE = 0.05  # seconds between looks at a file that does not grow


class FollowedFile:
    """Like `tail -F` from the first line: a file that is replaced is read to its end, then the new one from its start.

    Parameters
    ----------
    path
        The file; it may not exist yet.
    follow
        Whether to wait for more at its end.

    Raises
    ------
    DataError
        On reading, if there is nothing to read and `follow` is false.
    """

    replayable = True

    def __init__(self, path: str | os.PathLike[str], *, follow: bool = True) -> None:
        self._path, self._follow = Path(path), follow
        self._file: IO[bytes] | None = None
        self._lines = LineSplitter()
        self._end = 0  # bytes read
        self._is_missed = False

    def open(self, position: Any) -> None:
        if position is None:
            return
        file = self._opened()
        if file is None or os.fstat(file.fileno()).st_ino != position["inode"]:
            return  # rotated in the meantime: the new one is read from its start
        if os.fstat(file.fileno()).st_size >= position["offset"]:
            self._end = file.seek(position["offset"])

    def poll(self, timeout: float) -> list[Message] | None:
        deadline = time.monotonic() + timeout
        while True:
            file = self._file or self._opened()
            data = file.read(_CHUNK) if file is not None else b""
            if data:
                self._end += len(data)
                messages = self._lines.push(data)
                if messages:
                    return messages
                continue
            if file is not None and self._has_changed(file):
                continue
            if not self._follow:
                rest = self._lines.end()
                return rest or None
            if time.monotonic() >= deadline:
                return []
            time.sleep(_PAUSE)

    def position(self) -> Any:
        inode = None if self._file is None else os.fstat(self._file.fileno()).st_ino
        return {"inode": inode, "offset": self._end - self._lines.pending}

    def commit(self) -> None:
        pass

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> IO[bytes] | None:
        try:
            self._file = self._path.open("rb")
        except OSError as error:
            if not self._follow:
                raise DataError(f"cannot read {str(self._path)!r}: {error.strerror}; check the path") from error
            if not self._is_missed:
                _logger.warning("cannot read %r yet: %s; waiting for it", str(self._path), error.strerror)
            self._is_missed = True
            return None
        self._is_missed = False
        self._end = 0
        return self._file

    def _has_changed(self, file: IO[bytes]) -> bool:
        """Whether the file was cut, or replaced by another one; then begin at its start."""
        try:
            now = self._path.stat()
        except OSError:
            return False
        before = os.fstat(file.fileno())
        if now.st_ino != before.st_ino:
            if before.st_size > self._end:
                return False
            self._lines = LineSplitter()
            file.close()
            self._file = None
            return True
        if before.st_size < self._end:
            self._lines = LineSplitter()
            self._end = file.seek(0)
            return True
        return False
