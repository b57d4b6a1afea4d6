"""Which events the rules report."""

from __future__ import annotations

from tsae.alarms.event import Event, SensorShare, time_number
from tsae.alarms.rules import EventRules, Snooze

__all__ = ["is_reported"]

_RESPONSIBLE = 0.1  # share from which a sensor is held against its least deviation


def is_reported(event: Event, rules: EventRules) -> bool:
    """Return whether the rules report an event, by its severity, direction, deviations, entity and time."""
    direction = rules.direction_of(event.sensors[0].sensor if event.sensors else "")
    return (
        event.severity >= rules.min_severity
        and direction in ("either", event.direction)
        and _deviates(event, rules)
        and not any(_is_snoozed(event, snooze) for snooze in rules.snoozes)
    )


def _deviates(event: Event, rules: EventRules) -> bool:
    """Return whether a responsible sensor deviates enough from its expected value at the peak."""
    if not rules.least_deviation or not event.sensors:
        return True
    responsible = [event.sensors[0], *(each for each in event.sensors[1:] if each.share >= _RESPONSIBLE)]
    return any(_deviates_enough(each, rules) for each in responsible)


def _deviates_enough(share: SensorShare, rules: EventRules) -> bool:
    if share.expected is None or share.actual is None:
        return True
    least = rules.least_deviation_of(share.sensor, share.expected)
    return least is None or abs(share.actual - share.expected) >= least


def _is_snoozed(event: Event, snooze: Snooze) -> bool:
    leads = event.sensors[0].sensor if event.sensors else None
    return (
        snooze.entity in (None, event.entity)
        and snooze.sensor in (None, leads)
        and time_number(event.stop) < snooze.until_ns
    )
