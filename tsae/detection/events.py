"""Events: runs of flagged rows, each with its peak, its severity and the sensors behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Event", "SensorShare"]


@dataclass(frozen=True)
class SensorShare:
    """One sensor's part in an event."""

    sensor: str
    share: float
    """Part of the event's error, in [0, 1]; the shares of all sensors sum to one."""
    expected: float | None
    """What the model rebuilt at the peak, in the sensor's unit; `None` if the sensor was not observed."""
    actual: float | None
    """What was measured at the peak, in the sensor's unit."""
    unit: str = ""


@dataclass(frozen=True)
class Event:
    """A run of anomalous rows.

    Times are timestamps where the table has them and row numbers otherwise. `start` and `stop` are the first and
    the last row (inclusive) of a run of flagged rows whose error is at least a quarter of the run's largest: scores
    are smoothed, so that rows up to about a window beside the cause are flagged too.
    """

    event_id: str
    start: Any
    stop: Any
    n_rows: int
    duration: float | None
    """Seconds from `start` to `stop` plus one sampling period; `None` without a clock."""
    peak: Any
    peak_score: float
    severity: float
    """0–100, the same for every model: 50 at the threshold, towards 100 far above it."""
    sensors: tuple[SensorShare, ...]
    """Ranked, the most responsible first."""
    entity: str = ""
