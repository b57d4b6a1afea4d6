"""Collector of the results of one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.drift import Drift
from tsae.streaming.drift_watch import DriftNotice
from tsae.streaming.event_watch import EventChange
from tsae.streaming.row_scores import RowScore, RowScores, ScoreColumns, StreamScores

__all__ = ["Collector"]

Places = NDArray[np.int64]


class _Rows:
    """Scores of rows of one kind, in columns or one by one, with the order in which they are returned."""

    def __init__(self) -> None:
        self._parts: list[ScoreColumns] = []
        self._places: list[Places] = []
        self._rows: list[RowScore] = []  # those after the columns
        self._row_places: list[int] = []

    def put(self, columns: ScoreColumns, places: Places) -> None:
        self._close()
        self._parts.append(columns)
        self._places.append(places)

    def put_one(self, row: RowScore, place: int) -> None:
        self._rows.append(row)
        self._row_places.append(place)

    def scores(self) -> RowScores:
        """Return all scores in order; rows that were put one by one are in order already."""
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
    """Collector of the results of one call; settled scores, events and drift are put in order."""

    def __init__(self) -> None:
        self._immediate, self._settled = _Rows(), _Rows()
        self._events: list[EventChange] = []
        self._drifts: list[DriftNotice] = []

    def take(self, columns: ScoreColumns, places: Places) -> None:
        """Add immediate scores of rows with these indices among the passed ones."""
        self._immediate.put(columns, places)

    def take_one(self, row: RowScore, place: int = 0) -> None:
        """Add the immediate score of one row."""
        self._immediate.put_one(row, place)

    def settle(self, columns: ScoreColumns) -> None:
        """Add settled scores."""
        self._settled.put(columns, np.zeros(len(columns.row), dtype=np.int64))

    def settle_one(self, row: RowScore) -> None:
        """Add a settled score."""
        self._settled.put_one(row, 0)

    def drifts(self, row: int, drift: Drift, entity: str) -> None:
        """Add that an entity began to drift at a row."""
        self._drifts.append(DriftNotice(row, drift, entity))

    def tell(self, changes: Sequence[EventChange], *, zoned: bool) -> None:
        """Add changes of events of an entity."""
        self._events += [replace(change, zoned=True) for change in changes] if zoned else changes

    def scores(self, dropped: Sequence[int] = ()) -> StreamScores:
        """Return all results."""
        events, drifts = tuple(self._events), tuple(self._drifts)
        return StreamScores(self._immediate.scores(), self._settled.scores(), tuple(dropped), events, drifts)
