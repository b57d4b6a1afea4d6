"""Point-adjusted F1 and PA%K, each beside what a random score gets.

Point adjustment credits a whole event for a few flagged rows (Xu et al., "Unsupervised anomaly detection via
variational auto-encoder for seasonal KPIs in web applications", WWW 2018). On long events a random score wins
under it; PA%K asks for more than K % of the rows (Kim et al., "Towards a rigorous evaluation of time-series
anomaly detection", AAAI 2022). Both functions return a figure that carries its name and a random score's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsae.errors import ParameterError
from tsae.evaluation.inputs import BoolArray, FloatArray, IntArray, check_labels, check_scores, segments
from tsae.evaluation.ranking import f1_by_rank, just_below, ranked

__all__ = ["PointAdjustedF1", "pa_percent_k", "point_adjusted_f1"]


@dataclass(frozen=True)
class PointAdjustedF1:
    """A point-adjusted F1 that cannot be shown without its name and its random baseline."""

    k: float
    """Per cent of an event's rows that must be exceeded to credit all of it; 0 is plain point adjustment."""
    f1: float
    random_f1: float
    """The same figure for the same scores in shuffled order, mean over the shuffles."""
    threshold: float
    """Flag the rows whose score is greater than this."""
    oracle: bool
    """Whether the threshold was the best one, found by looking at the labels."""

    @property
    def name(self) -> str:
        """What the figure must be called in a table."""
        metric = "point-adjusted F1" if self.k == 0 else f"PA%{self.k:g} F1"
        return f"oracle {metric}" if self.oracle else metric

    def __str__(self) -> str:
        return f"{self.name} {self.f1:.3f} (random score {self.random_f1:.3f})"


def point_adjusted_f1(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    threshold: float | None = None,
    n_random: int = 5,
    random_state: int | np.random.Generator = 0,
) -> PointAdjustedF1:
    """F1 over rows after every event with at least one flagged row was counted as flagged throughout.

    This is `pa_percent_k` with k = 0; parameters, result and errors are those of that function.

    Examples
    --------
    >>> found = point_adjusted_f1([0, 1, 1, 1, 0, 0], [0.1, 0.2, 0.9, 0.3, 0.8, 0.1], threshold=0.5)
    >>> found.name, round(found.f1, 3)
    ('point-adjusted F1', 0.857)
    """
    return pa_percent_k(labels, scores, k=0, threshold=threshold, n_random=n_random, random_state=random_state)


def pa_percent_k(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    k: float = 20.0,
    threshold: float | None = None,
    n_random: int = 5,
    random_state: int | np.random.Generator = 0,
) -> PointAdjustedF1:
    """F1 over rows after every event flagged to more than `k` % was counted as flagged throughout.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}; a run of ones is an event
    scores : (n_timesteps,), higher = more anomalous
    k : 0 to 100; 0 is point adjustment, 100 adjusts nothing
    threshold : rows with a greater score are flagged; `None` searches the best one (oracle), for the random
        score as well
    n_random, random_state : number of shuffles behind the random value, and their seed or generator; at one
        threshold a shuffled score flags as many rows as the score itself

    Returns
    -------
    PointAdjustedF1
        F1 and random F1 in [0, 1]; if no row is anomalous, they and an oracle's threshold are NaN. Nothing
        flagged gives 0. Tied rows are flagged together; a constant score at its best threshold flags all.

    Raises
    ------
    DataError
        If labels are not 0/1, lengths differ, or a score is NaN or infinite.
    ParameterError
        If `k` is outside [0, 100], `threshold` is NaN or `n_random` below 1.
    """
    truth = check_labels(labels)
    values = check_scores(scores, len(truth))
    _check_parameters(k, threshold, n_random)
    oracle = threshold is None
    if not truth.any():
        return PointAdjustedF1(k, math.nan, math.nan, math.nan if threshold is None else threshold, oracle)
    thresholds, ranks = _candidates(values, threshold)
    f1 = _f1_per_level(truth, ranks, len(thresholds), k)
    best = int(np.argmax(f1))
    rng = np.random.default_rng(random_state)
    random_f1 = [_f1_per_level(truth, rng.permutation(ranks), len(thresholds), k).max() for _ in range(n_random)]
    return PointAdjustedF1(k, float(f1[best]), float(np.mean(random_f1)), float(thresholds[best]), oracle)


def _check_parameters(k: float, threshold: float | None, n_random: int) -> None:
    if not 0 <= k <= 100:
        raise ParameterError(f"`k` (={k}) must be a percentage from 0 to 100; 0 is plain point adjustment")
    if threshold is not None and math.isnan(threshold):
        raise ParameterError("`threshold` (=nan) must be a number; pass None to search the best one")
    if n_random < 1:
        raise ParameterError(f"`n_random` (={n_random}) must be 1 or more; the random value is always shown")


def _candidates(scores: FloatArray, threshold: float | None) -> tuple[FloatArray, IntArray]:
    """The falling thresholds to try, and for each row the first that flags it (one past the last: none)."""
    if threshold is None:
        levels, ranks = ranked(scores)
        return just_below(levels), ranks
    return np.array([threshold]), np.where(scores > threshold, 0, 1)


def _f1_per_level(truth: BoolArray, ranks: IntArray, n_levels: int, k: float) -> FloatArray:
    """Adjusted F1 `(n_levels,)` when rows of rank 0, then 0 and 1, and so on are flagged."""
    return f1_by_rank(_adjusted(truth, ranks, n_levels, k), ranks[~truth], n_levels)


def _adjusted(truth: BoolArray, ranks: IntArray, n_levels: int, k: float) -> IntArray:
    """For each anomalous row the rank at which it counts as flagged: its own or that of its event."""
    starts, stops = segments(truth)
    lengths = stops - starts
    owner = np.repeat(np.arange(len(starts)), lengths)
    own = ranks[truth]
    # The event is credited when its n-th row is flagged, n being the least number above k % of its length.
    needed = np.floor(k * lengths / 100).astype(np.intp) + 1
    by_event_and_rank = own[np.lexsort((own, owner))]
    first = np.cumsum(lengths) - lengths
    credited = np.full(len(starts), n_levels)
    reachable = needed <= lengths
    credited[reachable] = by_event_and_rank[(first + needed - 1)[reachable]]
    return np.asarray(np.minimum(own, credited[owner]))
