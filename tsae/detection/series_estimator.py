"""What the parts of `AnomalyDetector` have in common: the learned model, and tables checked and laid out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds import Threshold, ThresholdSet
from tsae.detection.inputs import Entity
from tsae.model.fitted import FittedModel
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.whole_series import CalibrationScores
from tsae.series.grid import GridSeries

__all__ = ["SeriesEstimator"]


class SeriesEstimator:
    """An estimator that checks tables and lays them out."""

    model_: FittedModel
    n_features_in_: int

    @property
    def _ensemble(self) -> Ensemble:
        return self.model_.ensemble

    @property
    def threshold_(self) -> float:
        """Rows that score above it are flagged."""
        return self.learned_threshold_.value

    @property
    def offset_(self) -> float:
        """`-threshold_`."""
        return -self.threshold_

    @property
    def learned_threshold_(self) -> Threshold:
        """The threshold with the facts it was learned from."""
        return self.thresholds_.settled

    @property
    def thresholds_(self) -> ThresholdSet:
        """Thresholds of all kinds of score."""
        return self.model_.thresholds

    @property
    def calibration_(self) -> CalibrationScores:
        """Scores of normal rows that the thresholds were learned from."""
        return self.model_.calibration

    @property
    def lag_(self) -> int:
        """Rows that a score waits for."""
        return self.model_.lag

    @property
    def period_(self) -> float | None:
        """Sampling period in seconds; `None` without a clock."""
        return self.model_.period

    @property
    def channels_(self) -> list[str]:
        """Names of the channels; `x0`, `x1`, … when fitted on an array."""
        return list(self.model_.channels)

    @property
    def units_(self) -> dict[str, str]:
        """Unit by channel."""
        return dict(self.model_.units)

    @property
    def data_hash_(self) -> str:
        """SHA-256 of the training data."""
        return self.model_.data_hash

    @abstractmethod
    def _checked(self, X: Any, excluded: Any = None) -> tuple[list[Entity], bool]:
        """Entities, and whether they came as a list."""

    @abstractmethod
    def _grid(self, entity: Entity) -> GridSeries:
        """An entity's rows on the clock."""

    @abstractmethod
    def _like(self, entity: Entity, table: NDArray[np.floating] | None) -> Any:
        """A table with the entity's index and columns, if it had some."""
