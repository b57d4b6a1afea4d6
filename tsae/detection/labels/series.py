"""What labels of rows do to a detector of series: they tune its thresholds and, if asked, train a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds import ThresholdSet
from tsae.detection.inputs import Entity
from tsae.detection.labels.checks import LabelTuning, refuse_without_anomalies
from tsae.fitting.classifier import fit_label_classifier, honest_terms
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.whole_series import CalibrationScores, row_features, scores_of_rows
from tsae.series.grid import GridSeries

__all__ = ["honest_scores", "joined", "tuned_thresholds", "with_label_classifier", "without_anomalies"]

FloatArray = NDArray[np.float64]


def without_anomalies(entity: Entity, labels: FloatArray) -> Entity:
    """An entity whose labelled anomalies are excluded."""
    anomalous = labels == 1
    if not anomalous.any():
        return entity
    return replace(entity, excluded=anomalous if entity.excluded is None else entity.excluded | anomalous)


def with_label_classifier(
    model: Ensemble, grids: Sequence[GridSeries], labels: Sequence[FloatArray], *, lag: int
) -> tuple[Ensemble, FloatArray]:
    """The model with a classifier, and terms of labelled anomalies from classifiers that have not seen their events.

    Rows whose label is unknown count as normal, as they do for the networks. The terms are `(n_timesteps,)` of all
    series in a row, NaN for all rows but labelled anomalies.

    Raises
    ------
    ParameterError
        If no row is labelled anomalous.
    """
    is_anomaly = np.concatenate(labels) == 1
    refuse_without_anomalies(is_anomaly)
    features = np.concatenate([row_features(model, grid, lag=lag) for grid in grids])
    firsts = np.concatenate([np.arange(len(part)) == 0 for part in labels])
    runs = np.cumsum(firsts | np.diff(is_anomaly, prepend=False))
    model = replace(model, classifier=fit_label_classifier(features, is_anomaly))
    return model, honest_terms(features, is_anomaly, runs)


def honest_scores(
    ensemble: Ensemble, grids: Sequence[GridSeries], honest: FloatArray | None, *, lag: int
) -> CalibrationScores:
    """Return scores of all rows of all series.

    `honest` `(n_timesteps,)` replaces what the classifier adds to the scores of labelled anomalies, which it was
    trained on; NaN for all other rows.
    """
    scores = joined([scores_of_rows(ensemble, grid, lag=lag) for grid in grids])
    if honest is None:
        return scores
    alone = joined([scores_of_rows(replace(ensemble, classifier=None), grid, lag=lag) for grid in grids])
    pairs = zip(scores, alone, strict=True)
    return CalibrationScores(*(np.where(np.isnan(honest), kind, own + honest) for kind, own in pairs))


def tuned_thresholds(
    scores: CalibrationScores, labels: FloatArray, calibration: CalibrationScores, tuning: LabelTuning
) -> ThresholdSet:
    """Return the best thresholds of smoothed scores; some row is labelled anomalous.

    `scores` and `labels` are those of all rows, `(n_timesteps,)`. Normal are the rows labelled so, and the rows that
    `calibration` holds the scores of.
    """
    settled, immediate = (
        tuning.threshold(getattr(scores, kind), labels, getattr(calibration, kind), in_order=True)
        for kind in ("settled", "immediate")
    )
    return ThresholdSet(settled, immediate, settled, immediate)  # no budget of rows, so none of unsmoothed scores


def joined(parts: Sequence[CalibrationScores]) -> CalibrationScores:
    """Return the scores of several series, one after the other."""
    return CalibrationScores(*(np.concatenate(kind) for kind in zip(*parts, strict=True)))
