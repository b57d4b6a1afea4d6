"""Made-up detections: a pump whose faults are known, and what a model would have said about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tsae.alarms.event import Event, SensorShare
from tsae.detection.detecting import Detection

UNITS = {"outlet pressure": "bar", "flow": "m³/h", "motor current": "A", "bearing temperature": "°C"}
THRESHOLD = 12.0

Faults = Sequence[tuple[int, int, str]]
"""First row, last row and sensor."""


def event(start: Any, stop: Any, **changes: Any) -> Event:
    sensors = (
        SensorShare("outlet pressure", share=0.7, expected=4.6, actual=3.1, unit="bar"),
        SensorShare("flow", share=0.3, expected=120.0, actual=111.0),
    )
    values = {"n_rows": 3, "duration": None, "peak": start, "peak_score": 30.0, "p_value": 1e-4, "severity": 80.0}
    return Event(**{"event_id": f"at {start}", "start": start, "stop": stop, "sensors": sensors, **values, **changes})


def expected_table(index: pd.Index) -> pd.DataFrame:
    """What a perfect model expects: a daily cycle."""
    day = np.sin(2 * np.pi * np.arange(len(index)) / 1440)
    columns = {"outlet pressure": 4.6 + 0.3 * day, "flow": 120 + 15 * day, "motor current": 18 + 1.5 * day}
    return pd.DataFrame({**columns, "bearing temperature": 55 + 4 * np.roll(day, 90)}, index=index)


def measured_table(expected: pd.DataFrame, faults: Faults) -> pd.DataFrame:
    """The same with noise, and with faults: the sensor sinks by a third."""
    noise = np.random.default_rng(7).normal(size=expected.shape) * [0.04, 1.2, 0.2, 0.3]
    table = expected + noise
    for first, last, sensor in faults:
        column = table.columns.get_loc(sensor)
        table.iloc[first : last + 1, column] *= np.linspace(0.95, 0.65, last + 1 - first)
    return table


def detection_of(table: pd.DataFrame, expected: pd.DataFrame, faults: Faults, entity: str = "") -> Detection:
    """Scores from the true deviation, and one event for each fault."""
    errors = ((table - expected) / [0.04, 1.2, 0.2, 0.3]) ** 2
    scores = errors.mean(axis=1).rename("score")
    labels = pd.Series(False, index=table.index, name="label")
    for first, last, _ in faults:
        labels.iloc[first : last + 1] = True
    events = tuple(_event_of(table, expected, scores, fault) for fault in faults)
    return Detection(scores, THRESHOLD, labels, errors, events, entity)


def _event_of(table: pd.DataFrame, expected: pd.DataFrame, scores: pd.Series, fault: tuple[int, int, str]) -> Event:
    first, last, sensor = fault
    others = [name for name in table.columns if name != sensor]
    shares = dict(zip([sensor, *others], [0.9, 0.06, 0.03, 0.01], strict=True))
    return event(
        table.index[first],
        table.index[last],
        n_rows=last + 1 - first,
        duration=60.0 * (last + 1 - first) if isinstance(table.index, pd.DatetimeIndex) else None,
        peak=table.index[last],
        peak_score=float(scores.iloc[last]),
        p_value=1e-4,
        severity=float(100 - 50 * THRESHOLD / max(scores.iloc[last], THRESHOLD)),
        sensors=tuple(
            SensorShare(name, share, *_peak_values(table, expected, last, name), unit=UNITS[name])
            for name, share in shares.items()
        ),
    )


def _peak_values(
    table: pd.DataFrame, expected: pd.DataFrame, row: int, name: str
) -> tuple[float, float] | tuple[None, None]:
    actual = table[name].iloc[row]
    return (None, None) if np.isnan(actual) else (float(expected[name].iloc[row]), float(actual))
