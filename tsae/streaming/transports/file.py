"""Growing files as sources, over rotation and truncation, and files as sinks."""

from __future__ import annotations

import logging
import os
import stat
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tsae.errors import DataError, OutputError
from tsae.streaming.transports.transport import LineSplitter, Message, json_lines

if TYPE_CHECKING:
    from tsae.streaming.records import Record

__all__ = ["FileSink", "FollowedFile", "sink", "source"]

_logger = logging.getLogger(__name__)
_CHUNK = 2**18
_PAUSE = 0.05  # seconds between looks at a file that does not grow
_HEAD = 1024  # bytes that identify a file


class FollowedFile:
    """Lines of a file, like `tail -F` from the first line.

    A replaced file is read to its end, then the new one from its start, but not before the new one has content: until
    then a sender may still write into the old one. A file that was renamed while nobody followed it is found by its
    inode, if it is in the same folder.

    Parameters
    ----------
    path
        The file; it may not exist yet.
    follow
        Whether to wait for more at its end.

    Raises
    ------
    DataError
        If it is not a regular file; on reading, if it does not exist and `follow` is false.
    """

    replayable = True

    def __init__(self, path: str | os.PathLike[str], *, follow: bool = True) -> None:
        self._path, self._follow = Path(path), follow
        self._file: IO[bytes] | None = None
        self._lines = LineSplitter()
        self._end = 0  # bytes read
        self._head = (0, 0)  # number of first bytes, and their checksum
        self._is_missed = False

    def open(self, position: Any) -> None:
        if self._path.exists() and not stat.S_ISREG(self._path.stat().st_mode):
            raise DataError(f"{str(self._path)!r} is not a regular file; read a pipe from standard input, with -")
        if position is None or position.get("inode") is None:
            return
        for path in [self._path, *_renamed(self._path, position["inode"])]:
            if self._found_again(path, position):
                return

    def poll(self, timeout: float) -> list[Message] | None:
        deadline = time.monotonic() + timeout
        while True:
            file = self._file or self._opened()
            if file is not None and _head_of(file, self._head[0]) != self._head:
                self._begin_again(file)
            data = file.read(_CHUNK) if file is not None else b""
            if data:
                self._end += len(data)
                if self._head[0] < _HEAD and file is not None:
                    self._head = _head_of(file, min(_HEAD, self._end))
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
        return {"inode": inode, "offset": self._end - self._lines.pending, "head": list(self._head)}

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
        self._end, self._head = 0, (0, 0)
        return self._file

    def _found_again(self, path: Path, position: Any) -> bool:
        """Continue at the position if the file at this path is the one it belongs to; return whether it is."""
        try:
            file = path.open("rb")
        except OSError:
            return False
        found, head = os.fstat(file.fileno()), tuple(position.get("head", (0, 0)))
        is_same = found.st_ino == position["inode"] and found.st_size >= position["offset"]
        if not is_same or _head_of(file, head[0]) != head:
            file.close()
            return False
        self._file, self._head = file, _head_of(file, head[0])
        self._end = file.seek(position["offset"])
        return True

    def _has_changed(self, file: IO[bytes]) -> bool:
        """Return whether the file was cut, or replaced by another one; if so, begin at its start."""
        try:
            now = self._path.stat()
        except OSError:
            return False
        before = os.fstat(file.fileno())
        if now.st_ino != before.st_ino:
            if before.st_size > self._end or not now.st_size:
                return False
            self._lines = LineSplitter()
            file.close()
            self._file = None
            return True
        if before.st_size < self._end:
            self._begin_again(file)
            return True
        return False

    def _begin_again(self, file: IO[bytes]) -> None:
        """Read the file, which was cut, from its start."""
        self._lines = LineSplitter()
        self._end, self._head = file.seek(0), (0, 0)


class FileSink:
    """JSON lines in a file. After a crash it is cut to the end in the saved state, so that no record is in it twice."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._name = str(self._path.absolute())  # another file is never cut to the end of this one
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
        data = json_lines(records)
        file = self._file
        if file is None:
            raise OutputError(f"{str(self._path)!r} is not open")
        try:
            file.seek(self._end)
            file.write(data)
            file.flush()
        except OSError as error:
            self._take_back()
            raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; free some space") from error
        self._end += len(data)

    def position(self) -> dict[str, Any]:
        if self._file is not None:
            try:
                os.fdatasync(self._file.fileno())  # records of a saved position must survive a loss of power
            except OSError as error:
                raise OutputError(f"cannot write {str(self._path)!r}: {error.strerror}; check the disk") from error
        return {"file": self._name, "end": self._end}

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take_back(self) -> None:
        """Cut off a partial write; a buffer that cannot be flushed is dropped with its file object."""
        os.truncate(self._path, self._end)
        handle = os.open(self._path, os.O_RDWR)
        old, self._file = self._file, os.fdopen(handle, "r+b")
        try:
            if old is not None:
                old.close()
        except OSError:
            pass  # it tries once more to write what was cut off
        os.truncate(self._path, self._end)


def _head_of(file: IO[bytes], n_bytes: int) -> tuple[int, int]:
    return n_bytes, zlib.crc32(os.pread(file.fileno(), n_bytes, 0))


def _renamed(path: Path, inode: int) -> list[Path]:
    """Return the other files of its folder that have the inode."""
    try:
        return [each for each in path.parent.iterdir() if each != path and each.lstat().st_ino == inode]
    except OSError:
        return []


def source(path: str, follow: bool) -> FollowedFile:
    """Open the source at a path."""
    return FollowedFile(path, follow=follow)


def sink(path: str) -> FileSink:
    """Open the sink at a path."""
    return FileSink(path)
