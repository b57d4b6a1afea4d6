"""What every metric asks of its arrays, and the runs of ones in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tsae.errors import DataError

__all__ = ["BoolArray", "FloatArray", "IntArray", "check_flags", "check_labels", "check_scores", "segments"]

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]
FloatArray = npt.NDArray[np.float64]


def check_labels(labels: npt.ArrayLike) -> BoolArray:
    """Labels `(n_timesteps,)`, 1 or True for an anomalous row, as a boolean array.

    Raises
    ------
    DataError
        If the array is empty, not one-dimensional, or holds anything but 0 and 1.
    """
    return _binary("labels", labels)


def check_flags(predictions: npt.ArrayLike, n_timesteps: int) -> BoolArray:
    """Predictions `(n_timesteps,)`, 1 or True for a flagged row, as a boolean array.

    Raises
    ------
    DataError
        If the length differs from that of the labels or anything but 0 and 1 is found.
    """
    flags = _binary("predictions", predictions)
    _check_length("predictions", flags, n_timesteps)
    return flags


def check_scores(scores: npt.ArrayLike, n_timesteps: int) -> FloatArray:
    """Scores `(n_timesteps,)`, higher = more anomalous, as float64.

    Raises
    ------
    DataError
        If the length differs from that of the labels, or a score is not numeric, NaN or infinite: a row
        without a score cannot be ranked, and leaving it out would change the question.
    """
    values = _numeric("scores", scores).astype(np.float64)
    _check_length("scores", values, n_timesteps)
    broken = np.flatnonzero(~np.isfinite(values))
    if len(broken):
        raise DataError(
            f"`scores` (={values[broken[0]]} at row {broken[0]}, {len(broken)} such rows) must be finite; "
            "give every row a score, or leave the row out of `labels` and `scores` alike"
        )
    return values


def segments(labels: BoolArray) -> tuple[IntArray, IntArray]:
    """First rows and rows after the last of each run of ones, both `(n_segments,)`, in time order.

    >>> segments(np.array([1, 0, 1, 1], dtype=bool))
    (array([0, 2]), array([1, 4]))
    """
    edges = np.flatnonzero(np.diff(labels.astype(np.int8), prepend=0, append=0))
    return edges[::2], edges[1::2]


def _binary(name: str, values: npt.ArrayLike) -> BoolArray:
    array = _numeric(name, values)
    wrong = np.flatnonzero((array != 0) & (array != 1))
    if len(wrong):
        raise DataError(
            f"`{name}` (={array[wrong[0]]} at row {wrong[0]}) must hold only 0 (normal) and 1 (anomalous); "
            "from scikit-learn's 1 and -1 pass `predict(X) == -1`"
        )
    return array.astype(np.bool_)


def _numeric(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1 or not len(array):
        raise DataError(f"`{name}` (shape {array.shape}) must be one-dimensional with at least one row")
    if array.dtype.kind not in "biuf":
        raise DataError(f"`{name}` (dtype {array.dtype}) must be numeric; convert it to float first")
    return array


def _check_length(name: str, values: npt.NDArray[Any], n_timesteps: int) -> None:
    if len(values) != n_timesteps:
        raise DataError(
            f"`{name}` (length {len(values)}) must have one value per row of `labels` (length {n_timesteps})"
        )
