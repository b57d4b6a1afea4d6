"""Detectors as a user might bring them along, good and bad; named in tests by their import path."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, Self

import numpy as np
from sklearn.ensemble import IsolationForest

fits: Counter[str] = Counter()
"""How often each kind was fitted in this process."""


class Level:
    """Distance from the training mean, scikit-learn's sign; counts its fits."""

    def __init__(self, name: str = "level") -> None:
        self.name = name

    def fit(self, X: Any) -> Self:
        fits[self.name] += 1
        self.seen = np.array(X)
        self.mean = self.seen.mean(axis=0)
        return self

    def score_samples(self, X: Any) -> Any:
        return -np.abs(X - self.mean).sum(axis=1)


class StandardisedByTest(Level):
    """Takes mean and deviation from the rows it scores."""

    def score_samples(self, X: Any) -> Any:
        return -np.abs((X - X.mean(axis=0)) / X.std(axis=0)).sum(axis=1)


class RankedInTest(Level):
    """Gives ranks among the scored rows."""

    def score_samples(self, X: Any) -> Any:
        return np.argsort(np.argsort(super().score_samples(X))).astype(float)


class LooksAhead(Level):
    """The score of a row is that of `lag_` rows later, as it says."""

    lag_ = 30

    def score_samples(self, X: Any) -> Any:
        scores = super().score_samples(X)
        return np.concatenate([scores[self.lag_ :], np.full(self.lag_, scores.min())])


class LooksFurther(LooksAhead):
    """Looks further ahead than it says."""

    def fit(self, X: Any) -> Self:
        super().fit(X)
        self.lag_ = 30
        return self

    def score_samples(self, X: Any) -> Any:
        self.lag_ = 40
        scores = super().score_samples(X)
        self.lag_ = 30
        return scores


class PyodLevel:
    """PyOD's convention: `decision_function` alone, higher = more abnormal."""

    def fit(self, X: Any) -> Self:
        self.mean = X.mean(axis=0)
        self.threshold_ = float(np.abs(X - self.mean).sum(axis=1).max())
        return self

    def decision_function(self, X: Any) -> Any:
        return np.abs(X - self.mean).sum(axis=1)


class Fails(Level):
    """Cannot be fitted."""

    def fit(self, X: Any) -> Self:
        raise RuntimeError('this cannot\nwork, "said" the detector')


class GivesNan(Level):
    def score_samples(self, X: Any) -> Any:
        return np.full(len(X), np.nan)


class Talks(Level):
    def fit(self, X: Any) -> Self:
        import warnings

        warnings.warn("have a care", UserWarning, stacklevel=2)
        print("epoch 1")
        return super().fit(X)


class Dies(Level):
    """Ends its process, as a lack of memory would."""

    def fit(self, X: Any) -> Self:
        os._exit(1)


def make_forest(*, random_state: int) -> IsolationForest:
    """A function that makes a detector."""
    return IsolationForest(n_estimators=5, random_state=random_state)


not_callable = 3
