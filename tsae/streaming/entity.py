"""Memory of one entity besides its lane's arrays."""

from __future__ import annotations

from dataclasses import dataclass

from tsae.streaming.clock import EntityClock
from tsae.streaming.event_watch import EventWatch
from tsae.streaming.recent import RecentRows

__all__ = ["Entity"]


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity of a stream."""

    name: str
    lane: int
    clock: EntityClock
    events: EventWatch
    recent: RecentRows
