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
        likelihoods = np.array([_likelihood(theta, y) for theta in thetas.tolist()])
        best = int(np.argmax(likelihoods))
        thetas = np.linspace(thetas[max(0, best - 1)], thetas[min(len(thetas) - 1, best + 1)], _N_GRID // 4)
    shape, scale = _parameters(float(thetas[len(thetas) // 2]), y)
    return ParetoTail(float(np.clip(shape, -_STEEPEST, _STEEPEST)), scale * mean)


def _parameters(theta: float, y: FloatArray) -> tuple[float, float]:
    """Shape and scale at which the likelihood is largest for this θ."""
    if abs(theta) < 1e-9:
        return 0.0, float(y.mean())
    shape = float(np.log1p(theta * y).mean())
    return shape, shape / theta


def _likelihood(theta: float, y: FloatArray) -> float:
    """Mean log likelihood; lowest where the shape is out of bounds."""
    shape, scale = _parameters(theta, y)
    if abs(shape) > _STEEPEST or scale <= 0:
        return -1e9 - abs(shape)
    return float(-np.log(scale) - 1 - shape)
