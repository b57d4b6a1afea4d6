"""Watches the rows and scores of one entity for drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.distributions import BLOCK, DistributionWatch, Reference
from tsae.detection.drift import Drift, drift_of
from tsae.detection.stream_model import StreamModel
from tsae.streaming.levels import Levels

__all__ = ["DriftNotice", "DriftWatch"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DriftNotice:
    """The rows of an entity have come to differ from training."""

    row: int
    """Number of the last settled row."""
    drift: Drift
    entity: str = ""


class DriftWatch:
    """Counts rows as they come in and scores as they settle, and tells of drift once it is there.

    Parameters
    ----------
    scores
        Scores of calibration rows, from `tsae.detection.drift.score_reference`.
    levels
        The thresholds of the entity.
    """

    def __init__(self, model: StreamModel, scores: Reference, levels: Levels) -> None:
        self._channels, self._levels = model.channels, levels
        self._inputs, self._scores = DistributionWatch(model.inputs), DistributionWatch(scores)
        self._n_settled = 0
        self.drifts = False
        """Whether it was there when it was looked for last, after every 500 settled rows."""

    def take_row(self, values: FloatArray) -> None:
        """The next row `(n_channels,)`."""
        self._inputs.push_row(values)

    def take_score(self, judged: float) -> Drift | None:
        """The score of the next settled row; returns the drift if there is some that was not there before."""
        self._scores.push_row(np.array([judged]))
        self._n_settled += 1
        if self._n_settled % BLOCK:
            return None
        drift, before = self.drift(), self.drifts
        self.drifts = bool(drift.verdict)
        return drift if self.drifts and not before else None

    def drift(self) -> Drift:
        """Where rows and scores are now."""
        first, last = self._levels.settled_range
        return drift_of(self._scores, self._inputs, self._channels, first=first, last=last)

    def state(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Everything it remembers, under names that begin with `prefix`."""
        own = {f"{prefix}own": np.array([self._n_settled, self.drifts], dtype=np.int64)}
        return own | self._inputs.state(f"{prefix}inputs.") | self._scores.state(f"{prefix}scores.")

    def restore(self, arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
        """Take up a state."""
        self._n_settled, drifts = arrays[f"{prefix}own"].tolist()
        self.drifts = bool(drifts)
        self._inputs.restore(arrays, f"{prefix}inputs.")
        self._scores.restore(arrays, f"{prefix}scores.")
