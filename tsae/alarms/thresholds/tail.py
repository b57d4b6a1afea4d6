"""The generalised Pareto distribution of scores beyond a high one, fitted by profile likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ParetoTail", "fit_pareto"]

FloatArray = NDArray[np.float64]
_STEEPEST = 0.5  # of the shape to either side; beyond, the estimate is noise and its extrapolation absurd
_N_GRID = 200
_N_ZOOMS = 3
_AT_ONCE = 4096  # excesses


@dataclass(frozen=True)
class ParetoTail:
    """P(excess > y) = (1 + shape · y / scale)^(−1/shape)."""

    shape: float
    scale: float

    def quantile(self, probability: float) -> float:
        """The excess that is exceeded with this probability, in (0, 1]."""
        log = -np.log(probability)
        return float(self.scale * (log if abs(self.shape) < 1e-6 else np.expm1(self.shape * log) / self.shape))


def fit_pareto(excesses: FloatArray) -> ParetoTail:
    """Fit to positive excesses `(n,)`.

    With θ = shape / scale the likelihood has one free parameter (Grimshaw, "Computing maximum likelihood estimates
    for the generalized Pareto distribution", Technometrics 35, 1993); it is searched on a grid that is refined
    around its best point, among shapes between −½ and ½.
    """
    mean, largest = float(excesses.mean()), float(excesses.max())
    y = excesses / mean
    low, high = -mean / largest * (1 - 1e-6), 8.0
    thetas = np.concatenate([np.linspace(low, 0, _N_GRID // 2), np.geomspace(1e-4, high, _N_GRID // 2)])
    for _ in range(_N_ZOOMS):
        best = int(np.argmax(_likelihoods(thetas, y)))
        thetas = np.linspace(thetas[max(0, best - 1)], thetas[min(len(thetas) - 1, best + 1)], _N_GRID // 4)
    shapes, scales = _parameters(thetas[len(thetas) // 2 :][:1], y)
    return ParetoTail(float(np.clip(shapes[0], -_STEEPEST, _STEEPEST)), float(scales[0]) * mean)


def _parameters(thetas: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shapes and scales `(n_thetas,)` at which the likelihood is largest for each θ."""
    parts = range(0, len(y), _AT_ONCE)
    shapes = sum(np.log1p(np.outer(thetas, y[first : first + _AT_ONCE])).sum(axis=1) for first in parts) / len(y)
    exponential = np.abs(thetas) < 1e-9
    scales = shapes / np.where(exponential, 1.0, thetas)
    return np.where(exponential, 0.0, shapes), np.where(exponential, y.mean(), scales)


def _likelihoods(thetas: FloatArray, y: FloatArray) -> FloatArray:
    """Mean log likelihoods `(n_thetas,)`; lowest where the shape is out of bounds."""
    shapes, scales = _parameters(thetas, y)
    allowed = (np.abs(shapes) <= _STEEPEST) & (scales > 0)
    likelihoods = -np.log(np.where(allowed, scales, 1.0)) - 1 - shapes
    return np.where(allowed, likelihoods, -1e9 - np.abs(shapes))
