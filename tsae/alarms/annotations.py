"""Annotations: what people say of events and intervals, kept with author and time."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import pandas as pd

from tsae.alarms import AnnotationKind
from tsae.alarms.annotation_files import ADDED, REMOVED, Record, record_file
from tsae.alarms.event import Event, event_fields
from tsae.checks import check_choice, is_number
from tsae.errors import DataError, ParameterError

__all__ = ["Annotation", "Annotations", "Removal", "Said", "moment_of"]

Moment = pd.Timestamp | int
"""A time (in UTC if it carries a zone), or the number of a row."""
_DAY = re.compile(r"\s*\d{4}-\d{2}-\d{2}\s*")
_ROW = re.compile(r"\s*-?\d+\s*")


def moment_of(value: Any, *, name: str = "start", ends_day: bool = False) -> Moment:
    """Return a time in nanoseconds, in UTC if it carries a zone, or a row number.

    Parameters
    ----------
    value
        A datetime of Python, NumPy or pandas, a whole number, or a text: ISO 8601, or the number of a row.
    name
        What errors call it.
    ends_day
        Whether a date alone means the end of that day.

    Raises
    ------
    ParameterError
        If it is neither a time nor a row number.

    Examples
    --------
    >>> moment_of("2026-03-01 10:00+01:00"), moment_of("110")
    (Timestamp('2026-03-01 09:00:00+0000', tz='UTC'), 110)
    >>> moment_of("2026-03-01", ends_day=True)
    Timestamp('2026-03-01 23:59:59.999999999')
    """
    is_row = isinstance(value, str) and _ROW.fullmatch(value)
    if is_row or (isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)):
        return int(value)
    try:
        if not isinstance(value, str | datetime | np.datetime64):
            raise TypeError(f"it is a {type(value).__name__}")
        time = pd.to_datetime(value, format="ISO8601") if isinstance(value, str) else pd.Timestamp(value)
        if pd.isna(time):
            raise ValueError("it is not a time")
        time = (time if time.tzinfo is None else time.tz_convert("UTC")).as_unit("ns")
        if ends_day and isinstance(value, str) and _DAY.fullmatch(value):
            time += pd.Timedelta(days=1) - pd.Timedelta(1, "ns")
    except (TypeError, ValueError, OverflowError) as error:
        raise ParameterError(
            f"`{name}` (={value!r}) must be a time or the number of a row ({error}); write 2026-03-01T10:00, or 110"
        ) from error
    return time


@dataclass(frozen=True)
class Annotation:
    """What a person says of an event, or of an interval of rows.

    Texts are taken for times in ISO 8601 or for row numbers; a `stop` that is a date alone means the whole day.

    Examples
    --------
    >>> Annotation("maintenance", "2026-03-01", "2026-03-01", author="Ada").stop
    Timestamp('2026-03-01 23:59:59.999999999')
    """

    kind: AnnotationKind
    """"real": it was a fault; "false alarm": the rows were normal; "new normal": they were normal, and models should
    learn them; "maintenance" and "ignore": they say nothing about normal operation."""
    start: Any
    """First row of the interval: a `pandas.Timestamp`, in UTC if it carries a zone, or the number of the row."""
    stop: Any
    """Last row of the interval, inclusive."""
    entity: str = ""
    """Entity that the annotation speaks of; empty for all entities."""
    event_id: str = ""
    """Event that the annotation speaks of, as `Event.event_id`; empty for an interval."""
    sensors: tuple[str, ...] = ()
    """Sensors behind the event, the most responsible first."""
    shares: tuple[float, ...] = ()
    """Part of the event that each sensor is to blame for, in [0, 1]; empty if it is not known."""
    directions: tuple[str, ...] = ()
    """Whether each sensor lay "above" or "below" what was expected at the peak, "" if that is not known."""
    peak_score: float | None = None
    """The largest score of the event."""
    author: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When this was said, in UTC; now unless stated."""
    note: str = ""
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    """Name of the annotation in its file; a new one unless stated."""

    def __post_init__(self) -> None:
        settled = {
            "start": moment_of(self.start, name="start"),
            "stop": moment_of(self.stop, name="stop", ends_day=True),
            "sensors": tuple(self.sensors),
            "shares": tuple(map(float, self.shares)),
            "directions": tuple(self.directions),
            "at": _in_utc(self.at),
        }
        for name, value in settled.items():
            object.__setattr__(self, name, value)
        check_choice("kind", self.kind, get_args(AnnotationKind))
        self._check_interval()
        self._check_sensors()
        for name in ("entity", "event_id", "author", "note", "id"):
            _check_text(name, getattr(self, name))
        if not self.id:
            raise ParameterError("`id` (='') must not be empty; leave it out to get a new one")

    def _check_interval(self) -> None:
        kinds = {(isinstance(each, pd.Timestamp), getattr(each, "tzinfo", None)) for each in (self.start, self.stop)}
        both = f"`start` (={self.start}) and `stop` (={self.stop})"
        if len(kinds) > 1:
            raise ParameterError(f"{both} must both be times, with or without a time zone, or both be row numbers")
        if self.start > self.stop:
            raise ParameterError(f"{both}: the interval must not end before it starts; swap them")

    def _check_sensors(self) -> None:
        for name in self.sensors:
            _check_text("sensors", name)
        for name in ("shares", "directions"):
            n_values = len(getattr(self, name))
            if n_values not in (0, len(self.sensors)):
                raise ParameterError(
                    f"`{name}` has {n_values} values for {len(self.sensors)} sensors; give one a sensor, or none"
                )
        for share in self.shares:
            if not 0 <= share <= 1:
                raise ParameterError(f"`shares` must be numbers from 0 to 1, got {share!r}")
        for direction in self.directions:
            check_choice("directions", direction, ("", "above", "below"))
        if self.peak_score is not None and not is_number(self.peak_score):
            raise ParameterError(f"`peak_score` (={self.peak_score!r}) must be a finite number or None")

    @classmethod
    def of_event(cls, event: Event | Mapping[str, Any], kind: AnnotationKind, **words: Any) -> Self:
        """Annotate an event.

        Parameters
        ----------
        event
            From `detect` or a stream, or its fields as `tsae score` writes them.
        kind
            What it was.
        words
            Further fields, such as `author` and `note`.
        """
        fields = event_fields(event) if isinstance(event, Event) else event
        sensors = fields.get("sensors") or []
        score = fields.get("peak_score")
        return cls(
            kind,
            moment_of(fields["start"], name="start"),
            moment_of(fields["stop"], name="stop"),
            entity=fields.get("entity", ""),
            event_id=fields["event_id"],
            sensors=tuple(each["sensor"] for each in sensors),
            shares=tuple(each["share"] for each in sensors),
            directions=tuple(each.get("direction", "") for each in sensors),
            peak_score=None if score is None else float(score),
            **words,
        )

    def speaks_of(self, entity: str) -> bool:
        """Return whether the annotation speaks of this entity, or of all."""
        return self.entity in ("", entity)

    def fields(self) -> dict[str, Any]:
        """Return the fields as JSON-able values, with sensors as in `event_fields`."""
        shares = self.shares or (None,) * len(self.sensors)
        directions = self.directions or (None,) * len(self.sensors)
        return {
            "id": self.id,
            "kind": self.kind,
            "start": _as_written(self.start),
            "stop": _as_written(self.stop),
            "entity": self.entity,
            "event_id": self.event_id,
            "sensors": [
                {"sensor": sensor, "share": share, "direction": direction}
                for sensor, share, direction in zip(self.sensors, shares, directions, strict=True)
            ],
            "peak_score": self.peak_score,
            "author": self.author,
            "at": _as_written(self.at),
            "note": self.note,
        }


