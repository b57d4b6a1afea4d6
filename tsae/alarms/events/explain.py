"""From tracked rows to events that say when, how bad, which sensors, and what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.events.event import Event, SensorShare, event_id
from tsae.alarms.events.evidence import Moment, TrackedEvent
from tsae.alarms.events.rules import EventRules, severity

__all__ = ["Naming", "PeakView", "as_event", "is_reported"]

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
class Naming:
    """Channel names, units and clock of one entity, which its events are described with."""

    names: Sequence[str]
    """Names of the channels."""
    units: Mapping[str, str]
    period: float | None
    """Seconds between rows; `None` without a clock."""
    entity: str
    time_of: Callable[[Moment], Any]
    """The timestamp of a row, or what stands for it."""
    p_value_of: Callable[[float], float]
    """Score → about the share of normal rows that score higher."""
    zoned: bool = False
    """Whether `numpy.datetime64` times are in UTC."""


def as_event(tracked: TrackedEvent, naming: Naming, view: PeakView, *, ended: bool = True) -> Event:
    """Return a tracked event with the names and times of its entity."""
    first, start, stop = (naming.time_of(moment) for moment in (tracked.first, tracked.start, tracked.stop))
    shares = _shares(tracked.excess, view.blame)
    return Event(
        event_id=event_id(naming.entity, first, zoned=naming.zoned),
        start=start,
        stop=stop,
        n_rows=tracked.stop.row - tracked.start.row + 1,
        duration=_seconds(start, stop, naming),
        peak=naming.time_of(tracked.peak),
        peak_score=tracked.score,
        p_value=naming.p_value_of(tracked.score),
        severity=severity(tracked.score, tracked.threshold),
        sensors=_ranked(shares, naming, view),
        pattern=_pattern(tracked, naming, shares),
        entity=naming.entity,
        ended=ended,
        zoned=naming.zoned,
    )


def is_reported(event: Event, rules: EventRules) -> bool:
    """Return whether the rules report an event with this severity and direction."""
    return event.severity >= rules.min_severity and rules.direction in ("either", event.direction)


def _seconds(start: Any, stop: Any, naming: Naming) -> float | None:
    if not isinstance(start, datetime | np.datetime64):
        return None
    return float((stop - start) / np.timedelta64(1, "s")) + (naming.period or 0.0)


def _shares(excess: FloatArray, blame: FloatArray | None) -> FloatArray:
    """Parts `(n_channels,)` that sum to one: of the errors above the usual, redistributed as `blame` says."""
    parts = excess.copy()
    if blame is not None:
        known = ~np.isnan(blame)
        whole = float(excess[known].sum()) or 1.0
        parts[known] = whole * blame[known] / blame[known].sum()
    total = float(parts.sum())
    return parts / total if total > 0 else np.full(len(parts), 1 / len(parts))


def _pattern(tracked: TrackedEvent, naming: Naming, shares: FloatArray) -> tuple[tuple[str, Any], ...]:
    joined = [
        (moment, channel)
        for channel, moment in enumerate(tracked.joined)
        if moment is not None and shares[channel] >= _LEAST_SHARE
    ]
    joined.sort(key=lambda pair: (pair[0].row, -shares[pair[1]]))
    return tuple((naming.names[channel], naming.time_of(moment)) for moment, channel in joined)


def _ranked(shares: FloatArray, naming: Naming, view: PeakView) -> tuple[SensorShare, ...]:
    return tuple(
        SensorShare(
            sensor=naming.names[channel],
            share=float(shares[channel]),
            expected=_number(view.expected[channel]),
            actual=_number(view.actual[channel]),
            unit=naming.units.get(naming.names[channel], ""),
        )
        for channel in np.argsort(-shares, kind="stable").tolist()
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
