"""Scores of different members on one scale: minus the logarithm of their tail probability on normal rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError

__all__ = ["LogTail", "LogTails", "fit_log_tail"]

FloatArray = NDArray[np.float64]
_TAIL = 0.1
_N_KNOTS = 256
_FAR = 700.0  # log scores; that of no float is as far from another one
_APART = 4096.0  # between the logarithms of two tails; those of floats, and what is added behind the knots, are less


@dataclass(frozen=True)
class LogTail:
    """Maps an error score to −log p, p the share of normal rows with a larger one.

    Below the 90 % quantile −log p is interpolated between the ranks of the normal scores; above it the logarithm of
    the score is taken to have an exponential tail, so that scores far outside keep their order and their distance.
    """

    floor: float
    """Added to scores before the logarithm."""
    knots: FloatArray
    """Log scores at evenly spaced ranks up to the 90 % quantile, increasing."""
    excess: float
    """Mean excess of the log scores above the 90 % quantile."""

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Error scores `(n,)` → −log p `(n,)`, 0 or more, higher = more anomalous; NaN stays NaN."""
        return np.interp(np.log(np.maximum(scores, 0) + self.floor), *self.curve)

    @cached_property
    def curve(self) -> tuple[FloatArray, FloatArray]:
        """Log scores and their −log p, each `(n_knots + 1,)`; straight between them."""
        nats = -np.log1p(-np.linspace(0, 1 - _TAIL, len(self.knots)))
        return np.append(self.knots, self.knots[-1] + _FAR), np.append(nats, nats[-1] + _FAR / self.excess)

    def p_value(self, score: float) -> float:
        """About the share of normal rows with a larger score, in (0, 1]."""
        return float(np.exp(-self(np.array([score]))[0]))


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
        starts = [np.append(knots[0] - _FAR, knots) for knots, _ in curves]  # −log p is 0 there, whatever stands before
        self._knots = np.concatenate([knots + _APART * place for place, knots in enumerate(starts)])
        self._nats = np.concatenate([np.append(0.0, nats) for _, nats in curves])

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Error scores `(n_groups, n, n_tails)`, none negative → −log p of the same shape; NaN stays NaN."""
        x = np.log(scores + self._floors)
        x += self._apart
        nats: FloatArray = np.interp(x, self._knots, self._nats)
        return nats


def fit_log_tail(normal_scores: FloatArray) -> LogTail:
    """Learn the scale from error scores of normal rows `(n,)`, none negative; NaN is left out."""
    scores = normal_scores[~np.isnan(normal_scores)]
    if not len(scores):
        raise DataError("no held-out row has a score; pass more training rows, or rows with fewer missing values")
    floor = max(1e-3 * float(scores.mean()), 1e-12)
    x = np.sort(np.log(scores + floor))
    knots = np.quantile(x, np.linspace(0, 1 - _TAIL, _N_KNOTS))
    beyond = x[x > knots[-1]]
    excess = float((beyond - knots[-1]).mean()) if len(beyond) else 0.0
    return LogTail(floor, knots, max(excess, 0.05))
