"""The events of one entity, told as they open, grow and close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.evidence import RowBlock, TrackedEvent
from tsae.detection.rules import EventRules, severity
from tsae.detection.tracking import EventTracker
from tsae.errors import ParameterError

__all__ = ["EventChange", "EventWatch", "check_stream_rules"]

FloatArray = NDArray[np.float64]
_GROWN = 1.25  # an open event is told again when its score has grown by this factor


def check_stream_rules(rules: EventRules) -> None:
    """Refuse what only a whole file can tell."""
    if rules.direction != "either":
        raise ParameterError(f"`direction` (={rules.direction!r}) is known in files only; pass 'either' for a stream")


@dataclass(frozen=True)
class EventChange:
    """What happened to an event."""

    state: str
    """"opened", "updated" or "closed"."""
    version: int
    """Counts the changes of the event, from 1."""
    first_row: int
    """Number of the event's first alarming row among those of its entity: its identity."""
    first: int
    """Times of the first alarming row and of the event's first, last and worst row: nanoseconds since 1970, or row
    numbers where there are no times."""
    start: int
    stop: int
    peak: int
    score: float
    severity: float
    shares: FloatArray
    """Part of each channel in the error above the usual, `(n_channels,)`; they sum to one."""
    entity: str = ""
    has_times: bool = False
    zoned: bool = False


class EventWatch:
    """Feeds settled rows to a tracker, which is there only while it has something to remember.

    Parameters
    ----------
    joins
        Error from which a channel takes part in an event, `(n_channels,)`.
    """

    def __init__(self, rules: EventRules, joins: FloatArray) -> None:
        self._rules, self._joins = rules, joins
        self._tracker: EventTracker | None = None
        self._offset = 0  # number of the row that the tracker calls 0
        self._told: tuple[int, float] | None = None  # version and score of the open event as it was told last

    def take(self, row: int, time: int, score: float, threshold: float, errors: FloatArray) -> list[EventChange]:
        """The next settled row."""
        if self._tracker is None:
            if score <= threshold and self._rules.enter_within == 1:
                return []
            self._tracker, self._offset = EventTracker(self._rules, self._joins), row
        one = np.array([score]), np.array([threshold])
        tracked = self._tracker.push(RowBlock(np.array([time]), *one, errors[None], np.zeros(1, dtype=bool)))
        changes = [self._closed(event) for event in tracked.closed]
        if tracked.open is not None:
            changes += self._open(tracked.open)
        if self._tracker.is_idle:
            self._tracker = None
        return [change for change in changes if change is not None]

    def end_segment(self) -> list[EventChange]:
        """No row follows."""
        if self._tracker is None:
            return []
        changes = [self._closed(event) for event in self._tracker.end_segment().closed]
        if self._tracker.is_idle:
            self._tracker = None
        return [change for change in changes if change is not None]

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
        if severity(event.score, event.threshold) < self._rules.min_severity:
            return []
        if self._told is None:
            self._told = (1, event.score)
            return [self._change("opened", 1, event)]
        version, score = self._told
        if event.score < _GROWN * score:
            return []
        self._told = (version + 1, event.score)
        return [self._change("updated", version + 1, event)]

    def _closed(self, event: TrackedEvent) -> EventChange | None:
        version = 0 if self._told is None else self._told[0]
        self._told = None
        if severity(event.score, event.threshold) < self._rules.min_severity:
            return None
        return self._change("closed", version + 1, event)

    def _change(self, state: str, version: int, event: TrackedEvent) -> EventChange:
        total = float(event.excess.sum())
        return EventChange(
            state=state,
            version=version,
            first_row=self._offset + event.first.row,
            first=event.first.time,
            start=event.start.time,
            stop=event.stop.time,
            peak=event.peak.time,
            score=event.score,
            severity=severity(event.score, event.threshold),
            shares=event.excess / total if total > 0 else np.full(len(event.excess), 1 / len(event.excess)),
        )


def _plain(value: Any) -> Any:
    """Arrays become lists."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
