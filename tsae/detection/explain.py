"""From scores to events that say when, how bad, which sensors, and what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.detection.events import Event, SensorShare

__all__ = ["EventRules", "ScoredSeries", "find_runs", "make_events", "severity"]

FloatArray = NDArray[np.float64]
_CORE_SHARE = 0.25


@dataclass(frozen=True)
class EventRules:
    """When flagged rows belong to one event, and which events are worth telling."""

    merge_gap: int = 8
    """Runs of flagged rows with at most this many unflagged rows, and no gap or exclusion, between them are one
    event."""
    shortest: int = 1
    """Events with fewer rows are dropped."""


def severity(score: float, threshold: float) -> float:
    """Severity 0–100 of a score: 50 at the threshold, 75 at three times it, towards 100 far above."""
    if score <= 0:
        return 0.0
    return 100.0 / (1.0 + max(threshold, 0.0) / score)


def find_runs(flags: NDArray[np.bool_], segments: NDArray[np.integer], rules: EventRules) -> list[tuple[int, int]]:
    """First and last row (inclusive) of every event in flags `(n,)`; none runs across segments, numbers `(n,)`."""
    rows = np.flatnonzero(flags)
    if not len(rows):
        return []
    cuts = np.flatnonzero((np.diff(rows) > rules.merge_gap + 1) | (np.diff(segments[rows]) != 0))
    firsts, lasts = rows[np.r_[0, cuts + 1]], rows[np.r_[cuts, len(rows) - 1]]
    return [(int(a), int(b)) for a, b in zip(firsts, lasts, strict=True) if b - a + 1 >= rules.shortest]


@dataclass(frozen=True)
class ScoredSeries:
    """One entity's rows with everything an event is made from."""

    index: pd.Index
    values: NDArray[np.floating]
    """Measured values in the sensors' units, `(n_timesteps, n_channels)`."""
    scores: FloatArray
    errors: NDArray[np.float32]
    """Errors in usual errors, `(n_timesteps, n_channels)`."""
    flags: NDArray[np.bool_]
    segments: NDArray[np.integer]
    """Number of each row's segment; gaps and the borders of exclusion intervals start a new one."""
    threshold: float
    names: Sequence[str]
    units: Mapping[str, str]
    period: float | None
    entity: str


def make_events(series: ScoredSeries, rules: EventRules, expected_at: Callable[[int], FloatArray]) -> tuple[Event, ...]:
    """Events of one entity in time order.

    Parameters
    ----------
    expected_at
        Row number → expected values of all channels `(n_channels,)`, NaN where there is none.
    """
    runs = find_runs(series.flags, series.segments, rules)
    return tuple(_event(series, first, last, expected_at) for first, last in runs)


def _event(series: ScoredSeries, first: int, last: int, expected_at: Callable[[int], FloatArray]) -> Event:
    first, last = _core(series, first, last)
    rows = slice(first, last + 1)
    peak = first + int(np.argmax(series.scores[rows]))
    start, stop = series.index[first], series.index[last]
    duration = None
    if isinstance(series.index, pd.DatetimeIndex):
        duration = (stop - start).total_seconds() + (series.period or 0.0)
    peak_score = float(series.scores[peak])
    prefix = f"{series.entity}:" if series.entity else ""
    return Event(
        event_id=f"{prefix}{start.isoformat() if isinstance(start, pd.Timestamp) else start}",
        start=start,
        stop=stop,
        n_rows=last - first + 1,
        duration=duration,
        peak=series.index[peak],
        peak_score=peak_score,
        severity=severity(peak_score, series.threshold),
        sensors=_ranked(series, rows, peak, expected_at(peak)),
        entity=series.entity,
    )


def _core(series: ScoredSeries, first: int, last: int) -> tuple[int, int]:
    """First and last row of a run whose error is at least a quarter of the run's largest.

    Scores are smoothed to both sides, so that a run of flagged rows is up to two windows wider than its cause.
    """
    errors = series.errors[first : last + 1].astype(np.float64)
    observed = ~np.isnan(errors)
    mean = np.where(observed, errors, 0.0).sum(axis=1) / np.maximum(observed.sum(axis=1), 1)
    core = np.flatnonzero(mean >= _CORE_SHARE * mean.max())
    return first + int(core[0]), first + int(core[-1])


def _ranked(series: ScoredSeries, rows: slice, peak: int, expected: FloatArray) -> tuple[SensorShare, ...]:
    """Sensors by their part of the error above the usual, averaged over the event."""
    errors = series.errors[rows].astype(np.float64)
    excess = np.where(np.isnan(errors), 0.0, np.maximum(errors - 1, 0)).sum(axis=0)
    total = float(excess.sum())
    shares = excess / total if total > 0 else np.full(len(excess), 1 / len(excess))
    actual = series.values[peak]
    return tuple(
        SensorShare(
            sensor=series.names[channel],
            share=float(shares[channel]),
            expected=_number(expected[channel]),
            actual=_number(actual[channel]),
            unit=series.units.get(series.names[channel], ""),
        )
        for channel in np.argsort(-shares, kind="stable")
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
