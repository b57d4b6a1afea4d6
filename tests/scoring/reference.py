"""Slow and obvious twins of what `tsae.detection` computes: one row, one window, one channel at a time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from tsae.scoring.combination import NEUTRAL_SCORE
from tsae.scoring.ensemble import Ensemble, Member, MemberScale
from tsae.scoring.switches import SwitchHabits
from tsae.scoring.tails import LogTail

Array = npt.NDArray[Any]
ErrorsOfWindow = Callable[[Array], Array]
"""One window `(window_size, n_channels)` → errors of the same shape."""


def settled_row_errors(of_window: ErrorsOfWindow, values: Array, observed: Array, size: int, stride: int) -> Array:
    """Mean error of each row over all windows that cover it; NaN where not observed.

    The window at the segment's end is out of step: it counts for rows only that could not be settled without it.
    """
    n_rows = len(values)
    n_before = max(0, size - n_rows)
    padded = np.concatenate([values[:1].repeat(n_before, axis=0), values])
    last = len(padded) - size
    total, count = np.zeros(padded.shape), np.zeros(len(padded))
    in_step = range(0, last + 1, stride) if n_before == 0 else range(0)
    first_unsettled = in_step[-1] + stride if in_step else 0
    for start in sorted({*in_step, last}):
        errors = of_window(padded[start : start + size])
        for offset in range(size):
            if start in in_step or start + offset >= first_unsettled:
                total[start + offset] += errors[offset]
                count[start + offset] += 1
    mean = (total / count[:, None])[n_before:]
    return np.where(observed, mean, np.nan)


def immediate_row_errors(of_window: ErrorsOfWindow, values: Array, observed: Array, size: int, n_last: int) -> Array:
    """Mean observed error of each row and channel over the end of the window that ends in the row."""
    out = np.full(values.shape, np.nan)
    for row in range(len(values)):
        first = row - size + 1
        window = np.stack([values[max(0, number)] for number in range(first, row + 1)])
        errors = of_window(window)
        for channel in range(values.shape[1]):
            seen = [
                errors[number - first, channel]
                for number in range(max(0, row - n_last + 1), row + 1)
                if observed[number, channel]
            ]
            if seen:
                out[row, channel] = math.fsum(seen) / len(seen)
    return out


def moving_average(values: Sequence[float], weights: Sequence[float], kernel: Array, lookahead: int) -> list[float]:
    """Weighted average of the rows in reach; NaN where none has weight."""
    lookback = len(kernel) - 1 - lookahead
    out = []
    for row in range(len(values)):
        total = mass = 0.0
        for k, share in enumerate(kernel):
            other = row - lookback + k
            if 0 <= other < len(values) and weights[other] > 0:
                total += share * weights[other] * values[other]
                mass += share * weights[other]
        out.append(total / mass if mass > 0 else math.nan)
    return out


def log_tail(tail: LogTail, score: float) -> float:
    """−log of the share of normal rows with a larger score."""
    if math.isnan(score):
        return math.nan
    x = math.log(score + tail.floor)
    knots = tail.knots.tolist()
    if x >= knots[-1]:
        return (x - knots[-1]) / tail.excess - math.log(0.1)
    if x < knots[0]:
        return 0.0
    left = bisect_right(knots, x) - 1
    inside = (x - knots[left]) / (knots[left + 1] - knots[left])
    below, above = (-math.log(1 - 0.9 * place / (len(knots) - 1)) for place in (left, left + 1))
    return below + inside * (above - below)


def forward_filled(values: Array) -> Array:
    """Each missing value becomes the last observed one of its channel, or 0."""
    out = values.copy()
    for channel in range(values.shape[1]):
        latest = 0.0
        for row in range(len(values)):
            latest = latest if np.isnan(values[row, channel]) else values[row, channel]
            out[row, channel] = latest
    return out


def constant_errors(scaled: Array) -> Array:
    """Squared distance of each value of a channel from the median of its last 100 values, itself included."""
    out = np.full(len(scaled), np.nan)
    for row, value in enumerate(scaled):
        past = [other for other in scaled[max(0, row - 99) : row + 1].tolist() if not math.isnan(other)]
        if not math.isnan(value):
            out[row] = (value - median(past)) ** 2
    return out


def switch_errors(model: Ensemble, values: Array) -> Array:
    """Surprise of each switch, averaged over 16 rows, over the largest of training; NaN where not observed."""
    scaler, switches = model.scaler, model.switches
    analog = np.clip(forward_filled(scaler.scaled(values)[:, scaler.network_channels]).astype(float), -5, 5)
    states = values[:, scaler.switch_channels]
    out = np.full(states.shape, np.nan)
    if switches is None:
        return out
    surprise = np.full(states.shape, np.nan)
    for row in range(len(values)):
        known = [0.5 if math.isnan(state) else min(max(state, 0.0), 1.0) for state in states[row].tolist()]
        features = [*analog[row], *analog[max(0, row - 15) : row + 1].mean(axis=0), *known]
        for switch, state in enumerate(known):
            logit = math.fsum(switches.weights[switch] * features) + switches.bias[switch]
            on = 1 / (1 + math.exp(-min(max(logit, -30.0), 30.0)))
            if not math.isnan(states[row, switch]):
                surprise[row, switch] = -math.log(max(on if state > 0.5 else 1 - on, 1e-4))
                out[row, switch] = np.nanmean(surprise[max(0, row - 15) : row + 1, switch]) / switches.worst[switch]
    return out


def segment_errors(model: Ensemble, values: Array) -> Array:
    """Settled errors of all channels of one segment: means over members, constants and switches on their own."""
    scaler = model.scaler
    scaled = scaler.scaled(values)
    network = scaled[:, scaler.network_channels]
    out = np.empty(values.shape)
    by_member = [
        settled_row_errors(
            _errors_of(member), forward_filled(network), ~np.isnan(network), member.window_size, member.stride
        )
        / member.settled.levels
        for member in model.members
    ]
    out[:, scaler.network_channels] = sum(by_member) / len(by_member)
    for channel in scaler.constant_channels:
        out[:, channel] = constant_errors(scaled[:, channel])
    out[:, scaler.switch_channels] = switch_errors(model, values)
    return out


def member_scores(model: Ensemble, member: Member, values: Array, apart: Array, *, settled: bool) -> list[list[float]]:
    """Row errors → usual errors → mean over channels → moving averages → −log p, row by row of one segment."""
    scaled = model.scaler.scaled(values)[:, model.scaler.network_channels]
    size = member.window_size
    if settled:
        scale = member.settled
        errors = settled_row_errors(_errors_of(member), forward_filled(scaled), ~np.isnan(scaled), size, member.stride)
    else:
        scale = member.immediate
        errors = immediate_row_errors(
            _errors_of(member), forward_filled(scaled), ~np.isnan(scaled), size, member.n_last
        )
    means, weights = _mean_over_channels(errors, scale, apart)
    by_width = [
        [log_tail(tail, value) for value in moving_average(means, weights, kernel, scale.lookahead)]
        for kernel, tail in zip(scale.kernels, scale.tails, strict=True)
    ]
    return [list(views) for views in zip(*by_width, strict=True)]


def segment_scores(model: Ensemble, values: Array, *, lag: int, smoothed: bool = True) -> list[float]:
    """The score of every row of one segment: the mean over members, and what the switches add to its square.

    The last filter of a member does not smooth."""
    scaled = model.scaler.scaled(values)
    constants = [constant_errors(scaled[:, channel]) for channel in model.scaler.constant_channels]
    apart = np.nansum([np.zeros(len(values)), *constants], axis=0)
    by_member = []
    for member in model.members:
        if lag >= model.full_lag:
            by_member.append(member_scores(model, member, values, apart, settled=True))
            continue
        scores = member_scores(model, member, values, apart, settled=False)
        shift = member.shift(lag, model.formula)
        by_member.append([scores[min(row + shift, len(scores) - 1)] for row in range(len(scores))])
    switches = switch_errors(model, values)
    out = []
    for row, scores_of_row in enumerate(zip(*by_member, strict=True)):
        wanted = [views[:-1] if smoothed else views[-1:] for views in scores_of_row]
        known = [view for views in wanted for view in views if not math.isnan(view)]
        bent = [view if view <= 20 else 20 * (1 + math.log(view / 20)) for view in known]
        larger = sorted(bent, reverse=True)[: math.ceil(len(bent) / 2)]
        out.append(math.fsum(larger) / len(larger) if larger else NEUTRAL_SCORE)
        if model.switches is not None:
            beyond = (switches[row] - 1) * model.switches.worst
            out[-1] = math.hypot(out[-1], max([excess for excess in beyond.tolist() if excess > 0], default=0.0))
    return out


def _errors_of(member: Member) -> ErrorsOfWindow:
    def of_window(window: Array) -> Array:
        batch = np.ascontiguousarray(window, dtype=np.float32)[None]
        return member.model.errors(batch)[0].astype(np.float64)

    return of_window


def _mean_over_channels(errors: Array, scale: MemberScale, apart: Array) -> tuple[list[float], list[float]]:
    means, weights = [], []
    for row in range(len(errors)):
        relative = [
            error / level for error, level in zip(errors[row], scale.levels, strict=True) if not math.isnan(error)
        ]
        means.append((math.fsum(relative) + apart[row]) / max(1, len(relative)))
        weights.append(1.0 if relative or apart[row] > 0 else 0.0)
    return means, weights


def habit_surprise(values: Array, habits: SwitchHabits) -> Array:
    """Surprise of every row at how long a switch has stayed and how often it has changed, by looking back from each."""
    out = np.zeros(values.shape)
    for switch in range(values.shape[1]):
        states: list[bool] = []
        for value in values[:, switch]:
            states.append(bool(value > 0.5) if not np.isnan(value) else bool(states and states[-1]))
        for row, state in enumerate(states):
            stay = 1
            while stay <= row and states[row - stay] == state:
                stay += 1
            changes = sum(states[i] != states[i - 1] for i in range(max(1, row - 15), row + 1))
            too_long = np.log(max(stay / habits.longest[switch, int(state)], 1)) / habits.spread[switch, int(state)]
            too_often = np.log(max(changes / habits.most_changes[switch], 1)) / 0.25
            out[row, switch] = min(max(too_long, too_often, 0.0), 9.2)
    return out
