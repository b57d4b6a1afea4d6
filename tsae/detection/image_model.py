"""What scores images: a network with what is usual for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.calibration import LogTail
from tsae.detection.image_network import ImageNetwork

__all__ = ["ImageLevels", "ImageModel"]

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class ImageLevels:
    """What is usual on images that the network was not trained on; in scaled values."""

    error: float
    """Mean squared error of a pixel, positive."""
    lowest: float
    """Subtracted from divergences before the tail; 0 unless likelihoods make them negative."""
    tail: LogTail


@dataclass(frozen=True)
class ImageModel:
    """A network with what is usual for it. Images are `(n, channels, height, width)` in their own values."""

    network: ImageNetwork
    levels: ImageLevels

    def scores(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Scores `(n,)` in units of −log p, higher = more anomalous."""
        return self.levels.tail(self.network.divergence(images) - self.levels.lowest)

    def relative_errors(self, images: NDArray[Any]) -> FloatArray:
        """Squared error of every pixel over the usual one of a pixel: 1 is usual; shaped like `images`."""
        return self.network.squared_errors(images) / np.float32(self.levels.error)
