"""From tracked rows to events that say when, how bad, which sensors, and what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.events.event import Event, SensorShare
from tsae.alarms.events.evidence import Moment, RowBlock, TrackedEvent
from tsae.alarms.events.rules import EventRules, severity
from tsae.alarms.events.tracking import EventTracker

__all__ = ["EventFinder", "Labels", "PeakView", "as_event", "is_told"]

FloatArray = NDArray[np.float64]
_LEAST_SHARE = 0.02  # of the blame; a sensor with less did not take part, its error is a reflection of others


class PeakView(NamedTuple):
    """What the sensors looked like at an event's peak, each `(n_channels,)` in the sensors' units."""

    actual: FloatArray
    """NaN where nothing was measured."""
    expected: FloatArray
    """NaN where there is no expectation."""
    blame: FloatArray | None = None
    """How much each channel is to blame, NaN for those that are judged by their errors alone; `None` for all."""


@dataclass(frozen=True)
class Labels:
    """How an entity's events are named."""

    names: Sequence[str]
    """Of the channels."""
    units: Mapping[str, str]
    period: float | None
    """Seconds between rows; `None` without a clock."""
    entity: str
    time_of: Callable[[Moment], Any]
    """The timestamp of a row, or what stands for it."""
    p_value_of: Callable[[float], float]
    """Score → about the share of normal rows that score higher."""


class EventFinder:
    """Finds the events of one entity in rows that come part by part; cutting them in another way changes nothing.

    Parameters
    ----------
    joins
        Error from which a channel counts as part of an event, `(n_channels,)`.
    view_peak
        What the sensors looked like at an event's peak, and which are to blame.
    """

    def __init__(
        self, rules: EventRules, labels: Labels, joins: FloatArray, view_peak: Callable[[TrackedEvent], PeakView]
    ) -> None:
        self._rules, self._labels, self._view = rules, labels, view_peak
        self._tracker = EventTracker(rules, joins)
        self._found: list[Event] = []

    def take(self, rows: RowBlock, *, ends_segment: bool) -> None:
        """The next rows of a segment, whose times are their numbers; gaps end it."""
        tracked = self._tracker.push(rows).closed if len(rows.scores) else ()
        if ends_segment:
            tracked += self._tracker.end_segment().closed
        events = [as_event(each, self._labels, self._view(each)) for each in tracked]
        self._found += [event for event in events if is_told(event, self._rules)]

    @property
    def events(self) -> tuple[Event, ...]:
        """Those that ended, in time order."""
        return tuple(self._found)


def as_event(tracked: TrackedEvent, labels: Labels, view: PeakView, *, ended: bool = True) -> Event:
    """Put a tracked event into the words of its entity."""
    first, start, stop = (labels.time_of(moment) for moment in (tracked.first, tracked.start, tracked.stop))
    shares = _shares(tracked.excess, view.blame)
    prefix = f"{labels.entity}:" if labels.entity else ""
    return Event(
        event_id=f"{prefix}{first.isoformat() if isinstance(first, datetime) else first}",
        start=start,
        stop=stop,
        n_rows=tracked.stop.row - tracked.start.row + 1,
        duration=_seconds(start, stop, labels),
        peak=labels.time_of(tracked.peak),
        peak_score=tracked.score,
        p_value=labels.p_value_of(tracked.score),
        severity=severity(tracked.score, tracked.threshold),
        sensors=_ranked(shares, labels, view),
        pattern=_pattern(tracked, labels, shares),
        entity=labels.entity,
        ended=ended,
    )


def is_told(event: Event, rules: EventRules) -> bool:
    """Whether the rules want to hear of an event with this severity and direction."""
    return event.severity >= rules.min_severity and rules.direction in ("either", event.direction)


def _seconds(start: Any, stop: Any, labels: Labels) -> float | None:
    if not isinstance(start, datetime | np.datetime64):
        return None
    return float((stop - start) / np.timedelta64(1, "s")) + (labels.period or 0.0)


def _shares(excess: FloatArray, blame: FloatArray | None) -> FloatArray:
    """Parts `(n_channels,)` that sum to one: of the errors above the usual, redistributed as `blame` says."""
    parts = excess.copy()
    if blame is not None:
        known = ~np.isnan(blame)
        whole = float(excess[known].sum()) or 1.0
        parts[known] = whole * blame[known] / blame[known].sum()
    total = float(parts.sum())
    return parts / total if total > 0 else np.full(len(parts), 1 / len(parts))


def _pattern(tracked: TrackedEvent, labels: Labels, shares: FloatArray) -> tuple[tuple[str, Any], ...]:
    joined = [
        (moment, channel)
        for channel, moment in enumerate(tracked.joined)
        if moment is not None and shares[channel] >= _LEAST_SHARE
    ]
    joined.sort(key=lambda pair: (pair[0].row, -shares[pair[1]]))
    return tuple((labels.names[channel], labels.time_of(moment)) for moment, channel in joined)


def _ranked(shares: FloatArray, labels: Labels, view: PeakView) -> tuple[SensorShare, ...]:
    return tuple(
        SensorShare(
            sensor=labels.names[channel],
            share=float(shares[channel]),
            expected=_number(view.expected[channel]),
            actual=_number(view.actual[channel]),
            unit=labels.units.get(labels.names[channel], ""),
        )
        for channel in np.argsort(-shares, kind="stable").tolist()
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
