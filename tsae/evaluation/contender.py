"""Detectors as text, `fast(lag=16)`, `zscore`, `sklearn.ensemble.IsolationForest(n_estimators=50)`, behind one face."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from tsae.detection.parameters.groups import in_groups
from tsae.detection.parameters.recipes import RECIPES, recipe
from tsae.errors import ParameterError
from tsae.evaluation.baselines import PcaWindows, Preparation, RandomScore, ZScore
from tsae.evaluation.inputs import FloatArray
from tsae.fitting.plan import PRESETS

__all__ = ["Contender", "ModelSpec", "parse_model"]

_BASELINES: dict[str, Callable[..., Any]] = {"random": RandomScore, "zscore": ZScore, "pca-windows": PcaWindows}
_OWN = {
    "AnomalyDetector": {},
    **{preset: {"preset": preset} for preset in PRESETS},
    **{kind: recipe(kind) for kind in RECIPES},
}
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
        raise ParameterError(f"`model` (={text!r}) must be an import path, or one of {_names()}")
    if name not in _OWN and name not in _BASELINES and "." not in name:
        raise ParameterError(f"`model` (={text!r}) is unknown; choose one of {_names()}, or state an import path")
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


def _names() -> str:
    return ", ".join([*_OWN, *_BASELINES])


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
            return -_as_scores(self._detector.score_samples(rows))
        return _as_scores(self._detector.decision_function(rows))

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


def _as_scores(values: Any) -> FloatArray:
    return np.asarray(values, dtype=np.float64)
