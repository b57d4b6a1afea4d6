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
        self._is_blocked: dict[int, bool] = {}  # by lane, of its latest row
        self._blocked: list[bool] = []

    def put(self, lane: int, steps: int, place: int, *, blocked: bool = False) -> None:
        """Add the row at `place`, after `steps - 1` missing ones; 0 steps begin a segment.

        A row that never alarms (`blocked`) begins a segment after one that may, and the other way round.
        """
        counts = self._fleet.counts
        was_blocked = self._is_blocked.get(lane)
        if was_blocked is None:
            was_blocked = bool(self._fleet.lasting["blocked"][lane])
        self._is_blocked[lane] = blocked
        if self._is_in_segment(lane) and (steps == 0 or blocked != was_blocked):
            self._add(lane, _END)
            counts.n_gaps += steps == 0
        elif self._is_in_segment(lane) and steps > 1:
            for _ in range(steps - 1):
                self._add(lane, FILLED)
            counts.n_filled += steps - 1
        self._add(lane, place)
        self._in_segment[lane] = True

    def admit(self, lane: int, admitted: Iterable[tuple[int, Arrival]], arrivals: list[Arrival]) -> None:
        """Add the rows that a clock admits, and append them to `arrivals`."""
        for steps, arrival in admitted:
            self.put(lane, steps, len(arrivals), blocked=self._fleet.is_blocked(lane, arrival))
            arrivals.append(arrival)

    def end(self, lane: int) -> None:
        """End the entity's segment after its rows so far."""
        if self._is_in_segment(lane):
            self._add(lane, _END)
            self._in_segment[lane] = False

    def score(self, rows: Rows, out: Collector) -> None:
        """Score all added rows."""
        lanes, places = np.array(self._lanes, dtype=np.intp), np.array(self._places, dtype=np.int64)
        blocked = None if self._fleet.blocking is None else np.array(self._blocked, dtype=bool)
        take_in_turns(self._fleet, lanes, places, rows, out, blocked=blocked)

    def _is_in_segment(self, lane: int) -> bool:
        return self._in_segment.get(lane, self._fleet.lanes.n_rows(lane) > 0)

    def _add(self, lane: int, place: int) -> None:
        self._lanes.append(lane)
        self._places.append(place)
        self._blocked.append(self._is_blocked.get(lane, False))


def take_in_turns(
    fleet: Fleet,
    lanes: NDArray[np.intp],
    places: NDArray[np.int64],
    rows: Rows,
    out: Collector,
    *,
    blocked: NDArray[np.bool_] | None = None,
) -> None:
    """Take rows and end segments, each lane in order of time.

    Parameters
    ----------
    lanes
        `(n,)`, a lane for each row.
    places
        Indices into `rows`, `(n,)`; `FILLED` for a missing row, -2 for the end of a segment.
    blocked
        Rows that never alarm, `(n,)`; `None` if all may.
    """
    order = np.argsort(lanes, kind="stable")
    lanes, places = lanes[order], places[order]
    blocked = None if blocked is None else blocked[order]
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
            continue
        if blocked is not None:
            fleet.lasting["blocked"][lanes[part]] = blocked[part]
        if len(part) > 1 or places[part[0]] == FILLED:
            fleet.take(lanes[part], rows, places[part], out)
        else:
            place = int(places[part[0]])
            time = None if rows.times is None else int(rows.times[place])
            out.add(fleet.take_one(int(lanes[part[0]]), rows.values[place], time, rows.stamps[place]), place)
