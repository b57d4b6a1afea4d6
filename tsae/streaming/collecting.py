"""Collects the results of one `update` call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.decider import EventChange
from tsae.streaming.row_scores import DriftNotice, RowScore, RowScores, ScoreColumns, StreamScores

__all__ = ["Collector"]

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
        places += [np.array(where)] if is_row else [np.broadcast_to(*each) for each in _with_lengths(found, where)]
    joined, order = ScoreColumns.joined(columns), np.concatenate(places)
    is_ordered = bool((order[1:] >= order[:-1]).all())
    return RowScores(columns=joined if is_ordered else joined.at(np.argsort(order, kind="stable")))


def _with_lengths(found: Sequence[ScoreColumns], where: Sequence[Any]) -> list[tuple[Any, int]]:
    return [(places, len(part.row)) for part, places in zip(found, where, strict=True)]
