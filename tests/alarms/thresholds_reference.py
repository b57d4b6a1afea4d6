"""Slow and obvious twins of what `tsae.alarms.thresholds` computes."""

from __future__ import annotations

import math

import numpy as np

from tsae.alarms.thresholds import Target
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


def recent_thresholds(
    scores: list[float], calibration: list[float], target: Target, window: int
) -> tuple[list[float], list[float]]:
    """Thresholds and levels row by row: all scores are kept in one list, quantiles are taken of them in order."""
    is_rows = target.counts == "rows"
    n_latest = 2000 if is_rows else min(max(100, 4 * max(window, 16)), 4000)
    latest = extended(calibration, n_latest)
    older = extended(calibration, 8000)
    n_learned, feedback, flagged = 0, 0.0, 0
    news, quiet, began = None, 0, math.inf  # rows since the last news of the alarm that goes on
    out: list[float] = []
    levels: list[float] = []
    level = row_level(latest, target.rate, feedback) if is_rows else news_level(latest, older[::16], target.rate)
    for score in scores:
        start = 0.0 if is_rows or n_learned >= 8 * n_latest else 8 * math.exp(-(n_learned // 16 * 16) / n_latest)
        value = threshold = level + start
        if not is_rows and news is not None:
            threshold = min(value, began)
            news = 0 if score > value else news + 1
            quiet = 0 if score > threshold else quiet + 1
            if quiet > max(window, 16) or news == 3 * max(window, 16) // 2:
                news = None
        elif not is_rows and score > value:
            news, quiet, began = 0, 0, value
        out.append(threshold)
        levels.append(level)
        if math.isnan(score):
            continue
        n_learned += 1
        flagged += score > level
        latest = [*latest[1:], score]
        older.append(score)
        if n_learned % 16 == 0:
            if is_rows:
                feedback = feedback * math.exp(-16 * target.rate / 5) + 0.8 * (flagged - 16 * target.rate)
                feedback = min(3.0, max(-1.0, feedback))
                level = row_level(latest, target.rate, feedback)
            else:
                level = news_level(latest, older[::16][-500:], target.rate)
            flagged = 0
    return out, levels


def extended(scores: list[float], n: int) -> list[float]:
    """The last `n` scores; fewer are repeated, from the first one on."""
    kept = scores[-n:]
    return [kept[place % len(kept)] for place in range(n)]


def news_level(latest: list[float], older: list[float], rate: float) -> float:
    tighter = math.log(1e-4 / rate)
    high = sorted(latest)[math.ceil(0.95 * len(latest)) - 1] + max(0.25, 1.5 + tighter)
    older_high = sorted(older)[math.ceil(0.95 * len(older)) - 1] + max(0.5, 2.4 + tighter)
    return max(high, older_high, 2.0, 6 + tighter)


def row_level(latest: list[float], rate: float, feedback: float) -> float:
    """Interpolated between two scores, or from an exponential tail where fewer than eight lie above it."""
    wanted = min(0.5, rate * math.exp(-feedback))
    if wanted * len(latest) >= 8:
        return float(np.quantile(latest, 1 - wanted))
    falling = sorted(latest, reverse=True)
    excess = sum(falling[:40]) / 40 - falling[40]
    return min(falling[40] + max(excess, 1e-9) * math.log(40 / len(latest) / wanted), falling[0] + 1)


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
