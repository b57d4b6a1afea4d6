"""Many log tails looked up at once, where calling each of them for a handful of scores costs more than the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.calibration import FAR, LogTail

__all__ = ["LogTails"]

FloatArray = NDArray[np.float64]
_APART = 4096.0  # between the logarithms of two tails; those of floats, and what is added behind the knots, are less


class LogTails:
    """Gives what `LogTail` gives, for a grid of tails whose curves stand one behind the other.

    Parameters
    ----------
    tails
        `n_groups` sequences of `n_tails` tails.
    """

    def __init__(self, tails: Sequence[Sequence[LogTail]]) -> None:
        flat = [tail for group in tails for tail in group]
        shape = (len(tails), 1, len(tails[0]))
        self._floors = np.array([tail.floor for tail in flat]).reshape(shape)
        self._apart = _APART * np.arange(len(flat)).reshape(shape)
        curves = [tail.curve for tail in flat]
        starts = [np.append(knots[0] - FAR, knots) for knots, _ in curves]  # −log p is 0 there, whatever stands before
        self._knots = np.concatenate([knots + _APART * place for place, knots in enumerate(starts)])
        self._nats = np.concatenate([np.append(0.0, nats) for _, nats in curves])

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Error scores `(n_groups, n, n_tails)`, none negative → −log p of the same shape; NaN stays NaN."""
        x = np.log(scores + self._floors)
        x += self._apart
        nats: FloatArray = np.interp(x, self._knots, self._nats)
        return nats
