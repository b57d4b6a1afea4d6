"""Files of annotations: an append-only list of records in SQLite or CSV, with a schema version.

A record is never changed. Removing an annotation adds a record that says so, so that the file is also its history.
"""

from __future__ import annotations

import csv
import io
import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from tsae.errors import DataError, OutputError, ParameterError
from tsae.store import check_writable, write_atomically

__all__ = ["ADDED", "FIELDS", "REMOVED", "Record", "RecordFile", "record_file"]

Record = dict[str, str]
"""One line of the file: a text for each of `FIELDS`."""
FIELDS = (
    *("action", "id", "kind", "start", "stop", "entity", "event_id"),
    *("sensors", "peak_score", "author", "at", "note"),
)
ADDED, REMOVED = "added", "removed"

_SCHEMA_VERSION = 1
_SCHEMA = "tsae.annotations/"
_APPLICATION_ID = int.from_bytes(b"tsae", "big")
_SQLITE_MAGIC = b"SQLite format 3\x00"
_SQLITE_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_SECONDS_TO_WAIT = 30  # for another process that writes


class RecordFile(Protocol):
    """File of annotation records; several processes may append to it."""

    path: Path

    def read(self) -> list[Record]:
        """Return all records in the order in which they were appended."""
        ...

    def append(self, records: Sequence[Record]) -> None:
        """Append all of the records, or none if this fails; make the file if it is missing."""
        ...


