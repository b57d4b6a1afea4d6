"""Range-based precision and recall (Tatbul et al., "Precision and recall for time series", NeurIPS 2018)."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from tsae.errors import ParameterError
from tsae.evaluation.inputs import BoolArray, IntArray, check_flags, check_labels, segments
from tsae.evaluation.precision_recall import PrecisionRecall

__all__ = ["Bias", "Cardinality", "range_precision_recall"]

Bias = Literal["flat", "front", "middle", "back"]
Cardinality = Literal["reciprocal", "one"]


def range_precision_recall(
    labels: npt.ArrayLike,
    predictions: npt.ArrayLike,
    *,
    alpha: float = 0.0,
    bias: Bias = "flat",
    cardinality: Cardinality = "reciprocal",
) -> PrecisionRecall:
    """Precision and recall averaged over ranges instead of rows (Tatbul et al., NeurIPS 2018).

    Recall is the mean over labelled ranges of `alpha` · existence + (1 − `alpha`) · overlap. Existence is 1
    if any row of the range is flagged. Overlap is the share of the range that is flagged, weighted by
    position, times the cardinality factor. Precision is the mean over flagged ranges of their overlap with
    labelled ones, always without existence and with a flat bias: a false alarm costs the same wherever it
    stands in its range.

    Parameters
    ----------
    labels : (n_timesteps,) in {0, 1}; a run of ones is a range
    predictions : (n_timesteps,) in {0, 1}; a run of ones is a range
    alpha : weight of existence in recall, in [0, 1]
    bias : which rows of a labelled range weigh most in recall; "front" rewards early detection
    cardinality : "reciprocal" divides the overlap by the number of pieces it comes in, "one" does not care

    Returns
    -------
    PrecisionRecall
        Precision is NaN if nothing is flagged, recall if nothing is labelled.

    Raises
    ------
    DataError
        If either array holds anything but 0 and 1, or the lengths differ.
    ParameterError
        If `alpha`, `bias` or `cardinality` is not one of the above.

    Examples
    --------
    >>> range_precision_recall([0, 1, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1]).recall
    0.5
    """
    truth = check_labels(labels)
    flags = check_flags(predictions, len(truth))
    _check_parameters(alpha, bias, cardinality)
    return PrecisionRecall(
        precision=_mean_reward(flags, truth, 0.0, "flat", cardinality),
        recall=_mean_reward(truth, flags, alpha, bias, cardinality),
    )


def _check_parameters(alpha: float, bias: str, cardinality: str) -> None:
    if not 0 <= alpha <= 1:
        raise ParameterError(f"`alpha` (={alpha}) must be in [0, 1]; 0 leaves existence out, 1 counts it alone")
    for name, value, known in (
        ("bias", bias, get_args(Bias)),
        ("cardinality", cardinality, get_args(Cardinality)),
    ):
        if value not in known:
            raise ParameterError(f"`{name}` (={value!r}) is unknown; pass one of {', '.join(known)}")


def _mean_reward(ranges: BoolArray, other: BoolArray, alpha: float, bias: Bias, cardinality: Cardinality) -> float:
    """Mean over the runs of ones in `ranges` of what `other` earns there."""
    starts, stops = segments(ranges)
    if not len(starts):
        return math.nan
    lengths = stops - starts
    owner = np.repeat(np.arange(len(starts)), lengths)
    position = np.flatnonzero(ranges) - starts[owner] + 1
    hit = other[ranges]
    weight = _position_weight(position, lengths[owner], bias)
    overlap = np.bincount(owner, weight * hit) / np.bincount(owner, weight)
    piece_starts = hit & ((position == 1) | ~np.concatenate([[False], hit[:-1]]))
    pieces = np.bincount(owner, piece_starts)
    factor = 1 / np.maximum(pieces, 1) if cardinality == "reciprocal" else 1.0
    return float(np.mean(alpha * (pieces > 0) + (1 - alpha) * factor * overlap))


def _position_weight(position: IntArray, length: IntArray, bias: Bias) -> IntArray:
    """The paper's δ for a row at `position` (from 1) of a range of `length` rows."""
    if bias == "front":
        return length - position + 1
    if bias == "back":
        return position
    if bias == "middle":
        return np.where(position <= length / 2, position, length - position + 1)
    return np.ones_like(position)
