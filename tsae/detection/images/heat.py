"""Where a picture is unusual: errors of pixels on the scale of what is usual at their place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["HeatScale", "fit_heat_scale"]

FloatArray = NDArray[np.float32]
_SIDE_OVER_BLUR = 32
_LEVEL = 0.999


@dataclass(frozen=True)
class HeatScale:
    """Turns squared errors of pixels into heat."""

    usual: FloatArray
    """Squared error that is usual at each place, positive, `(channels, height, width)`."""
    level: float
    """Heat that 1 in 1000 pixels of normal pictures exceeds."""

    def heat(self, squared_errors: FloatArray) -> FloatArray:
        """Squared errors `(n, channels, height, width)` → heat `(n, height, width)`; 1 is usual.

        Mean over channels, smoothed by a Gaussian a 32nd of the shorter side wide, at least one pixel.
        """
        relative = (squared_errors / self.usual).mean(axis=1)
        blur = max(1.0, min(relative.shape[1:]) / _SIDE_OVER_BLUR)
        return np.asarray(gaussian_filter(relative, (0, blur, blur)), dtype=np.float32)


def fit_heat_scale(squared_errors: FloatArray) -> tuple[HeatScale, NDArray[np.float64]]:
    """Learn what is usual from errors `(n, channels, height, width)` of pictures the network was not trained on.

    Returns
    -------
    HeatScale
        From all of them.
    ndarray
        Largest heat of each, `(n,)`, on the scale learned from the others: on a scale that knows an error, it would
        look more usual than that of a new picture.
    """
    n, total = len(squared_errors), squared_errors.sum(axis=0)
    others = ((total - each) / (n - 1) if n > 1 else total for each in squared_errors)
    heat = np.concatenate(
        [HeatScale(_usual(mean), 1.0).heat(each[np.newaxis]) for mean, each in zip(others, squared_errors, strict=True)]
    )
    level = max(float(np.quantile(heat, _LEVEL)), 1.0)
    return HeatScale(_usual(total / n), level), heat.max(axis=(1, 2)).astype(np.float64)


def _usual(mean: FloatArray) -> FloatArray:
    """Half of what is usual at a place is what is usual everywhere: few pictures tell little of a single pixel."""
    return np.asarray(np.maximum(0.5 * (mean + mean.mean()), 1e-12), dtype=np.float32)
