"""The events of one entity, told as they open, grow and close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.events.event import Event
from tsae.alarms.events.evidence import RowBlock, TrackedEvent
from tsae.alarms.events.explain import is_told
from tsae.alarms.events.peak import PeakRows
from tsae.alarms.events.rules import EventRules, severity
from tsae.alarms.events.tracking import EventTracker
from tsae.streaming.recent import RecentRows

__all__ = ["EventChange", "EventWatch"]

FloatArray = NDArray[np.float64]
_GROWN = 1.25  # an open event is told again when its score has grown by this factor


@dataclass(frozen=True)
class EventChange:
    """What happened to an event."""

    state: str
    """"opened", "updated" or "closed"."""
    version: int
    """Counts the changes of the event, from 1."""
    first_row: int
    """Number of the event's first alarming row among those of its entity: its identity."""
    event: Event
    """As far as it is known; closed, it is the one that `detect` finds in the same rows."""
    zoned: bool = False
    """Whether its times carry a zone; they are in UTC then."""


class Describe(Protocol):
    """Makes an event of a tracked one and of the rows around its peak."""

    def __call__(self, event: TrackedEvent, rows: PeakRows | None, *, ended: bool) -> Event: ...


class EventWatch:
    """Feeds settled rows to a tracker, which is there only while it has something to remember.

    Parameters
    ----------
    joins
        Error from which a channel takes part in an event, `(n_channels,)`.
    recent
        The rows of the entity.
    """

    def __init__(self, rules: EventRules, joins: FloatArray, recent: RecentRows, describe: Describe) -> None:
        self._rules, self._joins, self._recent, self._describe = rules, joins, recent, describe
        self._tracker: EventTracker | None = None
        self._offset = 0  # number of the row that the tracker calls 0
        self._told: tuple[int, float] | None = None  # version and score of the open event as it was looked at last

    @property
    def is_active(self) -> bool:
        """Whether there is something to remember, so that it must see the next settled row whatever that is."""
        return self._tracker is not None

    def take(self, row: int, time: int, score: float, threshold: float, errors: FloatArray) -> list[EventChange]:
        """The next settled row."""
        if self._tracker is None:
            if score <= threshold and self._rules.enter_within == 1:
                return []
            self._tracker, self._offset = EventTracker(self._rules, self._joins), row
        one = np.array([score]), np.array([threshold])
        tracked = self._tracker.push(RowBlock(np.array([time]), *one, errors[None], np.zeros(1, dtype=bool)))
        changes = [change for event in tracked.closed for change in self._closed(event)]
        peak = self._tracker.peak
        if peak is not None:
            self._recent.hold(self._offset + peak.row)
        if tracked.open is not None:
            changes += self._open(tracked.open)
        if self._tracker.is_idle:
            self._tracker = None
        return changes

    def end_segment(self) -> list[EventChange]:
        """No row follows."""
        if self._tracker is None:
            return []
        changes = [change for event in self._tracker.end_segment().closed for change in self._closed(event)]
        if self._tracker.is_idle:
            self._tracker = None
        return changes

    def state(self) -> dict[str, Any] | None:
        """Everything it remembers, JSON-able; `None` if that is nothing."""
        if self._tracker is None:
            return None
        return {"offset": self._offset, "told": self._told, "tracker": _plain(self._tracker.state())}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Take up a state."""
        if state is not None:
            self._offset = state["offset"]
            self._told = None if state["told"] is None else (state["told"][0], state["told"][1])
            self._tracker = EventTracker.from_state(self._rules, self._joins, state["tracker"])

    def _open(self, event: TrackedEvent) -> list[EventChange]:
        version, score = self._told or (0, 0.0)
        is_severe = severity(event.score, event.threshold) >= self._rules.min_severity
        if not is_severe or (self._told is not None and event.score < _GROWN * score):
            return []
        described = self._describe(event, self._recent.around(event, self._offset), ended=False)
        told = version > 0 or is_told(described, self._rules)
        self._told = (version + told, event.score)
        if not told:
            return []
        state = "updated" if version else "opened"
        return [EventChange(state, version + 1, self._offset + event.first.row, described)]

    def _closed(self, event: TrackedEvent) -> list[EventChange]:
        """An event that was told of before is told of to its end."""
        version, _ = self._told or (0, 0.0)
        self._told = None
        described = self._describe(event, self._recent.around(event, self._offset), ended=True)
        if not version and not is_told(described, self._rules):
            return []
        return [EventChange("closed", version + 1, self._offset + event.first.row, described)]


def _plain(value: Any) -> Any:
    """Arrays become lists."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
