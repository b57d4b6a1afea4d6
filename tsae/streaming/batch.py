"""Batches of rows of many entities, taken in turns of one row per entity."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tsae.streaming.clock import Arrival
from tsae.streaming.fleet import Fleet
from tsae.streaming.row_scores import Collector
from tsae.streaming.rows import FILLED, Rows

__all__ = ["Batch", "take_in_turns"]

_END = -2  # in place of a row: the segment ends


class Batch:
    """Rows in the order of their entities' clocks, collected to be scored together."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._lanes: list[int] = []
        self._places: list[int] = []
        self._in_segment: dict[int, bool] = {}

    def put(self, lane: int, steps: int, place: int) -> None:
        """Add the row at `place`, after `steps - 1` missing ones; 0 steps begin a segment."""
        counts = self._fleet.counts
        if self._is_in_segment(lane) and steps == 0:
            self._add(lane, _END)
            counts.n_gaps += 1
        elif self._is_in_segment(lane) and steps > 1:
            for _ in range(steps - 1):
                self._add(lane, FILLED)
            counts.n_filled += steps - 1
        self._add(lane, place)
        self._in_segment[lane] = True

    def admit(self, lane: int, admitted: Iterable[tuple[int, Arrival]], arrivals: list[Arrival]) -> None:
        """Add the rows that a clock admits, and append them to `arrivals`."""
        for steps, arrival in admitted:
            self.put(lane, steps, len(arrivals))
            arrivals.append(arrival)

    def end(self, lane: int) -> None:
        """End the entity's segment after its rows so far."""
        if self._is_in_segment(lane):
            self._add(lane, _END)
            self._in_segment[lane] = False

    def score(self, rows: Rows, out: Collector) -> None:
        """Score all added rows."""
        take_in_turns(self._fleet, np.array(self._lanes, dtype=np.intp), np.array(self._places, np.int64), rows, out)

    def _is_in_segment(self, lane: int) -> bool:
        return self._in_segment.get(lane, self._fleet.lanes.n_rows(lane) > 0)

    def _add(self, lane: int, place: int) -> None:
        self._lanes.append(lane)
        self._places.append(place)


def take_in_turns(fleet: Fleet, lanes: NDArray[np.intp], places: NDArray[np.int64], rows: Rows, out: Collector) -> None:
    """Take rows and end segments, each lane in order of time.

    Parameters
    ----------
    lanes
        `(n,)`, a lane for each row.
    places
        Indices into `rows`, `(n,)`; `FILLED` for a missing row, -2 for the end of a segment.
    """
    order = np.argsort(lanes, kind="stable")
    lanes, places = lanes[order], places[order]
    is_row = places != _END
    n_before = np.cumsum(is_row) - is_row
    first = np.flatnonzero(np.diff(lanes, prepend=-1))
    turns = n_before - np.repeat(n_before[first], np.diff(first, append=len(lanes)))
    turns = 2 * turns + is_row  # segments end before the rows of their turn
    in_turn = np.argsort(turns, kind="stable")
    for part in np.split(in_turn, np.flatnonzero(np.diff(turns[in_turn])) + 1):
        if not len(part):
            continue
        if not is_row[part[0]]:
            for lane in lanes[part].tolist():
                fleet.end(lane, out)
        elif len(part) > 1 or places[part[0]] == FILLED:
            fleet.take(lanes[part], rows, places[part], out)
        else:
            place = int(places[part[0]])
            time = None if rows.times is None else int(rows.times[place])
            out.add(fleet.take_one(int(lanes[part[0]]), rows.values[place], time, rows.stamps[place]), place)
