"""What one call brings, as it is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.drift import Drift
from tsae.streaming.answers import StreamScores
from tsae.streaming.drift_watch import DriftNotice
from tsae.streaming.event_watch import EventChange
from tsae.streaming.row_scores import RowScore, RowScores, ScoreColumns

__all__ = ["Collector"]

Places = NDArray[np.int64]


class _Rows:
    """Scores of rows of one kind, in columns or one by one, with the places they are to be told in."""

    def __init__(self) -> None:
        self._parts: list[ScoreColumns] = []
        self._places: list[Places] = []
        self._rows: list[RowScore] = []  # those behind the columns
        self._row_places: list[int] = []

    def put(self, columns: ScoreColumns, places: Places) -> None:
        self._close()
        self._parts.append(columns)
        self._places.append(places)

    def put_one(self, row: RowScore, place: int) -> None:
        self._rows.append(row)
        self._row_places.append(place)

    def scores(self) -> RowScores:
        """All of them; those that came one by one came in order."""
        if not self._parts:
            return RowScores(self._rows)
        self._close()
        columns, places = ScoreColumns.joined(self._parts), np.concatenate(self._places)
        is_ordered = bool((places[1:] >= places[:-1]).all())
        return RowScores(columns=columns if is_ordered else columns.at(np.argsort(places, kind="stable")))

    def _close(self) -> None:
        if self._rows:
            self._parts.append(ScoreColumns.of(self._rows))
            self._places.append(np.array(self._row_places, dtype=np.int64))
            self._rows, self._row_places = [], []


class Collector:
    """Takes what a call finds, settled scores and what follows from them in order."""

    def __init__(self) -> None:
        self._immediate, self._settled = _Rows(), _Rows()
        self._events: list[EventChange] = []
        self._drifts: list[DriftNotice] = []

    def take(self, columns: ScoreColumns, places: Places) -> None:
        """Immediate scores of rows, which came in these places."""
        self._immediate.put(columns, places)

    def take_one(self, row: RowScore, place: int = 0) -> None:
        """The immediate score of one row."""
        self._immediate.put_one(row, place)

    def settle(self, columns: ScoreColumns) -> None:
        """Settled scores."""
        self._settled.put(columns, np.zeros(len(columns.row), dtype=np.int64))

    def settle_one(self, row: RowScore) -> None:
        """A settled score."""
        self._settled.put_one(row, 0)

    def drifts(self, row: int, drift: Drift, entity: str) -> None:
        """An entity has come to drift at a row."""
        self._drifts.append(DriftNotice(row, drift, entity))

    def tell(self, changes: Sequence[EventChange], *, zoned: bool) -> None:
        """What happened to events of an entity."""
        self._events += [replace(change, zoned=True) for change in changes] if zoned else changes

    def scores(self, dropped: Sequence[int] = ()) -> StreamScores:
        """All of it."""
        events, drifts = tuple(self._events), tuple(self._drifts)
        return StreamScores(self._immediate.scores(), self._settled.scores(), tuple(dropped), events, drifts)