def record_file(path: str | os.PathLike[str]) -> RecordFile:
    """Return the file of a path, by its suffix.

    Raises
    ------
    ParameterError
        If the suffix is of neither format.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix == ".csv":
        return _CsvFile(target)
    if suffix in _SQLITE_SUFFIXES:
        return _SqliteFile(target)
    raise ParameterError(
        f"annotation file {str(target)!r} must end in {', '.join(_SQLITE_SUFFIXES)} (SQLite) or .csv; rename it, for "
        f"example to {target.with_suffix('.db').name!r}"
    )


def _foreign(path: Path, why: str) -> DataError:
    return DataError(
        f"{str(path)!r} is not an annotation file ({why}); name one that `tsae annotate` wrote, or a new file"
    )


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"annotation file {str(path)!r} is damaged ({why}); restore it from a copy")


def _check_version(path: Path, version: int) -> None:
    if version > _SCHEMA_VERSION:
        raise DataError(
            f"annotation file {str(path)!r} has schema version {version}, this tsae reads up to {_SCHEMA_VERSION}; "
            "upgrade tsae"
        )


def _id_taken(path: Path, record: Record) -> ParameterError:
    return ParameterError(
        f"`id` (={record['id']!r}) was {record['action']} in {str(path)!r} already; leave `id` out to get a new one"
    )


class _SqliteFile:
    """One table in SQLite with a write-ahead log: writers wait for each other, and what was committed stays."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Record]:
        with self._connected("rw") as connection:
            if not self._is_prepared(connection):
                return []
            rows = connection.execute(f"SELECT {', '.join(FIELDS)} FROM annotations ORDER BY number").fetchall()
        return [dict(zip(FIELDS, map(str, row), strict=True)) for row in rows]

    def append(self, records: Sequence[Record]) -> None:
        check_writable(self.path)
        with self._connected("rwc") as connection:
            if not self._is_prepared(connection):
                self._prepare(connection)
            connection.execute("BEGIN IMMEDIATE")
            for record in records:
                values = [record[name] for name in FIELDS]
                marks = ", ".join("?" * len(FIELDS))
                try:
                    connection.execute(f"INSERT INTO annotations ({', '.join(FIELDS)}) VALUES ({marks})", values)
                except sqlite3.IntegrityError as error:
                    raise _id_taken(self.path, record) from error
            connection.execute("COMMIT")

    @contextmanager
    def _connected(self, mode: str) -> Iterator[sqlite3.Connection]:
        self._refuse_other_formats()
        where = f"{self.path.absolute().as_uri()}?mode={mode}"
        try:
            with closing(sqlite3.connect(where, _SECONDS_TO_WAIT, isolation_level=None, uri=True)) as connection:
                connection.execute("PRAGMA synchronous = FULL")  # a loss of power loses no more than kill -9
                yield connection
        except sqlite3.OperationalError as error:
            verb = "write" if mode == "rwc" else "read"
            kind = OutputError if mode == "rwc" else DataError
            raise kind(
                f"cannot {verb} the annotation file {str(self.path)!r} ({error}); check that its folder can be written "
                "and that no other process keeps it locked"
            ) from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise _damaged(self.path, str(error)) from error

    def _refuse_other_formats(self) -> None:
        try:
            with self.path.open("rb") as file:
                start = file.read(len(_SQLITE_MAGIC))
        except FileNotFoundError:
            return
        except OSError as error:
            raise DataError(
                f"cannot read the annotation file {str(self.path)!r}: {error.strerror}; check the path"
            ) from error
        if start and start != _SQLITE_MAGIC:
            raise _foreign(self.path, "it is not an SQLite file")

    def _is_prepared(self, connection: sqlite3.Connection) -> bool:
        """Return whether the table of annotations is there; refuse what is neither new nor an annotation file."""
        version, application, n_tables = (
            connection.execute(question).fetchone()[0]
            for question in ("PRAGMA user_version", "PRAGMA application_id", "SELECT count(*) FROM sqlite_master")
        )
        if not application and not n_tables:
            return False  # new, or its writer was killed before the first record
        if application != _APPLICATION_ID:
            raise _foreign(self.path, "it is an SQLite file of another program")
        _check_version(self.path, version)
        state = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if state != "ok":
            raise _damaged(self.path, " ".join(state.split()))
        return True

    def _prepare(self, connection: sqlite3.Connection) -> None:
        _switch_to_wal(connection)
        connection.execute("BEGIN IMMEDIATE")
        if not self._is_prepared(connection):  # another process may have been faster
            columns = ", ".join(f"{name} TEXT NOT NULL" for name in FIELDS)
            connection.execute(
                f"CREATE TABLE annotations (number INTEGER PRIMARY KEY AUTOINCREMENT, {columns}, UNIQUE (action, id))"
            )
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        connection.execute("COMMIT")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on; SQLite does not wait for other processes here by itself."""
    end = time.monotonic() + _SECONDS_TO_WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


class _CsvFile:
    """A CSV that is written anew beside the old file and then put in its place."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Record]:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise DataError(
                f"cannot read the annotation file {str(self.path)!r}: {error.strerror}; check the path"
            ) from error
        try:
            lines = _csv_lines(content.decode("utf-8-sig"))
        except (UnicodeDecodeError, csv.Error) as error:
            raise _foreign(self.path, f"it is not a CSV in UTF-8: {error}") from error
        if not lines:
            return []
        if lines[0][1] != ["schema", *FIELDS]:
            raise _foreign(self.path, f"its header is not schema,{','.join(FIELDS)}")
        return [self._record(number, cells) for number, cells in lines[1:]]

    def _record(self, number: int, cells: list[str]) -> Record:
        if len(cells) != len(FIELDS) + 1:
            raise _damaged(self.path, f"line {number} has {len(cells)} cells instead of {len(FIELDS) + 1}")
        schema, version = cells[0][: len(_SCHEMA)], cells[0][len(_SCHEMA) :]
        if schema != _SCHEMA or not version.isdecimal():
            raise _damaged(self.path, f"line {number} has the schema {cells[0]!r}")
        _check_version(self.path, int(version))
        return dict(zip(FIELDS, cells[1:], strict=True))

    def append(self, records: Sequence[Record]) -> None:
        check_writable(self.path)
        with _locked(self.path):
            known = self.read()
            taken = {(record["action"], record["id"]) for record in known}
            for record in records:
                if (record["action"], record["id"]) in taken:
                    raise _id_taken(self.path, record)
                taken.add((record["action"], record["id"]))
            text = io.StringIO()
            writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerow(["schema", *FIELDS])
            schema = f"{_SCHEMA}{_SCHEMA_VERSION}"
            writer.writerows([schema, *(record[name] for name in FIELDS)] for record in [*known, *records])
            write_atomically(self.path, text.getvalue().encode())


def _csv_lines(text: str) -> list[tuple[int, list[str]]]:
    """Return the cells of each record with the number of its last line; cells may be of any length."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        return [(reader.line_num, cells) for cells in reader if cells]
    finally:
        csv.field_size_limit(limit)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from writing the file; an empty one is made if it is missing."""
    import fcntl  # not on every system, and only writers of CSV need it

    while True:
        try:
            file = path.open("ab")
        except OSError as error:
            raise OutputError(f"cannot write {str(path)!r}: {error.strerror}; choose another path") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                is_in_place = os.path.samestat(os.fstat(file.fileno()), path.stat())
            except FileNotFoundError:
                is_in_place = False
            if is_in_place:  # or another process has put a new file in its place meanwhile
                yield
                return