def _in_utc(at: Any) -> datetime:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ParameterError(f"`at` (={at!r}) must be a datetime with a time zone; leave it out for now")
    plain = at.to_pydatetime(warn=False) if isinstance(at, pd.Timestamp) else at
    return plain.astimezone(UTC)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ParameterError(f"`{name}` (={value!r}) must be a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ParameterError(f"`{name}` (={value!r}) must be a text that UTF-8 can hold ({error.reason})") from error


def _as_written(value: datetime | int) -> str | int:
    return value.isoformat() if isinstance(value, datetime) else value


def _as_record(annotation: Annotation) -> Record:
    fields = annotation.fields()
    sensors = json.dumps(fields["sensors"], ensure_ascii=False) if annotation.sensors else ""
    score = "" if annotation.peak_score is None else repr(float(annotation.peak_score))
    texts = {name: str(value) for name, value in fields.items()}
    return {"action": ADDED, **texts, "sensors": sensors, "peak_score": score}


def _from_record(record: Record) -> Annotation:
    sensors = json.loads(record["sensors"] or "[]")
    shares, directions = ([each[name] for each in sensors] for name in ("share", "direction"))
    return Annotation(
        kind=record["kind"],  # type: ignore[arg-type]  # the constructor checks it
        start=moment_of(record["start"], name="start"),
        stop=moment_of(record["stop"], name="stop"),
        sensors=tuple(each["sensor"] for each in sensors),
        shares=() if None in shares else tuple(shares),
        directions=() if None in directions else tuple(directions),
        peak_score=float(record["peak_score"]) if record["peak_score"] else None,
        at=datetime.fromisoformat(record["at"]),
        **{name: record[name] for name in ("entity", "event_id", "author", "note", "id")},
    )


@dataclass(frozen=True)
class Removal:
    """Who took an annotation back, and when."""

    author: str
    at: datetime
    note: str


@dataclass(frozen=True)
class Said:
    """One entry of the history of annotations."""

    annotation: Annotation
    state: Literal["current", "superseded", "removed"]
    """Whether it counts; a later one on the same event, or the same interval, supersedes it."""
    removal: Removal | None = None


class Annotations:
    """Annotations in one file, SQLite (.db, .sqlite, .sqlite3) or CSV (.csv).

    Iterating gives those that count, in the order in which they were said. A later annotation of the same event, or of
    the same interval, supersedes an earlier one; if it is removed, the earlier one counts again. Nothing is deleted:
    `history` shows all. Several processes may write at once, and each call is written as a whole or not at all.
    SQLite keeps the latest records in a file beside (-wal) while it is in use, so copy the file when nobody writes.

    Parameters
    ----------
    path
        File; one that is missing is made by the first `add`.

    Raises
    ------
    ParameterError
        If the suffix is none of these.
    DataError
        If the file is not one of annotations, is damaged, or has a newer schema.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     notes = Annotations(Path(folder) / "notes.db")
    ...     notes.add(Annotation("maintenance", "2026-03-01T10:00", "2026-03-01T12:00", entity="pump 3", author="Ada"))
    ...     [each.author for each in notes.of_entity("pump 3")], len(notes.intervals("maintenance"))
    (['Ada'], 1)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = record_file(path)
        if self.path.exists():
            self.history()  # what is not an annotation file is refused at once

    @classmethod
    def existing(cls, path: str | os.PathLike[str]) -> Self:
        """Open a file that must be there.

        Raises
        ------
        DataError
            If it is missing; and as the constructor.
        """
        if not Path(path).exists():
            raise DataError(
                f"annotation file {str(path)!r} is missing; check the path, or write one with `tsae annotate`"
            )
        return cls(path)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def __repr__(self) -> str:
        return f"Annotations({str(self.path)!r})"

    def __iter__(self) -> Iterator[Annotation]:
        return iter([each.annotation for each in self.history() if each.state == "current"])

    def __len__(self) -> int:
        return sum(each.state == "current" for each in self.history())

    def add(self, *annotations: Annotation) -> None:
        """Write annotations; they are on the disk when this returns, all or none.

        Raises
        ------
        OutputError
            If the file cannot be written.
        ParameterError
            If one was added before.
        """
        self._file.append([_as_record(annotation) for annotation in annotations])

    def remove(self, id: str, *, author: str = "", note: str = "") -> Annotation:
        """Take an annotation back, and return it; the history keeps it.

        Parameters
        ----------
        id
            Its `id`, or the beginning of it if no other one begins so.

        Raises
        ------
        ParameterError
            If there is no such annotation, there are several, or it was removed before.
        """
        for name, text in (("author", author), ("note", note)):
            _check_text(name, text)
        found = self._entry(id)
        if found.removal is not None:
            raise ParameterError(
                f"annotation {found.annotation.id!r} was removed at {found.removal.at.isoformat()} already; add a new "
                "one instead"
            )
        texts = {"action": REMOVED, "id": found.annotation.id, "author": author, "note": note}
        empty = dict.fromkeys(_as_record(found.annotation), "")
        self._file.append([{**empty, **texts, "at": datetime.now(UTC).isoformat()}])
        return found.annotation

    def _entry(self, id: str) -> Said:
        """Return the entry with this id, or the only one whose id begins so."""
        history = self.history()
        found = [each for each in history if each.annotation.id == id]
        found = found or [each for each in history if id and each.annotation.id.startswith(id)]
        if len(found) != 1:
            some = ", ".join(each.annotation.id for each in (found or history[::-1])[:5])
            rule = "is ambiguous" if found else f"is not in {str(self.path)!r}"
            raise ParameterError(f"annotation {id!r} {rule}; choose one, such as {some or 'none, it is empty'}")
        return found[0]

    def of_entity(self, entity: str) -> list[Annotation]:
        """Return the annotations that speak of an entity, or of all entities."""
        return [annotation for annotation in self if annotation.speaks_of(entity)]

    def intervals(self, *kinds: AnnotationKind, entity: str | None = None) -> list[tuple[Moment, Moment]]:
        """Return start and stop, both inclusive, of the annotations of some kinds.

        Parameters
        ----------
        kinds
            Kinds of annotations; all if there are none.
        entity
            Only those that speak of this entity, or of all entities.
        """
        for kind in kinds:
            check_choice("kinds", kind, get_args(AnnotationKind))
        some: Iterable[Annotation] = self if entity is None else self.of_entity(entity)
        return [(each.start, each.stop) for each in some if not kinds or each.kind in kinds]

    def history(self) -> list[Said]:
        """Return all that was ever said, in the order in which it was said, with whether it counts."""
        records = self._file.read() if self.path.exists() else []
        try:
            said = [_from_record(record) for record in records if record["action"] == ADDED]
            removals = {
                record["id"]: Removal(record["author"], datetime.fromisoformat(record["at"]), record["note"])
                for record in records
                if record["action"] == REMOVED
            }
            unknown = {record["action"] for record in records} - {ADDED, REMOVED}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"annotation file {str(self.path)!r} is damaged ({error}); restore it from a copy"
            ) from error
        if unknown:
            raise DataError(
                f"annotation file {str(self.path)!r} is damaged (action {unknown.pop()!r}); restore it from a copy"
            )
        said.sort(key=lambda each: each.at)  # stable: at one time the later record counts
        last = {_subject(each): each.id for each in said if each.id not in removals}
        return [
            Said(each, "removed" if gone else "current" if last[_subject(each)] == each.id else "superseded", gone)
            for each in said
            for gone in [removals.get(each.id)]
        ]


def _subject(annotation: Annotation) -> tuple[object, ...]:
    """Return what an annotation speaks of: an event, or an interval of an entity."""
    if annotation.event_id:
        return annotation.entity, annotation.event_id
    return annotation.entity, annotation.start, annotation.stop
