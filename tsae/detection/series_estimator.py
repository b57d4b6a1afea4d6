"""What the parts of `AnomalyDetector` have in common: the learned model, and tables checked and laid out."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.inputs import Entity
from tsae.scoring.ensemble import Ensemble
from tsae.series.grid import GridSeries

__all__ = ["SeriesEstimator"]


class SeriesEstimator:
    """An estimator that checks tables and lays them out."""

    model_: Ensemble
    n_features_in_: int
    lag_: int

    @abstractmethod
    def _checked(self, X: Any, excluded: Any = None) -> tuple[list[Entity], bool]:
        """Entities, and whether they came as a list."""

    @abstractmethod
    def _grid(self, entity: Entity) -> GridSeries:
        """An entity's rows on the clock."""

    @abstractmethod
    def _like(self, entity: Entity, table: NDArray[np.floating] | None) -> Any:
        """A table with the entity's index and columns, if it had some."""
