"""What a detector returns for a table: scores, labels and events that belong together."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tsae.detection.events import Event

__all__ = ["Detection"]


@dataclass(frozen=True)
class Detection:
    """Scores, labels and events of one series; every index equals the index of the scored table."""

    scores: pd.Series
    """Anomaly score per row, `(n_timesteps,)`; higher = more anomalous."""
    threshold: float
    """Rows whose score exceeds it are flagged."""
    labels: pd.Series
    """Whether a row is flagged, boolean; rows in exclusion intervals never are."""
    errors: pd.DataFrame
    """Error per row and sensor, `(n_timesteps, n_channels)`, divided by the sensor's normal error: 1 is usual."""
    events: tuple[Event, ...]
    """In time order."""
    entity: str = ""
