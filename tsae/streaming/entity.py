"""Memory of one entity besides its lane's arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from tsae.alarms.events.event import Event
from tsae.alarms.events.evidence import Moment, TrackedEvent
from tsae.alarms.events.explain import Naming, PeakView, as_event
from tsae.alarms.events.peak import view_peak
from tsae.model.fitted import FittedModel
from tsae.scoring.rings import Rings
from tsae.streaming.clock import EntityClock
from tsae.streaming.recent import RecentRows

__all__ = ["Entity", "Zone"]


class Zone(IntEnum):
    """What is known of an entity's times."""

    NO_TIMES = 0
    """Its rows have none, or it has no rows."""
    LOCAL = 1
    """They carry no time zone."""
    ZONED = 2


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity, which describes its events in the words of a file's."""

    name: str
    lane: int
    clock: EntityClock
    recent: RecentRows
    model: FittedModel
    lasting: Rings
    p_value_of: Callable[[float], float]

    def hold(self, peak: int) -> None:
        """Keep the rows around this one."""
        self.recent.hold(peak)

    def describe(self, event: TrackedEvent, *, ended: bool) -> Event:
        """Return the event; what the sensors looked like at its peak is unknown if those rows are gone."""
        model, rows = self.model, self.recent.around(event)
        naming = Naming(
            *(model.channels, model.units, model.period, self.name),
            time_of=self._time_of,
            p_value_of=self.p_value_of,
            zoned=bool(self.lasting["zone"][self.lane] == Zone.ZONED),
        )
        unknown = np.full(len(model.channels), np.nan)
        view = PeakView(unknown, unknown) if rows is None else view_peak(model.ensemble, rows)
        return as_event(event, naming, view, ended=ended)

    def _time_of(self, moment: Moment) -> Any:
        return moment.time if self.clock.newest is None else np.datetime64(moment.time, "ns")
