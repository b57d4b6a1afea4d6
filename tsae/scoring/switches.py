"""Switches: channels of zeros and ones, watched by how well the rest of the row predicts their state.

A switch is predicted from the analog channels (now and over the latest rows) and the other switches by logistic
regression. Its surprise −log p(state), averaged over the latest rows, counts as far as it exceeds anything seen in
training: a valve that is stuck, flipped, or in a combination that never was. How long it stays in a state and how often
it changes are watched too, where training shows that it has habits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.formula import Formula
from tsae.scoring.rings import Place, Rings
from tsae.series.channels import forward_filled

__all__ = ["SwitchHabits", "SwitchModel", "SwitchWatch"]

FloatArray = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class SwitchHabits:
    """What was usual in training. Infinite where a switch changed too rarely or too irregularly to say."""

    longest: FloatArray
    """Rows of the longest stay, `(n_switches, 2)`: off, on."""
    spread: FloatArray
    """Mean excess of the logarithm of stays above their 90 % quantile, `(n_switches, 2)`."""
    most_changes: FloatArray
    """Most changes within `Formula.switch_memory` rows, `(n_switches,)`."""


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
    """How far each switch's surprise exceeds the worst of training, row by row, for many lanes.

    Parameters
    ----------
    n_analog, n_switches
        Channels of either kind.
    """

    def __init__(self, rings: Rings, n_analog: int, n_switches: int, formula: Formula) -> None:
        self._rings, self._formula, self._memory = rings, formula, formula.switch_memory
        for name, n_columns in (("analog", n_analog), ("surprise", n_switches)):
            rings.add_ring(f"switches.{name}", self._memory, (n_columns,))
            rings.add_ring(f"switches.{name}_known", self._memory, (n_columns,))
        rings.add_ring("switches.changes", self._memory, (n_switches,), np.bool_)
        rings.add("switches.on", (n_switches,), np.bool_)
        rings.add("switches.stay", (n_switches,), np.int64)

    def step(
        self, place: Place, model: SwitchModel, analog: NDArray[np.float32], values: NDArray[np.floating]
    ) -> tuple[FloatArray, FloatArray]:
        """Surprise over the worst of training `(k, n_switches)`, NaN where missing, and the term of the score `(k,)`.

        The larger of the averaged surprise at a switch's state and, on top of the worst of that, at its habits. The
        term is the largest surprise beyond the worst of training, in nats.

        Parameters
        ----------
        analog
            Scaled and filled rows `(k, n_analog)`.
        values
            Values of the switches `(k, n_switches)`, NaN where missing.
        """
        features = self.features(place, analog, values)
        surprise = self._averaged_surprise(place, model, features, values)
        unusual = self.unusual(place, model.habits, values)
        total = np.maximum(surprise, np.where(unusual > 0, model.worst + unusual, 0.0))
        errors = np.where(np.isnan(values), np.nan, total / model.worst)
        beyond = (np.nan_to_num(errors) - 1) * model.worst
        return errors, np.maximum(beyond.max(axis=1), 0.0)

    def features(self, place: Place, analog: NDArray[np.float32], values: NDArray[np.floating]) -> FloatArray:
        """Analog channels, clipped, their trailing means, and the switches' states: `(k, n_features)`."""
        clip = self._formula.switch_clip
        now = np.clip(analog.astype(np.float64), -clip, clip)
        return np.column_stack([now, self._trailing_mean("analog", place, now, np.ones(now.shape)), _states(values)])

    def unusual(self, place: Place, habits: SwitchHabits, values: NDArray[np.floating]) -> FloatArray:
        """Surprise in nats `(k, n_switches)` at how long a switch has not changed and at how often it has.

        A stay longer than any in training counts `log(stay / longest) / spread`, and more changes than ever
        `log(changes / most_changes) / rate_spread`: an exponential tail of logarithms, bounded by `most_unusual`.
        """
        on, stays = self.states_and_stays(place, values)
        changes = place.runs(self._rings["switches.changes"], self._memory - 1, self._memory).sum(axis=1)
        columns, side = np.arange(on.shape[1]), on.astype(np.int64)
        too_long = np.log(np.maximum(stays / habits.longest[columns, side], 1)) / habits.spread[columns, side]
        too_often = np.log(np.maximum(changes / habits.most_changes, 1)) / self._formula.rate_spread
        return np.asarray(np.minimum(np.maximum(too_long, too_often), self._formula.most_unusual))

    def _averaged_surprise(
        self, place: Place, model: SwitchModel, features: FloatArray, values: NDArray[np.floating]
    ) -> FloatArray:
        formula, known = self._formula, ~np.isnan(values)
        logit = np.clip(features @ model.weights.T + model.bias, -formula.most_logit, formula.most_logit)
        on = 1 / (1 + np.exp(-logit))
        of_state = np.where(_states(values) > 0.5, on, 1 - on)
        surprise = -np.log(np.maximum(of_state, formula.least_probability))
        return self._trailing_mean("surprise", place, np.where(known, surprise, 0.0), known.astype(np.float64))

    def states_and_stays(self, place: Place, values: NDArray[np.floating]) -> tuple[NDArray[np.bool_], Numbers]:
        """States, the last known one where missing, and rows since they changed, the row itself included."""
        state, stay = self._rings["switches.on"], self._rings["switches.stay"]
        before, stayed = state[place.index], stay[place.index]
        raw = place.by_lane(values)
        filled, _ = forward_filled(np.where(np.isnan(raw), np.nan, raw > 0.5), before.astype(np.float64))
        on = filled > 0.5
        begin = np.where(stayed == 0, on[:, 0], before)  # the first row of a segment is no change
        changed = on != np.concatenate([begin[:, None], on[:, :-1]], axis=1)
        rows = np.arange(on.shape[1])[:, None]
        latest = np.maximum.accumulate(np.where(changed, rows, -1), axis=1)
        stays = np.where(latest < 0, stayed[:, None] + rows + 1, rows - latest + 1)
        state[place.index], stay[place.index] = on[:, -1], stays[:, -1]
        self._rings["switches.changes"][place.at(self._memory - 1)] = changed.reshape(values.shape)
        return on.reshape(values.shape), stays.reshape(values.shape)

    def _trailing_mean(self, name: str, place: Place, values: FloatArray, known: FloatArray) -> FloatArray:
        """Mean of the known values of the latest rows, `(k, n)`; NaN where none is known."""
        sums = []
        for ring, new in ((f"switches.{name}", values), (f"switches.{name}_known", known)):
            self._rings[ring][place.at(self._memory - 1)] = new
            sums.append(place.runs(self._rings[ring], self._memory - 1, self._memory).sum(axis=1))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(sums[1] > 0, sums[0] / sums[1], np.nan)


def _states(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """0, 1, or 0.5 where a switch was not observed."""
    return np.asarray(np.clip(np.nan_to_num(values, nan=0.5), 0, 1))
