"""Scores and events as files and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsae.alarms.events.event import Event
from tsae.detection.result import ImageDetection
from tsae.store import open_atomically

__all__ = ["event_record", "events_frame", "pictures_frame", "write_frame"]


def pictures_frame(found: ImageDetection) -> pd.DataFrame:
    """One line per picture: file, score, label (0 or 1), severity (0 to 100, 50 at the threshold)."""
    return pd.DataFrame(
        {
            "file": list(found.names),
            "score": found.scores,
            "label": found.labels.astype(np.int8),
            "severity": found.severities.round(1),
        }
    )


def events_frame(events: Iterable[Event], entity_column: str | None) -> pd.DataFrame:
    """One line per event; `expected`, `actual`, `unit` and `direction` are those of its first sensor, at the peak."""
    columns = ["start", "stop", "duration_s", "n_rows", "peak", "peak_score", "p_value", "severity", "band", "sensor"]
    columns += ["sensors", "expected", "actual", "unit", "direction", "joined"]
    lines = []
    for event in events:
        first = event.sensors[0]
        line = {
            "start": event.start,
            "stop": event.stop,
            "duration_s": event.duration,
            "n_rows": event.n_rows,
            "peak": event.peak,
            "peak_score": event.peak_score,
            "p_value": event.p_value,
            "severity": round(event.severity, 1),
            "band": event.band,
            "sensor": first.sensor,
            "sensors": "; ".join(f"{each.sensor} {each.share:.2f}" for each in event.involved),
            "expected": first.expected,
            "actual": first.actual,
            "unit": first.unit,
            "direction": event.direction,
            "joined": "; ".join(f"{sensor} {_plain(joined)}" for sensor, joined in event.pattern),
        }
        lines.append(line if entity_column is None else {entity_column: event.entity, **line})
    return pd.DataFrame(lines, columns=columns if entity_column is None else [entity_column, *columns])


def event_record(event: Event) -> dict[str, Any]:
    """An event as JSON takes it; times in ISO 8601, or row numbers."""
    record = {
        "event_id": event.event_id,
        "start": _plain(event.start),
        "stop": _plain(event.stop),
        "duration_s": event.duration,
        "n_rows": event.n_rows,
        "peak": _plain(event.peak),
        "peak_score": event.peak_score,
        "p_value": event.p_value,
        "severity": round(event.severity, 1),
        "band": event.band,
        "direction": event.direction,
        "pattern": [{"sensor": sensor, "joined": _plain(joined)} for sensor, joined in event.pattern],
        "sensors": [
            {
                "sensor": each.sensor,
                "share": round(each.share, 4),
                "expected": each.expected,
                "actual": each.actual,
                "unit": each.unit,
                "direction": each.direction,
            }
            for each in event.sensors
        ],
    }
    return {"entity": event.entity, **record} if event.entity else record


def _plain(time: Any) -> str | int:
    return time.isoformat() if isinstance(time, pd.Timestamp) else int(time)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a CSV, or Parquet if the path says so, as a whole or not at all."""
    with open_atomically(path) as file:
        if path.suffix.lower() == ".parquet":
            frame.to_parquet(file, index=False)
        else:
            frame.to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
