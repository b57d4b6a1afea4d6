"""New thresholds for a fitted model, learned from rows that it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds import check_threshold, known_scores, learn_thresholds
from tsae.detection.inputs import Entity, lay_out
from tsae.detection.labels.checks import LabelTuning, chosen_learner
from tsae.detection.labels.series import joined, tuned_thresholds, without_anomalies
from tsae.model.fitted import FittedModel
from tsae.scoring.whole_series import CalibrationScores, scores_of_rows

__all__ = ["recalibrated"]

FloatArray = NDArray[np.float64]


def recalibrated(
    model: FittedModel,
    entities: Sequence[Entity],
    labels: Sequence[FloatArray],
    threshold: Any,
    label_beta: Any,
    label_cost: Any,
    *,
    own: tuple[float, float | None],
    false_alarm_rate: Any,
    fallback_rate: Any,
) -> FittedModel:
    """Return the model with thresholds learned from these rows.

    Parameters
    ----------
    entities, labels
        Rows, and the labels of each series, `(n_timesteps,)`: 1 anomalous, 0 normal, NaN unknown.
    threshold, label_beta, label_cost
        As stated, `None` if not; see `chosen_learner`.
    own
        The estimator's `label_beta` and `label_cost`.
    false_alarm_rate
        The budget; `None` keeps the model's.
    fallback_rate
        The budget of a model that has none.
    """
    known = [_anomalies(*each) for each in zip(entities, labels, strict=True)]
    anomalies = np.concatenate(known)
    has_anomalies = bool((anomalies == 1).any())
    learner = chosen_learner(threshold, label_beta, label_cost, own=own, has_anomalies=has_anomalies)
    present = model.thresholds.settled.budget or fallback_rate
    rate = present if false_alarm_rate is None else false_alarm_rate
    if not isinstance(learner, LabelTuning):
        check_threshold(learner, rate)
    normal = [without_anomalies(*each) for each in zip(entities, known, strict=True)]
    used = np.concatenate([_is_used(entity) for entity in normal])
    calibration = CalibrationScores(*(kind[used] for kind in _scores(model, normal)))
    known_scores(calibration.settled)
    if isinstance(learner, LabelTuning):
        found = tuned_thresholds(_scores(model, entities), anomalies, calibration, learner)
    else:
        found = learn_thresholds(calibration, learner, rate, model.period)
    return model.with_thresholds(found, calibration)


def _scores(model: FittedModel, entities: Sequence[Entity]) -> CalibrationScores:
    """Scores of all rows, in one pass; segments end where rows are excluded."""
    grids = [lay_out(entity, period=model.period, max_fill=model.max_fill) for entity in entities]
    return joined([scores_of_rows(model.ensemble, grid, lag=model.lag) for grid in grids])


def _anomalies(entity: Entity, labels: FloatArray) -> FloatArray:
    """1 for rows labelled anomalous that are not excluded, NaN for all others `(n_timesteps,)`."""
    return np.where((labels == 1) & _is_used(entity), 1.0, np.nan)


def _is_used(entity: Entity) -> NDArray[np.bool_]:
    return np.ones(len(entity.values), dtype=bool) if entity.excluded is None else ~entity.excluded
