"""What a stream remembers of one machine."""

from __future__ import annotations

from collections import deque
from typing import Any

from tsae.streaming.clock import EntityClock
from tsae.streaming.drift_watch import DriftWatch
from tsae.streaming.event_watch import EventWatch
from tsae.streaming.levels import Levels
from tsae.streaming.recent import RecentRows

__all__ = ["Entity"]


class Entity:
    """One machine: its lane, its clock, and its rows that are not settled."""

    def __init__(
        self,
        name: str,
        lane: int,
        clock: EntityClock,
        events: EventWatch,
        levels: Levels,
        recent: RecentRows,
        drift: DriftWatch,
    ) -> None:
        self.name, self.lane, self.clock, self.events, self.levels = name, lane, clock, events, levels
        self.recent, self.drift = recent, drift
        self.n_rows = self.n_arrived = 0
        self.in_segment = False
        self.waiting: deque[tuple[int, Any, int | None] | None] = deque()
        """Number, time as handed in, and nanoseconds of its rows; `None` was filled in."""
