"""What scores images: a network with what is usual for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.images.heat import HeatScale
from tsae.detection.images.network import ImageNetwork
from tsae.scoring.classifier import LabelClassifier, feature_table
from tsae.scoring.tails import LogTail

__all__ = ["ImageLevels", "ImageModel"]

FloatArray = NDArray[np.float32]
_BLOCKS = 8  # a side


@dataclass(frozen=True)
class ImageLevels:
    """What is usual on images that the network was not trained on; in scaled values."""

    error: float
    """Mean squared error of a pixel, positive."""
    lowest: float
    """Subtracted from divergences before the tail; 0 unless likelihoods make them negative."""
    tail: LogTail
    """Of divergences."""
    heat: HeatScale
    peak_tail: LogTail
    """Of the largest heat of each image."""


@dataclass(frozen=True)
class ImageModel:
    """A network with what is usual for it. Images are `(n, channels, height, width)` in their own values."""

    network: ImageNetwork
    levels: ImageLevels
    local_score: bool
    """Whether the largest heat of an image counts beside the criterion's mean over all pixels."""
    labelled: LabelClassifier | None = None
    """Joins the scores."""

    def scores(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Scores `(n,)` in units of −log p, higher = more anomalous."""
        alone = self.scores_alone(images)
        return alone if self.labelled is None else alone + self.labelled.term(self.features(images))

    def features(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """What a classifier sees of images, `(n, n_features)`: code, errors of at most 8 x 8 blocks, and score."""
        blocks = self._in_blocks(images, lambda part: _blocks(self.relative_errors(part)))
        return feature_table(self.network.encode(images), blocks.reshape(len(images), -1), self.scores_alone(images))

    def scores_alone(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Scores `(n,)` without the classifier."""
        whole = self.levels.tail(self.network.divergence(images) - self.levels.lowest)
        if not self.local_score:
            return whole
        return np.maximum(whole, self.levels.peak_tail(self._in_blocks(images, self._peaks).astype(np.float64)))

    def heatmaps(self, images: NDArray[Any]) -> FloatArray:
        """Heat of every pixel, `(n, height, width)`; see `HeatScale`."""
        return self._in_blocks(images, self._heat)

    def relative_errors(self, images: NDArray[Any]) -> FloatArray:
        """Squared error of every pixel over the usual one of a pixel: 1 is usual; shaped like `images`."""
        return self.network.squared_errors(images) / np.float32(self.levels.error)

    def _heat(self, images: NDArray[Any]) -> FloatArray:
        return self.levels.heat.heat(self.network.squared_errors(images))

    def _peaks(self, images: NDArray[Any]) -> FloatArray:
        return np.asarray(self._heat(images).max(axis=(1, 2)))

    def _in_blocks(self, images: NDArray[Any], answer: Callable[[NDArray[Any]], FloatArray]) -> FloatArray:
        """Errors of all images at once would be larger than the images."""
        size = self.network.block_size
        return np.concatenate([answer(images[first : first + size]) for first in range(0, len(images), size)])


def _blocks(errors: FloatArray) -> FloatArray:
    """Means over at most 8 x 8 blocks of pixels, `(n, channels, rows, columns)`."""
    for axis in (2, 3):
        side = errors.shape[axis]
        starts = np.linspace(0, side, min(_BLOCKS, side), endpoint=False).round().astype(int)
        shape = [1] * errors.ndim
        shape[axis] = len(starts)
        sizes = np.diff([*starts, side]).reshape(shape).astype(np.float32)
        errors = np.asarray(np.add.reduceat(errors, starts, axis=axis) / sizes, dtype=np.float32)
    return errors
