"""Slow and obvious twins of what `tsae.alarms.thresholds` computes."""

from __future__ import annotations

import math

import numpy as np

from tsae.alarms.thresholds.adaptive import Guards
from tsae.alarms.thresholds.learners import fit_pareto


def peaks(scores: list[float], threshold: float, gap: int) -> list[float]:
    """The largest score of every run, runs with at most `gap` lower rows between them counting as one."""
    out: list[float] = []
    since = gap + 1
    for score in scores:
        if score > threshold:
            if since > gap:
                out.append(score)
            out[-1] = max(out[-1], score)
            since = 0
        else:
            since += 1
    return out


def adaptive_thresholds(
    scores: list[float], calibration: list[float], rate: float, row_rate: float, episodes: bool, guards: Guards
) -> list[float]:
    """Row by row: the memory is a list, the quantile is taken from all of it sorted."""
    memory: list[float] = []
    known = calibration[-guards.memory :]
    while len(memory) < guards.memory:
        memory += known
    memory = memory[: guards.memory]
    waiting: list[float] = []
    oldest, feedback, since, in_alarm, counted, began = 0, 0.0, guards.quiet + 1, 0, 0, math.inf
    out: list[float] = []
    level = math.nan
    for row, score in enumerate(scores):
        if row % 16 == 0:
            level = feedback_level(memory, row_rate, feedback, episodes, guards)
            feedback *= 1 - 16 / max(guards.forget, 32)
        alarming, entry = since <= guards.quiet, level
        if alarming and in_alarm <= guards.held:
            entry = min(entry, began)
        out.append(entry - min(guards.hysteresis, max(entry, 0) / 4) if alarming else entry)
        if math.isnan(score):
            continue
        falsely = 0
        if score > out[-1]:
            if not alarming:
                in_alarm, counted, began, waiting = 0, 0, entry, []
            since = 0
            counted += 1
            falsely = int(not episodes and counted <= guards.counted)
        else:
            since += 1
            falsely = int(episodes and since == guards.quiet + 1)
        feedback = max(guards.lowest, min(guards.highest, feedback + guards.feedback * (falsely - rate)))
        learned: list[float] = []
        if since <= guards.quiet:
            in_alarm += 1
            if in_alarm > guards.memory:
                learned = [score]
            elif in_alarm <= guards.learned:
                learned = [min(score, entry + guards.winsor)]
        else:
            waiting.append(score)
            if len(waiting) > guards.delay:
                learned, waiting = waiting[:1], waiting[1:]
        for each in learned:
            memory[oldest] = each
            oldest = (oldest + 1) % guards.memory
    return out


def feedback_level(memory: list[float], row_rate: float, feedback: float, episodes: bool, guards: Guards) -> float:
    if not episodes:
        return upper_quantile(memory, min(0.5, row_rate * math.exp(-feedback)), guards)
    falling = sorted(memory, reverse=True)
    n_tail = max(10, int(guards.tail * len(memory)))
    return upper_quantile(memory, min(0.5, row_rate), guards) + feedback * (mean(falling[:n_tail]) - falling[n_tail])


def upper_quantile(memory: list[float], rate: float, guards: Guards) -> float:
    """Interpolated between two scores, or from an exponential tail where fewer than eight lie above it."""
    falling = sorted(memory, reverse=True)
    n_tail = max(10, int(guards.tail * len(memory)))
    if rate * len(memory) >= min(8, n_tail):
        return float(np.quantile(memory, 1 - rate))
    excess = sum(falling[:n_tail]) / n_tail - falling[n_tail]
    beyond = falling[n_tail] + max(excess, 1e-9) * math.log(n_tail / len(memory) / rate)
    return min(beyond, falling[0] + guards.reach)


def spot_thresholds(
    scores: list[float], calibration: list[float], rate: float, *, episodes: bool = False, depth: int = 0, gap: int = 8
) -> list[float]:
    """Row by row as the source writes it: all unflagged scores are kept, means and peaks taken from all of them."""
    unflagged = list(calibration)
    residuals = [score - mean(calibration[row - depth : row]) for row, score in enumerate(calibration) if row >= depth]
    tail = max(0.1 if episodes else 0.02, 2 * rate, 20 / len(residuals))
    start = float(np.quantile(residuals, 1 - min(0.5, tail)))
    found = peaks(residuals, start, gap) if episodes else [each for each in residuals if each > start]
    n_rows, last, last_is_peak = len(residuals), -math.inf, False
    level = spot_level(found, start, rate, n_rows)
    out: list[float] = []
    for row, score in enumerate(scores):
        average = mean(unflagged[len(unflagged) - depth :]) if depth else 0.0
        out.append(level + average)
        residual = score - average
        if residual > level:
            last_is_peak = last_is_peak and row - last <= gap + 1
            last = row
            continue
        n_rows += 1
        unflagged.append(score)
        if residual > start:
            in_run = episodes and last_is_peak and row - last <= gap + 1
            last, last_is_peak = row, True
            if in_run and residual <= found[-1]:
                continue
            found[-1:] = [residual] if in_run else [*found[-1:], residual]
            level = spot_level(found, start, rate, n_rows)
    return out


def spot_level(found: list[float], start: float, rate: float, n_rows: int) -> float:
    if not found:
        return start
    excesses = np.array([each - start for each in found[-500:]])
    return start + fit_pareto(excesses).quantile(min(1.0, rate * n_rows / len(found)))


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
