"""Missing values are filled with the last observed one, and remembered as missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ForwardFill"]


class ForwardFill:
    """Forward fill over the rows of one segment, fed block by block.

    Before a channel's first observed value its mean is used, which is 0 in scaled units.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None

    def push(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Rows `(n, n_channels)` with NaN → filled rows and which entries were observed."""
        observed = ~np.isnan(values)
        if self._last is None:
            self._last = np.zeros(values.shape[1], dtype=np.float32)
        if not observed.all():
            rows = np.where(observed, np.arange(1, len(values) + 1)[:, None], 0)
            latest = np.maximum.accumulate(rows, axis=0)
            padded = np.concatenate([self._last[None], values])
            values = np.take_along_axis(padded, latest, axis=0)
        if len(values):
            self._last = values[-1].copy()
        return np.ascontiguousarray(values), observed
