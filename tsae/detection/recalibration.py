"""What changes the thresholds of a fitted detector of series, which stays as it is otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from tsae.alarms.thresholds import check_threshold, known_scores, learn_thresholds
from tsae.checks import plain
from tsae.detection.inputs import Entity
from tsae.detection.labels.checks import LabelTuning, chosen_learner, labels_of_parts
from tsae.detection.labels.series import tuned_thresholds, without_anomalies
from tsae.detection.series_estimator import SeriesEstimator
from tsae.scoring.whole_series import CalibrationScores, score_grid

__all__ = ["SeriesThresholds"]

FloatArray = NDArray[np.float64]


class SeriesThresholds(SeriesEstimator):
    """Thresholds of an estimator of series, learned from scores of normal rows or chosen by labels."""

    false_alarm_rate: float | str
    label_beta: float
    label_cost: float | None

    def set_threshold(self, threshold: str | float, *, false_alarm_rate: float | str | None = None) -> Self:
        """Learn the threshold anew from the scores of held-out normal rows, or state it, without training again.

        Parameters
        ----------
        threshold
            Name of a learner as in the constructor, or the score (in units of −log p, higher = more anomalous) above
            which rows are flagged.
        false_alarm_rate
            The budget, as in the constructor: a share of rows, or a number of alarms in some time or rows. `None` keeps
            the constructor's.

        Raises
        ------
        ParameterError
            If either is not what it should be, the budget speaks of time and the rows had no clock, or the learner is
            one of labels, which `recalibrate` takes.
        """
        check_is_fitted(self, "model_")
        rate = self.false_alarm_rate if false_alarm_rate is None else plain(false_alarm_rate)
        thresholds = learn_thresholds(self.calibration_, plain(threshold), rate, self.period_)
        self.model_ = self.model_.with_thresholds(thresholds)
        return self

    def recalibrate(
        self,
        X: Any,
        *,
        excluded: Any = None,
        labels: Any = None,
        threshold: str | float | None = None,
        false_alarm_rate: float | str | None = None,
        label_beta: float | None = None,
        label_cost: float | None = None,
    ) -> Self:
        """Learn the threshold anew from rows that the detector has not been trained on, without training again.

        Parameters
        ----------
        X
            Table `(n_timesteps, n_channels)` of normal operation in time order, but for rows that `labels` marks; or a
            list of tables.
        excluded
            Boolean mask `(n_timesteps,)` of rows to leave out; a list of masks for a fleet.
        labels
            What is known of some rows, `(n_timesteps,)`: 1 anomalous, 0 normal, -1 or NaN unknown; a list for a fleet.
            Every learner leaves rows labelled anomalous out of the normal ones.
        threshold
            Name of a learner as in the constructor, or the score above which rows are flagged, or what labelled
            anomalies choose: "label_beta" the best F-beta, "label_cost" the least cost. `None` is what `fit` does:
            labels choose if any row is labelled anomalous (by `label_cost` if the constructor states one), else "pot".
        false_alarm_rate
            The budget, as in the constructor; `None` keeps the present one.
        label_beta, label_cost
            As in the constructor, whose values `None` keeps; to state one chooses its learner.

        Raises
        ------
        ParameterError
            If a parameter is not what it should be, clashes with another, or labels are to choose and mark no anomaly.
        DataError
            As `detect`, or if labels are no labels.
        """
        entities, is_fleet = self._checked(X, excluded)
        labelled = labels_of_parts(labels, [len(entity.values) for entity in entities], is_fleet=is_fleet)
        anomalies = [_anomalies(entity, part) for entity, part in zip(entities, labelled, strict=True)]
        learner = chosen_learner(
            plain(threshold),
            *(label_beta, label_cost),
            own=(self.label_beta, self.label_cost),
            has_anomalies=bool((np.concatenate(anomalies) == 1).any()),
        )
        present = self.thresholds_.settled.budget or self.false_alarm_rate
        rate = present if false_alarm_rate is None else plain(false_alarm_rate)
        if not isinstance(learner, LabelTuning):
            check_threshold(learner, rate)
        scores = self._scores([without_anomalies(*each) for each in zip(entities, anomalies, strict=True)])
        known_scores(scores.settled)
        if isinstance(learner, LabelTuning):
            rows = (self._ensemble, [self._grid(entity) for entity in entities], anomalies, scores)
            found = tuned_thresholds(*rows, lag=self.lag_, tuning=learner, honest=None)
        else:
            found = learn_thresholds(scores, learner, rate, self.period_)
        self.model_ = self.model_.with_thresholds(found, scores)
        return self

    def _scores(self, entities: Sequence[Entity]) -> CalibrationScores:
        """Scores of all rows that are not excluded."""
        parts: list[list[FloatArray]] = [[] for _ in CalibrationScores._fields]
        for entity in entities:
            settled, immediate = (score_grid(self._ensemble, self._grid(entity), lag=lag) for lag in (self.lag_, 0))
            used = slice(None) if entity.excluded is None else ~entity.excluded
            scores = (settled.scores, immediate.scores, settled.unsmoothed, immediate.unsmoothed)
            for part, each in zip(parts, scores, strict=True):
                part.append(each[used])
        return CalibrationScores(*map(np.concatenate, parts))


def _anomalies(entity: Entity, labels: FloatArray) -> FloatArray:
    """1 for rows labelled anomalous that are not excluded, NaN for all others `(n_timesteps,)`."""
    is_used = labels == 1 if entity.excluded is None else (labels == 1) & ~entity.excluded
    return np.where(is_used, 1.0, np.nan)
