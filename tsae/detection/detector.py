"""`AnomalyDetector`: scikit-learn's outlier estimator for sensor tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from tsae.detection.build import ModelOptions, fit_model, used_spans
from tsae.detection.engine import SegmentScorer
from tsae.detection.inputs import Entity, lay_out, match_columns, refuse_infinite, refuse_text, split_entities
from tsae.detection.thresholds import Threshold, learn_threshold
from tsae.errors import DataError, ParameterError
from tsae.nn.options import NetworkOptions
from tsae.series.clock import infer_clock
from tsae.training.options import TrainingOptions

__all__ = ["AnomalyDetector"]

FloatArray = NDArray[np.float64]
_ROWS_AT_ONCE = 16_384


class AnomalyDetector(OutlierMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learn what normal rows look like; score rows by how badly an autoencoder rebuilds them."""

    def __init__(
        self,
        *,
        architecture: str = "dense",
        window_size: str | int | Sequence[int] = "auto",
        latent_dim: str | int = "auto",
        linear_path: bool = True,
        max_steps: str | int = "auto",
        held_out: float = 0.15,
        threshold: str | float = "pot",
        false_alarm_rate: float = 0.001,
        lag: str | int = "auto",
        max_fill: int = 3,
        random_state: int | None = None,
    ) -> None:
        self.architecture = architecture
        self.window_size = window_size
        self.latent_dim = latent_dim
        self.linear_path = linear_path
        self.max_steps = max_steps
        self.held_out = held_out
        self.threshold = threshold
        self.false_alarm_rate = false_alarm_rate
        self.lag = lag
        self.max_fill = max_fill
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        entities = self._entities(X, reset=True)
        self.period_ = infer_clock(entities[0].index).period
        grids = [lay_out(e, period=self.period_, max_fill=self.max_fill) for e in entities]
        opts = ModelOptions(NetworkOptions(architecture=self.architecture), TrainingOptions(), self.window_size,
                            self.latent_dim, self.max_steps, self.linear_path, self.held_out)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.model_, self.fit_reports_ = fit_model(used_spans(grids, self.held_out), opts, random_state=seed)
        self.lag_ = self.model_.full_lag if self.lag == "auto" else self.lag
        return self

    def _entities(self, X: Any, *, reset: bool) -> list[Entity]:
        out = []
        for part in split_entities(X):
            if isinstance(part, pd.DataFrame):
                refuse_text(part)
            values = validate_data(self, part, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False, ensure_min_samples=2 if reset else 1)
            index = part.index if isinstance(part, pd.DataFrame) else pd.RangeIndex(len(values))
            refuse_infinite(values, index, list(range(values.shape[1])))
            out.append(Entity(values, index))
        return out

    def score_samples(self, X: Any) -> FloatArray:
        check_is_fitted(self)
        out = []
        for entity in self._entities(X, reset=False):
            grid = lay_out(entity, period=self.period_, max_fill=self.max_fill)
            scores = np.empty(len(grid.values))
            for start, stop in grid.segments:
                scorer = SegmentScorer(self.model_, lag=self.lag_)
                done = start
                for first in range(start, stop, _ROWS_AT_ONCE):
                    r = scorer.push(grid.values[first:min(stop, first+_ROWS_AT_ONCE)])
                    scores[done:done+len(r.settled)] = r.settled
                    done += len(r.settled)
                r = scorer.flush()
                scores[done:done+len(r.settled)] = r.settled
                assert done + len(r.settled) == stop
            out.append(scores[grid.rows])
        return -np.concatenate(out)
