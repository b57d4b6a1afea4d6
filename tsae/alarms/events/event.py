"""Events: stretches of anomalous rows, each with its peak, its severity and the sensors behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral
from typing import Any

import numpy as np

from tsae.alarms.events.rules import severity_band

__all__ = ["Event", "SensorShare", "event_fields", "event_id", "time_text"]

_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class SensorShare:
    """One sensor's part in an event."""

    sensor: str
    share: float
    """Part of the event that the sensor is to blame for, in [0, 1]; the shares of all sensors sum to one."""
    expected: float | None
    """What should have been measured at the peak, in the sensor's unit; `None` if there is no expectation. Of a sensor
    to blame: what the others, and its own values outside the event, let expect; of others: what the model rebuilt."""
    actual: float | None
    """What was measured at the peak, in the sensor's unit."""
    unit: str = ""

    @property
    def direction(self) -> str:
        """Whether it lay "above" or "below" what was expected at the peak; empty if that is not known."""
        if self.expected is None or self.actual is None or self.expected == self.actual:
            return ""
        return "above" if self.actual > self.expected else "below"


@dataclass(frozen=True)
class Event:
    """A stretch of anomalous rows.

    Times are timestamps where the table has them and row numbers otherwise (in a stream `numpy.datetime64`, in UTC if
    its times carry a zone). `start` and `stop` are the first and
    the last row (inclusive) with an error of at least about a quarter of the event's largest: scores are smoothed, so
    that rows up to about a window beside the cause alarm too.
    """

    event_id: str
    """Entity and time of the first alarming row, or its number without times: "pump 3:2026-03-01T00:10:00". An event
    keeps it while it goes on and once it has ended, and has the same one in a file and in a stream."""
    start: Any
    stop: Any
    n_rows: int
    duration: float | None
    """Seconds from `start` to `stop` plus one sampling period; `None` without a clock."""
    peak: Any
    """The row of the largest error; there expected and actual values are compared."""
    peak_score: float
    """The largest score of the event."""
    p_value: float
    """Tail probability of that score: about the share of normal rows that score higher, in (0, 1]."""
    severity: float
    """0–100, the same for every model: 50 at the threshold, towards 100 far above it."""
    sensors: tuple[SensorShare, ...]
    """Ranked, the most responsible first."""
    pattern: tuple[tuple[str, Any], ...] = ()
    """Sensors and when the error of each first was out of the ordinary, in this order; those where it never was, and
    those with a share below 2 %, are left out."""
    entity: str = ""
    ended: bool = True
    """Whether the event is over; one that goes on in a stream may still change."""
    zoned: bool = False
    """Whether `numpy.datetime64` times are in UTC, because the times of the stream carry a zone."""

    @property
    def involved(self) -> tuple[SensorShare, ...]:
        """Of `sensors` those with a share of at least 1 %, and the first one in any case."""
        return self.sensors[:1] + tuple(each for each in self.sensors[1:] if each.share >= _LEAST_SHARE)

    @property
    def band(self) -> str:
        """The severity in one word: "slight", "clear" or "severe"."""
        return severity_band(self.severity)

    @property
    def direction(self) -> str:
        """Whether the first sensor lay "above" or "below" what was expected at the peak; empty if not known."""
        return self.sensors[0].direction if self.sensors else ""


def time_text(time: Any, *, zoned: bool = False) -> str | int:
    """Return a time in ISO 8601, in UTC with a Z if it is `zoned` or carries a zone itself; a row number stays one.

    >>> time_text(np.datetime64("2026-03-01T00:10:00.500", "ns")), time_text(datetime(2026, 3, 1, tzinfo=UTC))
    ('2026-03-01T00:10:00.5', '2026-03-01T00:00:00Z')
    """
    if isinstance(time, datetime):  # pandas timestamps are datetimes
        zoned = time.tzinfo is not None
        text = (time.astimezone(UTC).replace(tzinfo=None) if zoned else time).isoformat()
    elif isinstance(time, np.datetime64):
        text = str(time)
    else:
        return int(time) if isinstance(time, Integral) else str(time)
    return (text.rstrip("0").rstrip(".") if "." in text else text) + ("Z" if zoned else "")


def event_id(entity: str, first: Any, *, zoned: bool = False) -> str:
    """Return the name of the event of an entity that begins with this time or row.

    >>> event_id("pump 3", 110), event_id("", np.datetime64("2026-03-01", "ns"), zoned=True)
    ('pump 3:110', '2026-03-01T00:00:00Z')
    """
    text = time_text(first, zoned=zoned)
    return f"{entity}:{text}" if entity else str(text)


def event_fields(event: Event) -> dict[str, Any]:
    """Return the fields of an event as every result names them, JSON-able.

    Times are in ISO 8601 (in UTC with a Z, if zoned) or row numbers. `entity` is only there if it has a name;
    `sensors` are those with a share of at least 1 %.
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
