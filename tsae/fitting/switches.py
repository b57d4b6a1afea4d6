"""Learn how the rest of a row predicts each switch, and each switch's habits."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tsae.fitting.fit_rows import FitRows
from tsae.scoring.switch_habits import MEMORY, HabitWatch, SwitchHabits, states_and_changes, stays_of
from tsae.scoring.switches import SwitchModel, SwitchWatch
from tsae.series.channels import ChannelScaler

__all__ = ["fit_habits", "fit_switches"]

FloatArray = NDArray[np.float64]
_MOST_ROWS = 5000  # for the regressions
_FLOOR = 1.0  # nats; a surprise below it is none
_FEWEST = 15  # stays in a state below which nothing is known about their lengths
_REGULAR = 1.5  # the 90 % quantile of stays over the 10 % quantile, beyond which a switch keeps no time
_LEAST_SPREAD = 0.05  # of log lengths; a twentieth longer than ever is one nat
_BROKEN = 1.0  # nats; surprise within training above which a switch has no habits


def fit_switches(scaler: ChannelScaler, rows: FitRows) -> SwitchModel | None:
    """Fit the regressions to the earlier rows, the worst surprises to all; `None` if there is no switch."""
    n_switches = len(scaler.switch_channels)
    if not n_switches:
        return None
    analog, states = rows.values.numpy(), np.clip(np.nan_to_num(rows.switches, nan=0.5), 0, 1)
    features = np.concatenate(
        [SwitchWatch(scaler, None).features(analog[a:b], states[a:b]) for a, b, _ in rows.segments if b > a]
    )
    known = np.concatenate([states[a:b] for a, b, _ in rows.segments if b > a]) > 0.5
    sample = np.linspace(0, len(features) - 1, min(_MOST_ROWS, len(features))).round().astype(int)
    weights, bias = np.zeros((n_switches, features.shape[1])), np.zeros(n_switches)
    first = features.shape[1] - n_switches
    for switch in range(n_switches):
        others = np.arange(features.shape[1]) != first + switch
        weights[switch, others], bias[switch] = _regression(features[sample][:, others], known[sample, switch])
    habits = fit_habits([rows.switches[a:c] for a, _, c in rows.segments], n_switches)
    unscaled = SwitchModel(weights, bias, np.ones(n_switches), habits)
    worst = [SwitchWatch(scaler, unscaled).push(analog[a:c], rows.switches[a:c]) for a, _, c in rows.segments]
    return replace(unscaled, worst=np.maximum(np.nan_to_num(np.concatenate(worst)).max(axis=0), _FLOOR))


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


def fit_habits(segments: Sequence[NDArray[np.floating]], n_switches: int) -> SwitchHabits:
    """Learn from the switches' values in training, one array `(n, n_switches)` a segment.

    A command that a person gives has no habits: a switch is watched only if its stays have nearly one length, and if
    the later half of training kept to what the earlier half showed.
    """
    earlier = _habits([values[: len(values) // 2] for values in segments], n_switches)
    later = [HabitWatch(earlier).push(values)[len(values) // 2 :] for values in segments]
    has_none = np.concatenate(later).max(axis=0, initial=0.0) > _BROKEN
    has_none |= np.isinf(earlier.most_changes)
    habits = _habits(segments, n_switches)
    return SwitchHabits(
        np.where(has_none[:, None], np.inf, habits.longest),
        habits.spread,
        np.where(has_none, np.inf, habits.most_changes),
    )


def _habits(segments: Sequence[NDArray[np.floating]], n_switches: int) -> SwitchHabits:
    stays: list[tuple[list[int], list[int]]] = [([], []) for _ in range(n_switches)]
    longest, most_changes = np.ones((n_switches, 2)), np.ones(n_switches)
    for values in filter(len, segments):
        states, changed = states_and_changes(values, None)
        lengths = stays_of(changed, np.zeros(n_switches, dtype=np.int64))
        for switch in range(n_switches):
            counts = np.convolve(changed[:, switch], np.ones(MEMORY))
            most_changes[switch] = max(most_changes[switch], counts.max())
            for side in (0, 1):
                here = lengths[states[:, switch] == bool(side), switch]
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
