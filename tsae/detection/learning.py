"""From checked tables of normal rows to a fitted model, and from further rows to new thresholds for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.annotations import Annotations
from tsae.alarms.drift import fit_reference
from tsae.alarms.lessons import lessons_of
from tsae.alarms.thresholds import check_threshold, known_scores, learn_thresholds
from tsae.checks import plain
from tsae.detection.codes.cloud import CodeFacts
from tsae.detection.inputs import Entity, check_period, data_hash, lay_out, without_suspicious_rows
from tsae.detection.labels.checks import LabelTuning, chosen_learner
from tsae.detection.labels.series import (
    honest_scores,
    joined,
    tuned_thresholds,
    with_label_classifier,
    without_anomalies,
)
from tsae.fitting.options import SeriesOptions
from tsae.fitting.training_rows import held_out_scores, used_spans
from tsae.model.fitted import FittedModel
from tsae.scoring.whole_series import CalibrationScores, scores_of_rows
from tsae.series.grid import infer_clock
from tsae.training.options import FitReport

__all__ = ["Learned", "learn", "recalibrated"]


class Learned(NamedTuple):
    """All that a fit learns."""

    model: FittedModel
    codes: CodeFacts
    fit_reports: list[FitReport]
    """One per member."""
    rejected: list[list[list[int]]]
    """First and last row of every stretch that a robust fit left out, one list per series."""


def learn(
    entities: Sequence[Entity],
    known: Sequence[NDArray[np.float64]],
    options: SeriesOptions,
    parameters: Mapping[str, Any],
    names: Sequence[str],
    units: Mapping[str, str],
    *,
    tuning: LabelTuning,
    random_state: int,
    running: str | None = None,
) -> Learned:
    """Fit networks, scales and thresholds.

    Parameters
    ----------
    known
        Labels of each series `(n_timesteps,)`: 1 anomalous, 0 normal, NaN unknown. Rows labelled anomalous are kept
        out of training and calibration, and choose the threshold unless it is a number. Those labelled normal stay,
        also if a robust fit finds them suspicious.
    options, parameters
        The checked options of networks and training, and all parameters of `AnomalyDetector`.
    names
        Names of the channels.
    tuning
        How labels choose the threshold.
    running
        Condition under which the plant runs, which the model keeps.
    """
    from tsae.detection.codes.study import study_windows
    from tsae.fitting.build import fit_model  # loads Lightning, which scoring does without
    from tsae.fitting.later_rows import learn_later_scores

    threshold, lag, max_fill = plain(parameters["threshold"]), parameters["lag"], parameters["max_fill"]
    period = infer_clock(entities[0].index).period
    for entity in entities:
        check_period(entity.index, period)
    laid_out = partial(lay_out, period=period, max_fill=max_fill)
    normal = [without_anomalies(entity, part) for entity, part in zip(entities, known, strict=True)]
    rejected: list[list[list[int]]] = [[] for _ in entities]
    if parameters["robust"]:
        normal, rejected = without_suspicious_rows(normal, laid_out, known)
    spans = used_spans([laid_out(part) for part in normal], [part.excluded for part in normal], parameters["held_out"])
    ensemble, reports = fit_model(spans, options, random_state=random_state)
    codes = study_windows(ensemble, spans, random_state=random_state)
    stated_lag = None if isinstance(lag, str) else int(lag)
    lag = ensemble.full_lag if stated_lag is None else min(stated_lag, ensemble.full_lag)
    grids, honest = [laid_out(entity) for entity in entities], None
    if parameters["label_classifier"]:
        ensemble, honest = with_label_classifier(ensemble, grids, known, lag=lag)
    calibration = held_out_scores(ensemble, spans, lag=lag)
    later = None  # the classifier's share of a score is not known for rows it was trained on
    if ensemble.classifier is None:
        later = learn_later_scores(spans, options, held_out=parameters["held_out"], lag=stated_lag)
    thresholds = learn_thresholds(calibration, threshold, plain(parameters["false_alarm_rate"]), period, later)
    if isinstance(threshold, str) and any((part == 1).any() for part in known):
        scores = honest_scores(ensemble, grids, honest, lag=lag)
        thresholds = tuned_thresholds(scores, np.concatenate(known), calibration, tuning)
    model = FittedModel(
        ensemble,
        thresholds,
        calibration,
        *(names, units, period, lag, max_fill),
        inputs=fit_reference([span.values for span in spans]),
        data_hash=data_hash(entities),
        running=running,
        later=later,
    )
    return Learned(model, codes, reports, rejected)


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
    said: Annotations | None = None,
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
    said
        Where the labels come from, if they are annotations: events among them become the model's lessons. Thresholds
        stay as they are unless a learner or a budget is stated.
    """
    known = [_anomalies(*each) for each in zip(entities, labels, strict=True)]
    anomalies = np.concatenate(known)
    has_anomalies = bool((anomalies == 1).any())
    if said is not None:
        model = replace(model, lessons=lessons_of(said), file=b"")
        if threshold is None and label_beta is None and label_cost is None and false_alarm_rate is None:
            return model  # its table may hold faults that nobody spoke of
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
        found = learn_thresholds(calibration, learner, rate, model.period, model.later)
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
