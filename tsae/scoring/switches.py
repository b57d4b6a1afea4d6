"""Switches: channels of zeros and ones, watched by how well the rest of the row tells their state.

A switch is predicted from the analog channels (now and over the last rows) and the other switches by logistic
regression. Its surprise −log p(state), averaged over the last rows, counts as far as it exceeds anything seen in
training: a valve that is stuck, flipped, or in a combination that never was. How long it stays in a state and how often
it changes are watched too (see `switch_habits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.filters import MovingAverage, trailing_kernel
from tsae.scoring.switch_habits import HabitWatch, SwitchHabits
from tsae.series.channels import ChannelScaler

__all__ = [
    "CLIP",
    "LEAST_PROBABILITY",
    "MEMORY",
    "SwitchModel",
    "SwitchWatch",
    "clipped",
    "errors_of",
    "features_of",
    "surprise_of",
    "term_of",
]

FloatArray = NDArray[np.float64]
MEMORY = 16  # rows that surprise and features are averaged over
LEAST_PROBABILITY = 1e-4
CLIP = 5.0  # standard deviations of analog channels


@dataclass(frozen=True)
class SwitchModel:
    """Regressions of all switches."""

    weights: FloatArray
    """`(n_switches, n_features)`; a switch's own column is zero."""
    bias: FloatArray
    """`(n_switches,)`."""
    worst: FloatArray
    """Largest averaged surprise of each switch in training, in nats."""
    habits: SwitchHabits


class SwitchWatch:
    """How far each switch's surprise exceeds the worst of training, row by row, for one segment."""

    def __init__(self, scaler: ChannelScaler, model: SwitchModel | None) -> None:
        self._model = model
        self._means = [MovingAverage(trailing_kernel(MEMORY), lookahead=0) for _ in scaler.network_channels]
        self._averages = [MovingAverage(trailing_kernel(MEMORY), lookahead=0) for _ in scaler.switch_channels]
        self._habits = None if model is None else HabitWatch(model.habits)

    def push(self, analog: NDArray[np.float32], values: NDArray[np.floating]) -> FloatArray:
        """Surprise over the worst of training, `(n, n_switches)`, NaN where a switch was not observed.

        `analog` holds the scaled and filled network channels `(n, n_network_channels)`, `values` the switches'
        values `(n, n_switches)` with NaN.
        """
        if self._model is None or self._habits is None:
            return np.full(values.shape, np.nan)
        return errors_of(self._model, self.surprise(analog, values), self._habits.push(values), values)

    def term(self, errors: FloatArray) -> FloatArray:
        """The switches' part of a score, `(n,)`."""
        if self._model is None or not errors.shape[1]:
            return np.zeros(len(errors))
        return term_of(self._model, errors)

    def surprise(self, analog: NDArray[np.float32], values: NDArray[np.floating]) -> FloatArray:
        """Averaged surprise in nats, `(n, n_switches)`."""
        surprise = surprise_of(cast(SwitchModel, self._model), self.features(analog, values), values)
        known = (~np.isnan(values)).astype(np.float64)
        averaged = [average.push(surprise[:, i], known[:, i]) for i, average in enumerate(self._averages)]
        return np.column_stack(averaged) if averaged else np.zeros(values.shape)

    def features(self, analog: NDArray[np.float32], values: NDArray[np.floating]) -> FloatArray:
        """What switches are predicted from, `(n, n_features)`."""
        now = clipped(analog)
        weights = np.ones(len(now))
        means = [mean.push(now[:, i], weights) for i, mean in enumerate(self._means)]
        return features_of(analog, np.column_stack(means), values)


def clipped(analog: NDArray[np.float32]) -> FloatArray:
    """Analog channels as switches are predicted from them, `(n, n_network_channels)`."""
    return np.clip(analog.astype(np.float64), -CLIP, CLIP)


def features_of(analog: NDArray[np.float32], means: FloatArray, values: NDArray[np.floating]) -> FloatArray:
    """Analog channels, clipped, their trailing means, and the switches, `(n, n_features)`."""
    return np.column_stack([clipped(analog), means, _states(values)])


def surprise_of(model: SwitchModel, features: FloatArray, values: NDArray[np.floating]) -> FloatArray:
    """Surprise of every row on its own, in nats, `(n, n_switches)`."""
    probability = 1 / (1 + np.exp(-np.clip(features @ model.weights.T + model.bias, -30, 30)))
    of_state = np.where(_states(values) > 0.5, probability, 1 - probability)
    return np.asarray(-np.log(np.maximum(of_state, LEAST_PROBABILITY)), dtype=np.float64)


def errors_of(
    model: SwitchModel, surprise: FloatArray, unusual: FloatArray, values: NDArray[np.floating]
) -> FloatArray:
    """Surprise over the worst of training, `(n, n_switches)`, NaN where a switch was not observed.

    The larger of the averaged surprise at a switch's state and, on top of the worst of that, at its habits.
    """
    total = np.maximum(surprise, np.where(unusual > 0, model.worst + unusual, 0.0))
    return np.asarray(np.where(np.isnan(values), np.nan, total / model.worst), dtype=np.float64)


def term_of(model: SwitchModel, errors: FloatArray) -> FloatArray:
    """The switches' part of a score `(n,)`: the largest surprise beyond the worst of training, in nats.

    Surprise is bounded, so that it can alarm alone; see `with_switches`.
    """
    beyond = (np.nan_to_num(errors) - 1) * model.worst
    return np.asarray(np.maximum(beyond.max(axis=1), 0.0), dtype=np.float64)


def _states(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """0, 1, or 0.5 where a switch was not observed."""
    return np.asarray(np.clip(np.nan_to_num(values, nan=0.5), 0, 1))
