"""Moving averages that give the same numbers row by row, in blocks and at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["MovingAverage", "only_this_row", "smoothing_kernels", "trailing_kernel"]

FloatArray = NDArray[np.float64]


def trailing_kernel(length: int) -> FloatArray:
    """Equal weights on a row and the `length - 1` rows before it."""
    return np.full(max(1, length), 1.0 / max(1, length))


def only_this_row(length: int) -> FloatArray:
    """All weight on the row in the middle: nothing is smoothed, but it waits as long as filters of this odd length."""
    kernel = np.zeros(length)
    kernel[length // 2] = 1.0
    return kernel


def smoothing_kernels(window_size: int, widths: Sequence[float]) -> FloatArray:
    """Three-box averages, one per width, symmetric, of one odd length: `(n_widths, length)`.

    Each box has `0.4 · width · window_size` rows; three of them in a row come close to a Gaussian.
    """
    kernels = []
    for width in widths:
        box = trailing_kernel(2 * round(0.2 * width * window_size) + 1)
        kernels.append(np.convolve(np.convolve(box, box), box))
    longest = max(len(kernel) for kernel in kernels)
    return np.stack([np.pad(kernel, (longest - len(kernel)) // 2) for kernel in kernels])


class MovingAverage:
    """A weighted moving average over the rows of one segment, fed block by block.

    Row t becomes `Σ kernel[k] · w · x / Σ kernel[k] · w` over rows t - lookback … t + lookahead, where w is 0 for
    missing rows and rows outside the segment. A row without any weight in reach is NaN.

    Parameters
    ----------
    kernel
        Weights in time order, `(lookback + 1 + lookahead,)`.
    lookahead
        How many of the weights belong to later rows.
    """

    def __init__(self, kernel: FloatArray, lookahead: int) -> None:
        self.kernel = kernel
        self.lookahead = lookahead
        self._lookback = len(kernel) - 1 - lookahead
        weighty = np.flatnonzero(kernel)
        self._unused = int(weighty[0]), len(kernel) - 1 - int(weighty[-1])  # weights of zero at both ends
        self._weighty = kernel[weighty[0] : weighty[-1] + 1]
        self._values = np.zeros(self._lookback)
        self._weights = np.zeros(self._lookback)

    def push(self, values: FloatArray, weights: FloatArray) -> FloatArray:
        """Take the next rows (weight 0 = missing); return the rows that have all they look ahead to."""
        self._values = np.concatenate([self._values, np.where(weights > 0, values, 0.0) * weights])
        self._weights = np.concatenate([self._weights, weights])
        n_ready = len(self._values) - len(self.kernel) + 1
        if n_ready <= 0:
            return np.zeros(0)
        total = self._weighted(self._values)
        is_whole = bool((self._weights == 1).all())
        mass = self.kernel.sum() if is_whole else self._weighted(self._weights)
        self._values, self._weights = self._values[n_ready:], self._weights[n_ready:]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(mass > 1e-9, total / mass, np.nan)

    def _weighted(self, rows: FloatArray) -> FloatArray:
        """The sums `Σ kernel[k] · rows[t + k]` of all t in reach."""
        first, after = self._unused
        used = rows[first : len(rows) - after]
        return used * self._weighty if len(self._weighty) == 1 else np.correlate(used, self._weighty, mode="valid")

    def flush(self) -> FloatArray:
        """End the segment: return the rows still waiting, averaged over what there is."""
        out = self.push(np.zeros(self.lookahead), np.zeros(self.lookahead))
        self._values, self._weights = np.zeros(self._lookback), np.zeros(self._lookback)
        return out
