"""Channels that were constant in training, watched row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEMORY", "ConstantWatch"]

FloatArray = NDArray[np.float64]
MEMORY = 100  # rows; a new level of a constant channel counts as long as it is news


class ConstantWatch:
    """Errors of the constant channels of one segment, fed block by block.

    The error is the squared difference between a channel's scaled value and the median of its last 100 values,
    itself included.
    """

    def __init__(self) -> None:
        self._past: NDArray[np.float32] | None = None

    def push(self, values: NDArray[np.float32]) -> FloatArray:
        """Take the next rows, scaled, `(n, n_constant)`; return their errors, NaN where missing."""
        past = values[:0] if self._past is None else self._past
        rows = np.concatenate([past, values])
        self._past = rows[-(MEMORY - 1) :]
        if not np.nan_to_num(rows).any():
            return values.astype(np.float64)
        import pandas as pd  # a stream does without

        medians = pd.DataFrame(rows).rolling(MEMORY, min_periods=1).median().to_numpy(np.float64)
        errors: FloatArray = np.square(values - medians[len(past) :], dtype=np.float64)
        return errors
