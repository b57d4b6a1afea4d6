"""A small classifier on codes and errors, for detectors that are given a handful of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BOUND", "LabelClassifier", "feature_table", "labelled_arrays", "labelled_of"]

FloatArray = NDArray[np.float64]
BOUND = 5.0  # standard deviations of a feature; a code far beyond anything labelled says no more


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
        scaled = np.clip((features - self.centre) / self.width, -BOUND, BOUND)
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
