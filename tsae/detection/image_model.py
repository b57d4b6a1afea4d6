"""Everything a fitted image detector knows: its network, what is usual, and what can be done with codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.detection.calibration import LogTail
from tsae.detection.image_heat import HeatScale
from tsae.detection.image_network import ImageNetwork
from tsae.errors import ParameterError

__all__ = ["CodeCloud", "Compression", "ImageLevels", "ImageModel"]

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class ImageLevels:
    """What is usual on images that the network was not trained on; in scaled values."""

    error: float
    """Mean squared error of a pixel, positive."""
    variance: float
    """Mean variance of a pixel."""
    lowest: float
    """Subtracted from divergences before the tail; 0 unless likelihoods make them negative."""
    tail: LogTail
    """Of divergences."""
    heat: HeatScale
    peak_tail: LogTail
    """Of the largest heat of each image."""


@dataclass(frozen=True)
class CodeCloud:
    """The Gaussian that the codes of training images form."""

    mean: FloatArray
    """`(latent_dim,)`."""
    factor: FloatArray
    """`(latent_dim, latent_dim)`; the covariance is `factor @ factor.T`."""


class Compression(NamedTuple):
    """What a code saves and what it costs, on images that the network was not trained on."""

    ratio: float
    """Pixel values of an image over numbers in its code."""
    rmse: float
    """Root of the mean squared error, in the values of the images."""
    unexplained: float
    """Share of the pixels' variance that is lost; 0 is perfect, 1 no better than the mean image."""


@dataclass(frozen=True)
class ImageModel:
    """A network with what is usual for it. Images are `(n, channels, height, width)` in their own values."""

    network: ImageNetwork
    levels: ImageLevels
    cloud: CodeCloud | None
    """Only of variational autoencoders."""

    def scores(self, images: NDArray[Any]) -> NDArray[np.float64]:
        """Scores `(n,)` in units of −log p, higher = more anomalous: the largest over the judge's views."""
        judge, views = self.network.judge, []
        if judge.whole:
            views.append(self.levels.tail(self.network.divergence(images) - self.levels.lowest))
        if judge.local:
            views.append(self.levels.peak_tail(self._in_blocks(images, self._peaks).astype(np.float64)))
        return np.asarray(np.max(views, axis=0))

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

    def denoised(self, images: NDArray[Any], noise: float | None) -> FloatArray:
        """Images between what was seen and what was rebuilt, the nearer to the latter the noisier they are.

        With a usual error v and noise of variance n, the best weight for what was seen is v / (v + n), as in a Wiener
        filter. v + n shows in the error itself when the noise is not known.
        """
        usual = self.levels.error
        if noise is None:
            seen = self.network.squared_errors(images).mean(axis=(1, 2, 3), keepdims=True)
            weight = usual / np.maximum(seen, usual)
        else:
            weight = usual / (usual + (noise / self.network.scale.width) ** 2)
        rebuilt = self.network.reconstruct(images)
        return np.asarray(rebuilt + weight * (images - rebuilt), dtype=np.float32)

    def sampled(self, n: int, *, random_state: int) -> FloatArray:
        """New images `(n, channels, height, width)` from codes that are drawn as those of training images fall."""
        if self.cloud is None:
            raise ParameterError(
                "`bottleneck` (='deterministic') does not learn how codes are distributed; fit with "
                "bottleneck='gaussian' to draw new images"
            )
        noise = np.random.default_rng(random_state).standard_normal((n, len(self.cloud.mean)), dtype=np.float32)
        return self.network.decode(self.cloud.mean + noise @ self.cloud.factor.T)

    def between(self, first: NDArray[Any], last: NDArray[Any], steps: int) -> FloatArray:
        """Images `(steps, channels, height, width)` of evenly spaced codes from one image to another."""
        ends = self.network.encode(np.stack([first, last]))
        share = np.linspace(0, 1, steps, dtype=np.float32)[:, np.newaxis]
        return self.network.decode((1 - share) * ends[0] + share * ends[1])

    @property
    def compression(self) -> Compression:
        """What a code saves and what it costs."""
        levels, network = self.levels, self.network
        return Compression(
            ratio=float(np.prod(network.shape)) / network.code_length,
            rmse=levels.error**0.5 * network.scale.width,
            unexplained=levels.error / max(levels.variance, 1e-12),
        )
