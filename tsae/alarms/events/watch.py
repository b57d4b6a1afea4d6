"""The events of one lane as they open, grow and close: the same in a file and in a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.events.event import Event
from tsae.alarms.events.evidence import RowBlock, TrackedEvent
from tsae.alarms.events.explain import is_reported
from tsae.alarms.events.rules import EventRules, severity
from tsae.alarms.events.tracking import EventTracker

__all__ = ["EventChange", "EventSource", "EventWatch"]

_GROWN = 1.25  # an open event is reported again when its score has grown by this factor


@dataclass(frozen=True)
class EventChange:
    """Something that happened to an event."""

    state: str
    """"opened", "updated" or "closed"."""
    version: int
    """Counts the changes of the event, from 1."""
    first_row: int
    """Number of the event's first alarming row among those of its entity."""
    event: Event
    """As far as it is known; closed, it is the one that `detect` finds in the same rows."""


class EventSource(Protocol):
    """The rows of one lane, and the names to describe its events with."""

    def hold(self, peak: int) -> None:
        """Keep the rows around this one, the peak of an open event."""

    def describe(self, event: TrackedEvent, *, ended: bool) -> Event:
        """Return the event with its sensors and times."""


class EventWatch:
    """Feeds settled rows to a tracker, which exists only while it has something to remember.

    Parameters
    ----------
    rules
        When flagged rows make an event, and which events are reported.
    joins
        Error from which a channel takes part in an event, `(n_channels,)`, in usual errors.
    source
        Describes the events.
    reports_open
        Whether events are also reported while they go on.
    """

    def __init__(
        self, rules: EventRules, joins: NDArray[np.float64], source: EventSource, *, reports_open: bool
    ) -> None:
        self._rules, self._joins, self._source, self._reports_open = rules, joins, source, reports_open
        self._tracker: EventTracker | None = None
        self._reported: tuple[int, float] | None = None  # version and score of the open event when last described

    @property
    def is_active(self) -> bool:
        """Whether it must see the next settled row, even a quiet one."""
        return self._tracker is not None

    def take(self, first_row: int, rows: RowBlock) -> list[EventChange]:
        """Take the next settled rows, numbered from `first_row` on."""
        if self._tracker is None:
            if self._rules.enter_within == 1 and not (rows.scores > rows.thresholds).any():
                return []
            self._tracker = EventTracker(self._rules, self._joins, first_row=first_row)
        tracked = self._tracker.push(rows)
        changes = self._closed(tracked.closed)
        if self._reports_open and self._tracker.peak is not None:
            self._source.hold(self._tracker.peak.row)
        if self._reports_open and tracked.open is not None:
            changes += self._open(tracked.open)
        return self._rested(changes)

    def end_segment(self) -> list[EventChange]:
        """End the segment, and with it an open event."""
        return [] if self._tracker is None else self._rested(self._closed(self._tracker.end_segment().closed))

    def state(self) -> dict[str, Any] | None:
        """Return everything it remembers, JSON-able; `None` if that is nothing."""
        if self._tracker is None:
            return None
        return {"reported": self._reported, "tracker": _plain(self._tracker.state())}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a `state()`."""
        if state is not None:
            self._reported = None if state["reported"] is None else (state["reported"][0], state["reported"][1])
            self._tracker = EventTracker.from_state(self._rules, self._joins, state["tracker"])

    def _rested(self, changes: list[EventChange]) -> list[EventChange]:
        if self._tracker is not None and self._tracker.is_idle:
            self._tracker = None
        return changes

    def _open(self, event: TrackedEvent) -> list[EventChange]:
        version, score = self._reported or (0, 0.0)
        is_severe = severity(event.score, event.threshold) >= self._rules.min_severity
        if not is_severe or (self._reported is not None and event.score < _GROWN * score):
            return []
        described = self._source.describe(event, ended=False)
        is_news = version > 0 or is_reported(described, self._rules)
        self._reported = (version + is_news, event.score)
        state = "updated" if version else "opened"
        return [EventChange(state, version + 1, event.first.row, described)] if is_news else []

    def _closed(self, events: tuple[TrackedEvent, ...]) -> list[EventChange]:
        """An event that was reported while open is also reported when it closes."""
        changes = []
        for event in events:
            version, _ = self._reported or (0, 0.0)
            self._reported = None
            described = self._source.describe(event, ended=True)
            if version or is_reported(described, self._rules):
                changes.append(EventChange("closed", version + 1, event.first.row, described))
        return changes


def _plain(value: Any) -> Any:
    """Arrays become lists."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
