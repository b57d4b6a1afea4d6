"""Plain facts about one sensor, and which sensors are copies of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["SensorFacts", "find_copies", "longest_flat_run", "measure"]

_SPIKE = 10.0  # robust standard deviations
_COPY = 0.9999  # correlation


@dataclass(frozen=True)
class SensorFacts:
    """What the values of one sensor look like; shares are in [0, 1]."""

    missing: float
    """Share of rows without a value."""
    n_distinct: int
    is_switch: bool
    """Whether all values are 0 or 1, and both occur."""
    usual_share: float
    """Share of the most frequent value among the values, where that is above a half; else 0."""
    flat_rows: int
    """Rows of the longest run of one and the same value."""
    flat_start: int
    """Row where it starts, counted within its entity."""
    flat_entity: int
    """Position of its entity."""
    flat_value: float
    flat_at_limit: bool
    """Whether that value is the lowest or the highest of all, as of a closed valve or a machine at rest."""
    changes: float
    """Share of steps from value to value that change it."""
    spikes: float
    """Share of values more than ten robust standard deviations from the median; 0 for switches."""
    drift: float
    """Median of the last fifth minus that of the first, in robust standard deviations; 0 for switches.

    Of several entities, the one that moved most.
    """


def measure(parts: Sequence[NDArray[np.float64]]) -> SensorFacts:
    """Measure one sensor.

    Parameters
    ----------
    parts : sequence of ndarray, each of shape (n_timesteps,)
        Its values, one array per entity, NaN where missing.
    """
    values = parts[0] if len(parts) == 1 else np.concatenate(parts)
    observed = values[~np.isnan(values)]
    runs = [longest_flat_run(part) for part in parts]
    entity = int(np.argmax([length for _, length in runs]))
    start, length = runs[entity]
    flat_value = float(parts[entity][start]) if length else np.nan
    distinct = pd.unique(observed)
    is_switch = len(distinct) == 2 and set(distinct.tolist()) == {0.0, 1.0}
    middle = float(np.median(observed)) if len(observed) else np.nan
    usual = float(np.mean(observed == middle)) if len(observed) else 0.0
    sigma = 0.0 if is_switch or len(distinct) < 2 else _robust_sigma(observed, middle)
    return SensorFacts(
        missing=1 - len(observed) / max(1, len(values)),
        n_distinct=len(distinct),
        is_switch=is_switch,
        usual_share=usual if usual > 0.5 else 0.0,
        flat_rows=length,
        flat_start=start,
        flat_entity=entity,
        flat_value=flat_value,
        flat_at_limit=bool(len(observed)) and flat_value in (observed.min(), observed.max()),
        changes=_share_of_changes(parts),
        spikes=float(np.mean(np.abs(observed - middle) > _SPIKE * sigma)) if sigma else 0.0,
        drift=max((_drift(part) / sigma for part in parts), key=abs) if sigma else 0.0,
    )


def longest_flat_run(values: NDArray[np.float64]) -> tuple[int, int]:
    """Start and length of the longest run of equal values in `values` `(n_timesteps,)`; NaN ends a run.

    Examples
    --------
    >>> import numpy as np
    >>> longest_flat_run(np.array([3.0, 5.0, 5.0, np.nan, 5.0]))
    (1, 2)
    """
    if np.isnan(values).all():
        return 0, 0
    ends = np.append(np.flatnonzero(~(values[1:] == values[:-1])), len(values) - 1)
    starts = np.append(0, ends[:-1] + 1)
    lengths = np.where(np.isnan(values[starts]), 0, ends - starts + 1)
    longest = int(np.argmax(lengths))
    return int(starts[longest]), int(lengths[longest])


def _share_of_changes(parts: Sequence[NDArray[np.float64]]) -> float:
    steps = [np.diff(part) for part in parts]
    n_known = sum(int(np.count_nonzero(~np.isnan(step))) for step in steps)
    n_equal = sum(int(np.count_nonzero(step == 0)) for step in steps)
    return 1 - n_equal / n_known if n_known else 0.0


def _robust_sigma(observed: NDArray[np.float64], middle: float) -> float:
    """Standard deviation by the middle half of the values, or the plain one if those are equal.

    The larger of the two usual estimates: with two modes of operation the median deviation sees only one.
    """
    deviation = float(np.median(np.abs(observed - middle)))
    low, high = np.quantile(observed, [0.25, 0.75])
    return max(1.4826 * deviation, float(high - low) / 1.349) or float(np.std(observed))


def _drift(part: NDArray[np.float64]) -> float:
    fifth = max(1, len(part) // 5)
    first, last = part[:fifth], part[-fifth:]
    first, last = first[~np.isnan(first)], last[~np.isnan(last)]
    return float(np.median(last) - np.median(first)) if len(first) and len(last) else 0.0


def find_copies(values: NDArray[np.float64]) -> dict[int, int]:
    """Find channels that are the same as an earlier one, up to scale and offset.

    Parameters
    ----------
    values : ndarray, shape (n_timesteps, n_channels)
        NaN where missing.

    Returns
    -------
    dict
        From the copy to the first channel that it correlates with by more than .9999.
    """
    known = ~np.isnan(values)
    counts = np.maximum(1, known.sum(axis=0))
    centred = np.where(known, values, 0.0)
    centred = np.where(known, centred - centred.sum(axis=0) / counts, 0.0)
    scale = np.sqrt((centred**2).sum(axis=0) / counts)
    centred /= np.where(scale > 0, scale, np.inf)
    weights = known.astype(np.float64)
    both = np.sqrt((centred**2).T @ weights * (weights.T @ centred**2))
    correlation = centred.T @ centred / np.where(both > 0, both, np.inf)
    pairs = np.argwhere(np.triu(correlation > _COPY, k=1))
    return {int(later): int(earlier) for earlier, later in pairs[::-1]}
