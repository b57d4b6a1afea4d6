"""What every detector has to beat: a random score, the distance from the mean, principal components of windows.

Each is a scikit-learn estimator with `fit` and `score_samples` (lower = more abnormal) on tables
`(n_timesteps, n_channels)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter1d
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA

from tsae.errors import DataError
from tsae.evaluation.inputs import FloatArray

__all__ = ["PcaWindows", "Preparation", "RandomScore", "ZScore"]

_MOST_WINDOWS = 3000  # to find the components
_WINDOWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Preparation:
    """Mean and standard deviation of the training rows, `(n_channels,)` each.

    Examples
    --------
    >>> preparation = Preparation.fit(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> preparation.prepare(np.array([[np.nan, 6.0], [4.0, 5.0], [np.nan, 5.0]])).tolist()
    [[0.0, 1.0], [2.0, 0.0], [2.0, 0.0]]
    """

    mean: FloatArray
    """0 for a channel without any value."""
    scale: FloatArray
    """1 for a constant channel."""

    @classmethod
    def fit(cls, train: FloatArray) -> Self:
        """Learn from training rows `(n_train, n_channels)`."""
        known = ~np.isnan(train)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, train, 0.0).sum(axis=0) / count
        deviation = np.sqrt(np.where(known, np.square(train - mean), 0.0).sum(axis=0) / count)
        # what rounding leaves of a constant channel is no deviation
        return cls(mean, np.where(deviation > 1e-12 * np.abs(mean), deviation, 1.0))

    def standardise(self, values: FloatArray) -> FloatArray:
        """Deviations from the mean in standard deviations; NaN stays NaN."""
        return (values - self.mean) / self.scale

    def prepare(self, values: FloatArray) -> FloatArray:
        """Standardised rows without gaps: a missing cell takes the last value before it, else the mean."""
        filled = pd.DataFrame(self.standardise(values)).ffill().fillna(0.0)
        return filled.to_numpy()


class RandomScore(BaseEstimator):  # type: ignore[misc]
    """Uniform random numbers: what a metric gives for nothing."""

    def __init__(self, *, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002
        """Learn nothing."""
        self.lag_ = 0
        return self

    def score_samples(self, X: ArrayLike) -> FloatArray:
        """The same numbers in every call, `(n_timesteps,)`."""
        return -np.random.default_rng(self.random_state).random(len(np.asarray(X)))


class ZScore(BaseEstimator):  # type: ignore[misc]
    """Mean over channels of squared deviations from the training mean, in training standard deviations.

    Parameters
    ----------
    smoothing : int
        Rows of the centred moving average over the score; 1 for none.

    Examples
    --------
    >>> detector = ZScore(smoothing=1).fit([[0.0], [2.0]])
    >>> detector.score_samples([[1.0], [4.0]])
    array([-0., -9.])
    """

    def __init__(self, *, smoothing: int = 16) -> None:
        self.smoothing = smoothing

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002
        """Learn mean and standard deviation of each channel."""
        self.preparation_ = Preparation.fit(np.asarray(X, dtype=np.float64))
        self.lag_ = self.smoothing
        return self

    def score_samples(self, X: ArrayLike) -> FloatArray:
        """The lower, the more abnormal, `(n_timesteps,)`; missing cells do not count."""
        squares = np.square(self.preparation_.standardise(np.asarray(X, dtype=np.float64)))
        known = ~np.isnan(squares)
        score = np.where(known, squares, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        return -_smooth(score, self.smoothing)


class PcaWindows(BaseEstimator):  # type: ignore[misc]
    """What the principal components of windows leave unexplained: the linear autoencoder.

    Parameters
    ----------
    window_size : int
        Rows a window, and rows of the moving average over the score.
    variance : float
        Share of the windows' variance that the kept components explain.
    """

    def __init__(self, *, window_size: int = 16, variance: float = 0.95) -> None:
        self.window_size = window_size
        self.variance = variance

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002
        """Learn the components from evenly spaced windows."""
        values = np.asarray(X, dtype=np.float64)
        self.preparation_ = Preparation.fit(values)
        windows = self._windows(values)
        some = np.linspace(0, len(windows) - 1, min(_MOST_WINDOWS, len(windows))).astype(int)
        self.pca_ = PCA(self.variance, svd_solver="full").fit(windows[some].reshape(len(some), -1))
        self.lag_ = 2 * self.window_size
        return self

    def score_samples(self, X: ArrayLike) -> FloatArray:
        """The lower, the more abnormal, `(n_timesteps,)`: errors averaged over the windows that cover a row."""
        windows = self._windows(np.asarray(X, dtype=np.float64))
        size, n_rows = self.window_size, len(windows) + self.window_size - 1
        total, count = np.zeros(n_rows), np.zeros(n_rows)
        for first in range(0, len(windows), _WINDOWS_AT_ONCE):
            errors = self._errors(windows[first : first + _WINDOWS_AT_ONCE])
            for step in range(size):
                total[first + step : first + step + len(errors)] += errors[:, step]
                count[first + step : first + step + len(errors)] += 1
        return -_smooth(total / count, size)

    def _windows(self, values: FloatArray) -> NDArray[np.float64]:
        """All windows as a view `(n_windows, n_channels, window_size)`."""
        if len(values) < self.window_size:
            raise DataError(
                f"`window_size` (={self.window_size}) exceeds the series length (={len(values)}); pass a smaller one"
            )
        return np.lib.stride_tricks.sliding_window_view(self.preparation_.prepare(values), self.window_size, axis=0)

    def _errors(self, windows: NDArray[np.float64]) -> FloatArray:
        """Squared errors, mean over channels: `(n_windows, window_size)`."""
        flat = windows.reshape(len(windows), -1)
        rebuilt = self.pca_.inverse_transform(self.pca_.transform(flat)).reshape(windows.shape)
        return np.asarray(np.square(windows - rebuilt).mean(axis=1))


def _smooth(score: FloatArray, width: int) -> FloatArray:
    return np.asarray(uniform_filter1d(score, width, mode="nearest"))
