"""Many log tails looked up at once, where calling each of them for a handful of scores costs more than the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tsae.detection.calibration import TAIL, LogTail

__all__ = ["LogTails"]

FloatArray = NDArray[np.float64]
_APART = 2048.0  # between the logarithms of two tails; that of no float is as large


class LogTails:
    """Gives what `LogTail` gives, for a grid of tails.

    The knots of all tails stand in one increasing array, so that one search finds the pieces of all scores. On each
    piece −log p = a·x + b − log1p(c·x + d) with x the logarithm of the score.

    Parameters
    ----------
    tails
        `n_groups` sequences of `n_tails` tails.
    """

    def __init__(self, tails: Sequence[Sequence[LogTail]]) -> None:
        flat = [tail for group in tails for tail in group]
        shape = (len(tails), 1, len(tails[0]))
        pieces = [_pieces(tail) for tail in flat]
        self._floors = np.array([tail.floor for tail in flat]).reshape(shape)
        self._apart = (_APART * np.arange(len(flat))).reshape(shape)
        self._skipped = np.arange(len(flat)).reshape(shape)  # a tail has a piece more than knots
        self._knots = np.concatenate([tail.knots + _APART * place for place, tail in enumerate(flat)])
        self._pieces = np.concatenate(pieces)

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Error scores `(n_groups, n, n_tails)`, none negative → −log p of the same shape; NaN stays NaN."""
        x = np.log(scores + self._floors)
        places = self._knots.searchsorted((x + self._apart).ravel(), side="right").reshape(x.shape)
        places += self._skipped
        piece = self._pieces.take(places, axis=0, mode="clip")
        line = piece[..., :2] * x[..., None]
        line += piece[..., 2:]
        out: FloatArray = line[..., 0] - np.log1p(line[..., 1])
        return out


def _pieces(tail: LogTail) -> FloatArray:
    """Coefficients a, c, b, d before the first knot, between the knots and behind the last one."""
    knots, ranks = tail.knots, np.linspace(0, 1 - TAIL, len(tail.knots))
    width = np.diff(knots)
    slope = np.divide(np.diff(ranks), width, out=np.zeros(len(width)), where=width > 0)
    pieces = np.zeros((len(knots) + 1, 4))
    pieces[1:-1, 1], pieces[1:-1, 3] = -slope, slope * knots[:-1] - ranks[:-1]
    pieces[-1] = 1 / tail.excess, 0, -knots[-1] / tail.excess, -ranks[-1]
    return pieces
