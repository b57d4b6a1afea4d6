"""A learned threshold and what stands behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError

__all__ = ["Target", "Threshold", "known_scores"]


@dataclass(frozen=True)
class Target:
    """What a threshold has to keep on normal rows."""

    rate: float
    """Flagged rows, or episodes, per row."""
    counts: Literal["rows", "episodes"] = "rows"


@dataclass(frozen=True)
class Threshold:
    """A learned threshold and what stands behind it."""

    value: float
    """Rows whose score exceeds it are flagged."""
    method: str
    """The learner's name, "fixed" if the user stated it."""
    false_alarm_rate: float | None
    """What it was asked to keep on normal rows: flagged rows, or episodes, per row; `None` if nothing."""
    n_rows: int
    """Calibration rows it was learned from."""
    note: str = ""
    """What the user should know, such as a rate finer than the rows can support."""
    counts: Literal["rows", "episodes"] = "rows"
    """What the rate counts."""
    budget: str = ""
    """The same in words, such as "1 per week"."""
    n_clusters: int | None = None
    """Independent runs of high scores among the calibration rows; scores beside each other say the same thing."""


def known_scores(calibration: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores `(n,)` that are not NaN.

    Raises
    ------
    DataError
        If there are none.
    """
    known = calibration[~np.isnan(calibration)]
    if not len(known):
        raise DataError("no calibration row has a score to learn a threshold from; pass more rows")
    return known
