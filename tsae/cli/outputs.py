"""Scores and events as files and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tsae.alarms.event import Event, event_fields
from tsae.detection.detecting import ImageDetection
from tsae.store import open_atomically

__all__ = ["events_frame", "pictures_frame", "write_frame"]


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


_LINE = ("event_id", "start", "stop", "duration_s", "n_rows", "peak", "peak_score", "p_value", "severity", "band")
_FIRST = ("sensor", "expected", "actual", "unit", "direction")


def events_frame(events: Iterable[Event], entity_column: str | None) -> pd.DataFrame:
    """One line per event; `expected`, `actual`, `unit` and `direction` are those of its first sensor, at the peak."""
    named = [] if entity_column is None else [entity_column]
    lines = []
    for event in events:
        fields = event_fields(event)
        line = {name: fields[name] for name in _LINE}
        line |= {name: getattr(event, name) for name in ("start", "stop", "peak")}  # times, and no texts
        line |= {name: fields["sensors"][0][name] for name in _FIRST}
        line["sensors"] = "; ".join(f"{each['sensor']} {each['share']:.2f}" for each in fields["sensors"])
        line["joined"] = "; ".join(f"{each['sensor']} {each['joined']}" for each in fields["pattern"])
        lines.append(line | dict.fromkeys(named, event.entity))
    return pd.DataFrame(lines, columns=[*named, *_LINE, *_FIRST, "sensors", "joined"])


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a CSV, or Parquet if the path says so, as a whole or not at all."""
    with open_atomically(path) as file:
        if path.suffix.lower() == ".parquet":
            frame.to_parquet(file, index=False)
        else:
            frame.to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
