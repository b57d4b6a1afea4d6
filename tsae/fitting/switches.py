"""Learn how the rest of a row predicts each switch, and each switch's habits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.checks import evenly
from tsae.fitting.fit_rows import FitRows
from tsae.scoring.formula import Formula
from tsae.scoring.rings import Place, Rings, blocks_of_one
from tsae.scoring.switches import SwitchHabits, SwitchModel, SwitchWatch
from tsae.series.channels import ChannelScaler

__all__ = ["MOST_SWITCH_ROWS", "fit_habits", "fit_switches"]

FloatArray = NDArray[np.float64]
_ROWS_AT_ONCE = 4096
MOST_SWITCH_ROWS = 5000
"""Rows that the regressions of a fit look at."""
_FLOOR = 1.0  # nats; a surprise below it is none
_FEWEST = 15  # stays in a state below which nothing is known about their lengths
_REGULAR = 1.5  # the 90 % quantile of stays over the 10 % quantile, beyond which a switch keeps no time
_LEAST_SPREAD = 0.05  # of log lengths; a twentieth longer than ever is one nat
_BROKEN = 1.0  # nats; surprise within training above which a switch has no habits


def fit_switches(
    scaler: ChannelScaler, rows: FitRows, formula: Formula, *, most_rows: int = MOST_SWITCH_ROWS
) -> SwitchModel | None:
    """Fit the regressions to the earlier rows, the worst surprises to all; `None` if there is no switch.

    The regressions look at `most_rows` rows, spread evenly.
    """
    n_switches = len(scaler.switch_channels)
    if not n_switches:
        return None
    analog, states = rows.values.numpy(), np.clip(np.nan_to_num(rows.switches, nan=0.5), 0, 1)
    earlier = [slice(a, b) for a, b, _ in rows.segments if b > a]
    features = np.concatenate([_watched(formula, SwitchWatch.features, analog[part], states[part]) for part in earlier])
    known = np.concatenate([states[part] for part in earlier]) > 0.5
    sample = evenly(len(features), most_rows)
    weights, bias = np.zeros((n_switches, features.shape[1])), np.zeros(n_switches)
    first = features.shape[1] - n_switches
    for switch in range(n_switches):
        others = np.arange(features.shape[1]) != first + switch
        weights[switch, others], bias[switch] = _regression(features[sample][:, others], known[sample, switch])
    habits = fit_habits([rows.switches[a:c] for a, _, c in rows.segments], n_switches, formula)
    unscaled = SwitchModel(weights, bias, np.ones(n_switches), habits)

    def errors(watch: SwitchWatch, place: Place, analog: NDArray[np.float32], values: FloatArray) -> FloatArray:
        return watch.step(place, unscaled, analog, values)[0]

    worst = [_watched(formula, errors, analog[a:c], rows.switches[a:c]) for a, _, c in rows.segments]
    return replace(unscaled, worst=np.maximum(np.nan_to_num(np.concatenate(worst)).max(axis=0), _FLOOR))


def _watched(formula: Formula, ask: Callable[..., NDArray[Any]], *rows: NDArray[np.floating]) -> NDArray[Any]:
    """What a fresh watch answers about the rows of a segment: `ask(watch, place, *rows)`, block by block."""
    rings = Rings(max(1, min(_ROWS_AT_ONCE, len(rows[0]))))
    watch = SwitchWatch(rings, rows[0].shape[1], rows[-1].shape[1], formula)
    blocks = blocks_of_one(rings, len(rows[0]))
    return np.concatenate([ask(watch, place, *(each[part] for each in rows)) for place, part in blocks])


def _regression(features: FloatArray, on: NDArray[np.bool_]) -> tuple[FloatArray, float]:
    """Weights and bias; the base rate alone if the rows hold one state only."""
    from sklearn.exceptions import ConvergenceWarning  # loads much that scoring does without
    from sklearn.linear_model import LogisticRegression

    rate = (on.sum() + 0.5) / (len(on) + 1)
    if on.all() or not on.any():
        return np.zeros(features.shape[1]), float(np.log(rate / (1 - rate)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(C=1.0, max_iter=200).fit(features, on)
    return fitted.coef_[0], float(fitted.intercept_[0])


def fit_habits(segments: Sequence[NDArray[np.floating]], n_switches: int, formula: Formula) -> SwitchHabits:
    """Learn from the switches' values in training, one array `(n, n_switches)` a segment.

    A command that a person gives has no habits: a switch is watched only if its stays have nearly one length, and if
    the later half of training kept to what the earlier half showed.
    """
    segments = [values for values in segments if len(values)]
    earlier = _habits([values[: len(values) // 2] for values in segments], n_switches, formula)

    def unusual(watch: SwitchWatch, place: Place, values: FloatArray) -> FloatArray:
        return watch.unusual(place, earlier, values)

    later = [_watched(formula, unusual, values)[len(values) // 2 :] for values in segments]
    has_none = np.concatenate(later).max(axis=0, initial=0.0) > _BROKEN
    has_none |= np.isinf(earlier.most_changes)
    habits = _habits(segments, n_switches, formula)
    return SwitchHabits(
        np.where(has_none[:, None], np.inf, habits.longest),
        habits.spread,
        np.where(has_none, np.inf, habits.most_changes),
    )


def _habits(segments: Sequence[NDArray[np.floating]], n_switches: int, formula: Formula) -> SwitchHabits:
    stays: list[tuple[list[int], list[int]]] = [([], []) for _ in range(n_switches)]
    longest, most_changes = np.ones((n_switches, 2)), np.ones(n_switches)

    def states_and_stays(watch: SwitchWatch, place: Place, values: FloatArray) -> NDArray[np.int64]:
        return np.stack(watch.states_and_stays(place, values), axis=1)

    for values in filter(len, segments):
        states, lengths = _watched(formula, states_and_stays, values).swapaxes(0, 1)
        changed = lengths == 1
        changed[0] = False
        for switch in range(n_switches):
            counts = np.convolve(changed[:, switch], np.ones(formula.switch_memory))
            most_changes[switch] = max(most_changes[switch], counts.max())
            for side in (0, 1):
                here = lengths[states[:, switch] == side, switch]
                longest[switch, side] = max(longest[switch, side], here.max(initial=0))
            ends = np.flatnonzero(changed[:, switch]) - 1  # the last rows of stays that ended
            for row in ends[1:]:  # of the first stay the beginning is not known
                stays[switch][int(states[row, switch])].append(int(lengths[row, switch]))
    regular = np.array([[_is_regular(side) for side in switch] for switch in stays])
    return SwitchHabits(
        np.where(regular, longest, np.inf),
        np.array([[_tail_spread(side) for side in switch] for switch in stays]),
        np.where(regular.all(axis=1), most_changes, np.inf),
    )


def _is_regular(stays: list[int]) -> bool:
    if len(stays) < _FEWEST:
        return False
    short, long = np.quantile(stays, [0.1, 0.9])
    return bool(long <= _REGULAR * short)


def _tail_spread(stays: list[int]) -> float:
    if not stays:
        return 1.0
    logs = np.log(stays)
    beyond = logs - np.quantile(logs, 0.9)
    return max(_LEAST_SPREAD, float(beyond[beyond > 0].mean())) if (beyond > 0).any() else _LEAST_SPREAD
