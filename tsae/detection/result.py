"""What a detector returns for a table: scores, labels and events that belong together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.alarms.drift import Drift
from tsae.alarms.event import Event
from tsae.alarms.rules import severities

__all__ = ["Detection"]


@dataclass(frozen=True)
class Detection:
    """Scores, labels and events of one series; every index equals the index of the scored table."""

    scores: pd.Series
    """Anomaly score per row, `(n_timesteps,)`; higher = more anomalous."""
    threshold: float
    """The static threshold that was learned in fitting."""
    labels: pd.Series
    """Whether a row is flagged, boolean; rows in exclusion intervals never are."""
    errors: pd.DataFrame
    """Error per row and sensor, `(n_timesteps, n_channels)`, divided by the sensor's normal error: 1 is usual."""
    events: tuple[Event, ...]
    """In time order."""
    entity: str = ""
    judged: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    """The score that is held against the threshold: for budgets of rows the unsmoothed one, otherwise `scores`."""
    thresholds: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    """The threshold of each row; it follows what came before the row, unless adaptation is off."""
    p_values: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    """About the share of normal rows with a higher `judged` score, in (0, 1]."""
    drift: Drift | None = None
    """How far scores and threshold are from those of training."""

    @property
    def row_scores(self) -> pd.Series:
        """The score of each row that is held against the threshold, also where only `scores` are known."""
        return self.judged if len(self.judged) else self.scores

    @property
    def row_thresholds(self) -> NDArray[np.float64]:
        """The threshold of each row, `(n_timesteps,)`, also where only the static one is known."""
        if len(self.thresholds):
            return self.thresholds.to_numpy(dtype=np.float64)
        return np.full(len(self.scores), self.threshold)

    @property
    def severities(self) -> pd.Series:
        """0–100 per row, the same for every model and number of sensors: 50 at the row's threshold."""
        scores = self.row_scores
        values = severities(scores.to_numpy(dtype=np.float64), self.row_thresholds)
        return pd.Series(values, index=scores.index, name="severity")
