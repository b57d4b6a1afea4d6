"""Any detector behind one face."""

from __future__ import annotations

from typing import Any

import numpy as np

from tsae.evaluation.inputs import FloatArray
from tsae.evaluation.model_specs import ModelSpec
from tsae.evaluation.preparation import Preparation

__all__ = ["Contender"]


class Contender:
    """A detector behind one face: fitted on plain arrays, scores that rise with abnormality.

    Detectors from outside get their rows prepared (see `Preparation`): few of them take missing cells, and most
    compare distances. `score_samples` has scikit-learn's sign (lower = more abnormal); a detector that has only
    `decision_function` is read by PyOD's convention (higher = more abnormal).
    """

    def __init__(self, spec: ModelSpec, seed: int) -> None:
        self._detector = spec.make(seed)
        self._is_imported = spec.is_imported
        self._preparation: Preparation | None = None
        self._fitted_lag: int | None = None

    def fit(self, train: FloatArray) -> None:
        """Fit on rows `(n_train, n_channels)`, without labels."""
        if self._is_imported:
            self._preparation = Preparation.fit(train)
        self._detector.fit(self._prepared(train))
        self._fitted_lag = self.lag

    def score(self, test: FloatArray) -> FloatArray:
        """Scores `(n_test,)`, higher = more anomalous."""
        rows = self._prepared(test)
        if hasattr(self._detector, "score_samples"):
            return -_as_scores(self._detector.score_samples(rows))
        return _as_scores(self._detector.decision_function(rows))

    @property
    def threshold(self) -> float | None:
        """The detector's own threshold, learned in training; `None` if it has none, or none for this lag."""
        if self.lag != self._fitted_lag:
            return None
        if hasattr(self._detector, "score_samples"):
            offset = getattr(self._detector, "offset_", None)
            return None if offset is None else -float(offset)
        threshold = getattr(self._detector, "threshold_", None)
        return None if threshold is None else float(threshold)

    @property
    def lag(self) -> int | None:
        """Rows after a row that its score may depend on; `None` if the detector does not say."""
        lag = getattr(self._detector, "lag_", None)
        return None if lag is None else int(lag)

    def set_lag(self, lag: int | str) -> None:
        """Score at another lag from now on, "auto" for all that helps; only for an `AnomalyDetector`."""
        self._detector.model_ = self._detector.model_.at_lag(lag)

    def _prepared(self, rows: FloatArray) -> FloatArray:
        return rows.copy() if self._preparation is None else self._preparation.prepare(rows)


def _as_scores(values: Any) -> FloatArray:
    return np.asarray(values, dtype=np.float64)
