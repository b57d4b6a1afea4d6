"""Train the small classifier of labelled rows, and judge it on events that it has not seen."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from tsae.checks import evenly
from tsae.scoring.classifier import BOUND, LabelClassifier

__all__ = ["fit_label_classifier", "honest_terms"]

FloatArray = NDArray[np.float64]
_STRENGTH = 0.1  # inverse of the L2 penalty: a few labels must not outweigh it
_MOST_NORMAL = 5000
_FOLDS = 5


def fit_label_classifier(features: FloatArray, is_anomaly: NDArray[np.bool_]) -> LabelClassifier:
    """Fit to features `(n, n_features)` of labelled anomalies and of all others, at most 5000 of which are used."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    normal = np.flatnonzero(~is_anomaly)
    some = normal[evenly(len(normal), _MOST_NORMAL)]
    rows = np.sort(np.concatenate([np.flatnonzero(is_anomaly), some]))
    centre, width = features[some].mean(axis=0), np.maximum(features[some].std(axis=0), 1e-6)
    scaled = np.clip((features[rows] - centre) / width, -BOUND, BOUND)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=500).fit(scaled, is_anomaly[rows])
    return LabelClassifier(centre, width, model.coef_[0], np.asarray(model.intercept_, dtype=np.float64))


def honest_terms(features: FloatArray, is_anomaly: NDArray[np.bool_], runs: NDArray[np.intp]) -> FloatArray:
    """Terms `(n,)` of classifiers that have not seen the anomaly in question; NaN for what is no labelled anomaly.

    `runs` `(n,)` numbers the events that anomalies belong to: what is one event is left out as a whole. With a single
    one there is nothing to learn from without it, and all terms are NaN.
    """
    terms = np.full(len(features), np.nan)
    events = np.unique(runs[is_anomaly])
    folds = np.array_split(events, min(_FOLDS, len(events)))
    for fold in folds if len(folds) > 1 else []:
        left_out = is_anomaly & np.isin(runs, fold)
        classifier = fit_label_classifier(features[~left_out], is_anomaly[~left_out])
        terms[left_out] = classifier.term(features[left_out])
    return terms
