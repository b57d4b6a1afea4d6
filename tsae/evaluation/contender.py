"""The contenders of a benchmark: what every detector has to beat, and any detector, named by a text, behind one face.

The baselines are a random score, the distance from the mean, and principal components of windows. Each is a
scikit-learn estimator with `fit` and `score_samples` (lower = more abnormal) on tables `(n_timesteps, n_channels)`.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter1d
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA

from tsae.detection.parameters.groups import in_groups
from tsae.detection.parameters.recipes import RECIPES, recipe
from tsae.errors import DataError, ParameterError
from tsae.evaluation.inputs import FloatArray
from tsae.fitting.plan import PRESETS

__all__ = ["Contender", "ModelSpec", "PcaWindows", "Preparation", "RandomScore", "ZScore", "parse_model"]

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


_BASELINES: dict[str, Callable[..., Any]] = {"random": RandomScore, "zscore": ZScore, "pca-windows": PcaWindows}
_OWN = {
    "AnomalyDetector": {},
    **{preset: {"preset": preset} for preset in PRESETS},
    **{kind: recipe(kind) for kind in RECIPES},
}
_NAMES = ", ".join([*_OWN, *_BASELINES])
_CALL = re.compile(r"(?P<name>[\w.-]+)\s*(\((?P<arguments>.*)\))?", re.DOTALL)


@dataclass(frozen=True)
class ModelSpec:
    """A detector that a text describes; made by `parse_model`, small enough to send to another process."""

    label: str
    """The text in one spelling, under which results are kept."""
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def is_own(self) -> bool:
        """Whether it is an `AnomalyDetector`."""
        return self.name in _OWN

    @property
    def is_imported(self) -> bool:
        """Whether it comes from outside, by its import path."""
        return not self.is_own and self.name not in _BASELINES

    @property
    def takes_seed(self) -> bool:
        """Whether another seed may give another result."""
        return "random_state" in inspect.signature(self._factory()).parameters and "random_state" not in self.parameters

    def make(self, seed: int) -> Any:
        """An unfitted detector.

        Raises
        ------
        ParameterError
            If the name cannot be imported or does not take the parameters.
        """
        stated = in_groups(_OWN[self.name], self.parameters) if self.is_own else dict(self.parameters)
        if self.takes_seed:
            stated["random_state"] = seed
        try:
            return self._factory()(**stated)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"`model` (={self.label!r}) cannot be made: {error}") from error

    def _factory(self) -> Callable[..., Any]:
        if self.is_own:
            from tsae.detection.detector import AnomalyDetector  # loads torch, which the others do not need

            return AnomalyDetector
        if self.name in _BASELINES:
            return _BASELINES[self.name]
        module, _, attribute = self.name.rpartition(".")
        try:
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise ParameterError(
                f"`model` (={self.label!r}) cannot be imported: {error}; check the path and the environment"
            ) from error
        if not callable(found):
            raise ParameterError(f"`model` (={self.label!r}) must name a class, or a function that makes a detector")
        return found  # type: ignore[no-any-return]


def parse_model(text: str) -> ModelSpec:
    """Read a model with its parameters. The arguments are literals; nothing is evaluated.

    Parameters
    ----------
    text : str
        A preset, a kind of autoencoder (see `tsae.recipe`) or `AnomalyDetector`, a baseline (random, zscore,
        pca-windows), or the import path of a class, or of a function that makes a detector, with keyword arguments in
        brackets. Options of `network` and `training` go by their own names too: `deep(hidden=[64, 32])`.

    Raises
    ------
    ParameterError
        If the name is none of these, or an argument is not `name=literal`.

    Examples
    --------
    >>> parse_model("fast( max_steps = 5 )").label
    'fast(max_steps=5)'
    >>> parse_model("sklearn.ensemble.IsolationForest(n_estimators=50)").parameters
    {'n_estimators': 50}
    """
    match = _CALL.fullmatch(text.strip())
    if match is None:
        raise ParameterError(f"`model` (={text!r}) must be a name, or a name with arguments in brackets: fast(lag=16)")
    name = match["name"]
    if name not in _OWN and name not in _BASELINES and not all(part.isidentifier() for part in name.split(".")):
        raise ParameterError(f"`model` (={text!r}) must be an import path, or one of {_NAMES}")
    if name not in _OWN and name not in _BASELINES and "." not in name:
        raise ParameterError(f"`model` (={text!r}) is unknown; choose one of {_NAMES}, or state an import path")
    parameters = _literals(match["arguments"] or "", text)
    stated = ", ".join(f"{key}={value!r}" for key, value in parameters.items())
    return ModelSpec(f"{name}({stated})" if stated else name, name, parameters)


def _literals(arguments: str, text: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args:
            names = [keyword.arg for keyword in call.keywords]
            values = [ast.literal_eval(keyword.value) for keyword in call.keywords]
            if None not in names and len(set(names)) == len(names):
                return dict(zip(map(str, names), values, strict=True))
        problem = "not each name=value once"
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        problem = str(error)
    raise ParameterError(
        f"`model` (={text!r}) must have arguments of the form name=value, each value a number, text, True, False, "
        f"None, or a list or dictionary of them ({problem}); for anything else name a function that makes the "
        "detector by its import path"
    )


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
            return -np.asarray(self._detector.score_samples(rows), dtype=np.float64)
        return np.asarray(self._detector.decision_function(rows), dtype=np.float64)

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
