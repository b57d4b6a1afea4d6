"""A small classifier on codes and errors, for detectors that are given a handful of labels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelClassifier", "feature_table", "fit_label_classifier", "honest_terms", "labelled_arrays", "labelled_of"]

FloatArray = NDArray[np.float64]
_BOUND = 5.0  # standard deviations of a feature; a code far beyond anything labelled says no more
_STRENGTH = 0.1  # inverse of the L2 penalty: a few labels must not outweigh it
_MOST_NORMAL = 5000
_FOLDS = 5


@dataclass(frozen=True)
class LabelClassifier:
    """A logistic regression on standardised, bounded features."""

    centre: FloatArray
    """`(n_features,)`."""
    width: FloatArray
    """`(n_features,)`, positive."""
    weights: FloatArray
    """`(n_features,)`."""
    bias: FloatArray
    """`(1,)`."""

    def term(self, features: FloatArray) -> FloatArray:
        """What joins a score `(n,)`: −log(1 − p) for a probability p of being anomalous, in nats, never negative."""
        scaled = np.clip((features - self.centre) / self.width, -_BOUND, _BOUND)
        return np.asarray(np.logaddexp(0.0, scaled @ self.weights + self.bias))


def feature_table(codes: NDArray[np.floating], errors: NDArray[np.floating], scores: FloatArray) -> FloatArray:
    """Features `(n, latent_dim + n_errors + 1)` from codes, relative errors (1 is usual, NaN missing) and scores."""
    known = np.log1p(np.nan_to_num(errors.astype(np.float64), nan=1.0))
    return np.column_stack([codes, known, np.log1p(scores)])


def labelled_arrays(classifier: LabelClassifier | None) -> dict[str, FloatArray]:
    """What a model file keeps of a classifier, by name."""
    return {} if classifier is None else {f"labelled.{name}": array for name, array in vars(classifier).items()}


def labelled_of(arrays: Mapping[str, NDArray[Any]]) -> LabelClassifier | None:
    """The classifier whose `labelled_arrays` are among these; `None` if there was none."""
    names = [field.name for field in fields(LabelClassifier)]
    if f"labelled.{names[0]}" not in arrays:
        return None
    return LabelClassifier(**{name: arrays[f"labelled.{name}"] for name in names})


def fit_label_classifier(features: FloatArray, is_anomaly: NDArray[np.bool_]) -> LabelClassifier:
    """Fit to features `(n, n_features)` of labelled anomalies and of all others, at most 5000 of which are used."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    normal = np.flatnonzero(~is_anomaly)
    some = normal[np.linspace(0, len(normal) - 1, min(_MOST_NORMAL, len(normal))).round().astype(int)]
    rows = np.sort(np.concatenate([np.flatnonzero(is_anomaly), some]))
    centre, width = features[some].mean(axis=0), np.maximum(features[some].std(axis=0), 1e-6)
    scaled = np.clip((features[rows] - centre) / width, -_BOUND, _BOUND)
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
