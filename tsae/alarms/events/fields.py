"""The one list of an event's fields, from which tables, JSON and the records of streams are made."""

from __future__ import annotations

from typing import Any

from tsae.alarms.events.event import Event, SensorShare, time_text

__all__ = ["event_fields"]


def event_fields(event: Event) -> dict[str, Any]:
    """Return the fields of an event, JSON-able: times in ISO 8601 (in UTC with a Z, if zoned) or row numbers.

    `entity` is only there if it has a name; `sensors` are those with a share of at least 1 %.
    """

    def time(moment: Any) -> str | int:
        return time_text(moment, zoned=event.zoned)

    return {
        "event_id": event.event_id,
        **({"entity": event.entity} if event.entity else {}),
        "start": time(event.start),
        "stop": time(event.stop),
        "duration_s": event.duration,
        "n_rows": event.n_rows,
        "peak": time(event.peak),
        "peak_score": float(f"{event.peak_score:.7g}"),
        "p_value": float(f"{event.p_value:.3g}"),
        "severity": round(event.severity, 1),
        "band": event.band,
        "direction": event.direction,
        "sensors": [_sensor(each) for each in event.involved],
        "pattern": [{"sensor": sensor, "joined": time(joined)} for sensor, joined in event.pattern],
    }


def _sensor(share: SensorShare) -> dict[str, Any]:
    numbers = {"expected": share.expected, "actual": share.actual}
    rounded = {name: None if value is None else float(f"{value:.7g}") for name, value in numbers.items()}
    return {
        "sensor": share.sensor,
        "share": round(share.share, 4),
        **rounded,
        "unit": share.unit,
        "direction": share.direction,
    }
