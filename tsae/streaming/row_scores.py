"""Scores of rows: columns of numbers, an object for each row that is looked at, and the results of one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple, cast, overload

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.decider import EventChange
from tsae.alarms.drift import Drift
from tsae.alarms.rules import severity
from tsae.scoring.tails import LogTail

__all__ = ["Collector", "DriftNotice", "RowScore", "RowScores", "ScoreColumns", "StreamScores", "objects"]

FloatArray = NDArray[np.float64]


@dataclass(slots=True)
class RowScore:
    """Score of one row."""

    row: int
    """Number of the row among those of its entity, from 0; dropped rows do not count."""
    timestamp: Any
    """Its time as it was passed."""
    score: float
    """Higher = more anomalous, in units of −log p."""
    label: bool
    """Whether the score exceeds its threshold; false for immediate scores while the entity warms up."""
    judged: float
    """Decision score, which is compared with the threshold: unsmoothed for budgets of rows, otherwise `score`."""
    threshold: float
    """Threshold of the row, which may adapt to earlier rows."""
    tail: LogTail = field(compare=False, repr=False)
    """Distribution of the decision scores of normal rows."""
    errors: FloatArray | None = field(default=None, compare=False)
    """Errors of a settled score in units of usual errors, `(n_channels,)`, NaN where missing."""
    entity: str = ""

    @property
    def p_value(self) -> float:
        """Estimated share of normal rows with a higher decision score, in (0, 1]."""
        return self.tail.p_value(self.judged)

    @property
    def severity(self) -> float:
        """0–100, the same for every model and number of sensors: 50 at the threshold."""
        return severity(self.judged, self.threshold)


class ScoreColumns(NamedTuple):
    """Fields of `RowScore` for n rows, as arrays."""

    row: NDArray[np.int64]
    timestamp: NDArray[np.object_]
    score: FloatArray
    label: NDArray[np.bool_]
    judged: FloatArray
    threshold: FloatArray
    entity: NDArray[np.object_]
    errors: FloatArray | None
    """`(n, n_channels)`; `None` for immediate scores."""
    tail: LogTail | None
    """`None` only if there are no rows."""

    @classmethod
    def of(cls, rows: Sequence[RowScore]) -> ScoreColumns:
        """Make columns of rows of one kind."""
        errors = [row.errors for row in rows if row.errors is not None]
        return cls(
            row=np.array([row.row for row in rows], dtype=np.int64),
            timestamp=objects([row.timestamp for row in rows]),
            score=np.array([row.score for row in rows], dtype=np.float64),
            label=np.array([row.label for row in rows], dtype=np.bool_),
            judged=np.array([row.judged for row in rows], dtype=np.float64),
            threshold=np.array([row.threshold for row in rows], dtype=np.float64),
            entity=objects([row.entity for row in rows]),
            errors=np.stack(errors) if errors else None,
            tail=rows[0].tail if rows else None,
        )

    def at(self, places: Any) -> ScoreColumns:
        """Return the columns of some rows."""
        return self._replace(**{name: column[places] for name, column in self._arrays().items()})

    def rows(self) -> Iterator[RowScore]:
        """Yield an object for each row."""
        parts = {name: column.tolist() for name, column in self._arrays().items() if name != "errors"}
        parts["errors"] = [None] * len(self.row) if self.errors is None else self.errors
        for values in zip(*parts.values(), strict=True):
            yield RowScore(**dict(zip(parts, values, strict=True)), tail=cast(LogTail, self.tail))

    @classmethod
    def joined(cls, parts: Sequence[ScoreColumns]) -> ScoreColumns:
        """Join columns of one kind, in order."""
        if len(parts) == 1:
            return parts[0]
        columns = [part._arrays() for part in parts]
        all_: dict[str, Any] = {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
        return parts[0]._replace(**all_)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {name: each for name, each in self._asdict().items() if isinstance(each, np.ndarray)}


class RowScores(Sequence[RowScore]):
    """Sequence of scores, equal to a tuple of the same ones.

    `columns` has them as arrays; objects are made only for rows that are looked at.

    >>> RowScores() == (), len(RowScores() + RowScores()), RowScores().columns.score.shape
    (True, 0, (0,))
    """

    __slots__ = ("_columns", "_rows")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, rows: Sequence[RowScore] | None = None, *, columns: ScoreColumns | None = None) -> None:
        self._columns = columns
        self._rows = tuple(rows or ()) if columns is None else None

    @property
    def columns(self) -> ScoreColumns:
        """All scores as arrays."""
        if self._columns is None:
            self._columns = ScoreColumns.of(self._all)
        return self._columns

    def __len__(self) -> int:
        return len(self._rows) if self._rows is not None else len(self.columns.row)

    @overload
    def __getitem__(self, place: int) -> RowScore: ...
    @overload
    def __getitem__(self, place: slice) -> RowScores: ...
    def __getitem__(self, place: int | slice) -> RowScore | RowScores:
        if self._rows is None and isinstance(place, slice):
            return RowScores(columns=self.columns.at(place))
        return RowScores(self._all[place]) if isinstance(place, slice) else self._all[place]

    def __iter__(self) -> Iterator[RowScore]:
        return iter(self._all)

    def __eq__(self, other: object) -> bool:
        return self._all == tuple(other) if isinstance(other, tuple | RowScores) else NotImplemented

    def __add__(self, other: Sequence[RowScore]) -> RowScores:
        return RowScores((*self, *other))

    def __repr__(self) -> str:
        return repr(self._all)

    @property
    def _all(self) -> tuple[RowScore, ...]:
        if self._rows is None:
            self._rows = tuple(self.columns.rows())
        return self._rows


@dataclass(frozen=True)
class DriftNotice:
    """Drift of an entity that has begun."""

    row: int
    """Number of the last settled row."""
    drift: Drift
    entity: str = ""


class StreamScores(NamedTuple):
    """Results of one call."""

    immediate: RowScores = RowScores()
    """Scores at lag 0 of the rows just taken, in their order; a dropped row has none, a row held back to put late ones
    in order gets it later."""
    settled: RowScores = RowScores()
    """Scores of the oldest rows not yet returned; each row of an entity is returned exactly once."""
    dropped: tuple[int, ...] = ()
    """Indices of the passed rows that were dropped, because they were late or repeated."""
    events: tuple[EventChange, ...] = ()
    """Changes of events, which are made of settled rows."""
    drifts: tuple[DriftNotice, ...] = ()
    """Entities that have begun to differ from training, each reported once until it no longer does."""


def objects(values: Sequence[Any]) -> NDArray[np.object_]:
    """Return an array `(n,)` of any objects, even of sequences."""
    return np.fromiter(values, dtype=np.object_, count=len(values))


Places = NDArray[np.int64]


class Collector:
    """Takes the scores of a call, columns of many rows or single rows, with events and drift, as they are found."""

    def __init__(self) -> None:
        self._immediate: list[tuple[RowScore | ScoreColumns, Any]] = []
        self._settled: list[tuple[RowScore | ScoreColumns, Any]] = []
        self._events: list[EventChange] = []
        self._drifts: list[DriftNotice] = []

    def add(self, alone: StreamScores, place: int) -> None:
        """Add what a single row brought, which came in this place."""
        self._immediate += [(row, place) for row in alone.immediate]
        self._settled += [(row, 0) for row in alone.settled]
        self._events += alone.events
        self._drifts += alone.drifts

    def take(self, columns: ScoreColumns, places: Places) -> None:
        """Add immediate scores of rows that came in these places."""
        self._immediate.append((columns, places))

    def settle(self, columns: ScoreColumns, changes: Iterable[EventChange]) -> None:
        """Add settled scores, in order, and what they did to events."""
        if len(columns.row):
            self._settled.append((columns, 0))
        self._events += changes

    def notice(self, notices: Iterable[DriftNotice]) -> None:
        """Add entities that have come to drift."""
        self._drifts += notices

    def scores(self, dropped: Sequence[int] = ()) -> StreamScores:
        """Return all of it."""
        rows = _in_order(self._immediate), _in_order(self._settled)
        return StreamScores(*rows, tuple(dropped), tuple(self._events), tuple(self._drifts))


def _in_order(parts: list[tuple[RowScore | ScoreColumns, Any]]) -> RowScores:
    """Return the scores in the order of their places; single rows alone came in order."""
    rows = [part for part, _ in parts if isinstance(part, RowScore)]
    if len(rows) == len(parts):
        return RowScores(rows)
    columns: list[ScoreColumns] = []
    places: list[Places] = []
    for is_row, group in groupby(parts, lambda pair: isinstance(pair[0], RowScore)):
        found, where = zip(*group, strict=True)
        columns += [ScoreColumns.of(found)] if is_row else found
        pairs = zip(found, where, strict=True)
        places += [np.array(where)] if is_row else [np.broadcast_to(at, len(part.row)) for part, at in pairs]
    joined, order = ScoreColumns.joined(columns), np.concatenate(places)
    is_ordered = bool((order[1:] >= order[:-1]).all())
    return RowScores(columns=joined if is_ordered else joined.at(np.argsort(order, kind="stable")))
