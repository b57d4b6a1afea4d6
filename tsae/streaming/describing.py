"""Events of a stream in the words of its entity: the same as those of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tsae.alarms.events.event import Event
from tsae.alarms.events.evidence import Moment, TrackedEvent
from tsae.alarms.events.explain import Labels, PeakView, as_event
from tsae.alarms.events.peak import PeakRows, view_peak
from tsae.model.fitted import FittedModel
from tsae.scoring.tails import LogTail
from tsae.streaming.clock import EntityClock

__all__ = ["EventWriter"]


@dataclass(frozen=True)
class EventWriter:
    """Describes the events of one entity."""

    model: FittedModel
    tail: LogTail
    """Scores of normal rows."""
    entity: str
    clock: EntityClock

    def __call__(self, event: TrackedEvent, rows: PeakRows | None, *, ended: bool) -> Event:
        """The event, with what the sensors looked like at its peak; unknown if those rows are gone."""
        model = self.model
        labels = Labels(
            *(model.channels, model.units, model.period, self.entity),
            time_of=self._time_of,
            p_value_of=self.tail.p_value,
        )
        unknown = np.full(len(model.channels), np.nan)
        view = PeakView(unknown, unknown) if rows is None else view_peak(model.ensemble, rows)
        return as_event(event, labels, view, ended=ended)

    def _time_of(self, moment: Moment) -> Any:
        return moment.time if self.clock.newest is None else np.datetime64(moment.time, "ns")
