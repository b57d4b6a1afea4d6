"""What is known of a network's codes: how they are spread, what they save, and what they lose."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.detection.codes.bottleneck import BottleneckFacts

__all__ = [
    "CodeCloud",
    "CodeFacts",
    "Compression",
    "fit_cloud",
]

FloatArray = NDArray[np.float32]
_SIZES = (1, 2, 4, 8, 16)  # Gaussians that are tried
_SPREAD = 1e-4  # of the codes' mean variance, added to each direction, so that a code that never moves has a factor


@dataclass(frozen=True)
class CodeCloud:
    """How the codes of training inputs are spread: a mixture of Gaussians, fitted after training.

    Source: Ghosh et al., From variational to deterministic autoencoders, ICLR 2020 ("ex-post density estimation").
    """

    weights: NDArray[np.float64]
    """Share of each Gaussian, `(n_gaussians,)`."""
    means: FloatArray
    """`(n_gaussians, latent_dim)`."""
    factors: FloatArray
    """`(n_gaussians, latent_dim, latent_dim)`; covariances are `factor @ factor.T`."""

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """New codes `(n, latent_dim)`."""
        chosen = rng.choice(len(self.weights), size=n, p=self.weights)
        noise = rng.standard_normal((n, self.means.shape[1]), dtype=np.float32)
        codes = self.means[chosen]
        for number in np.unique(chosen):
            rows = chosen == number
            codes[rows] += noise[rows] @ self.factors[number].T
        return codes


class Compression(NamedTuple):
    """What a code saves and what it costs, on inputs that the network was not trained on."""

    ratio: float
    """Values of an input over numbers in its code; an input is an image, or a window of the sensors that the network
    sees."""
    rmse: float
    """Root of the mean squared error: of images in their values, of windows in the sensors' standard deviations."""
    unexplained: float
    """Share of the values' variance that is lost; 0 is perfect, 1 no better than the mean input."""


@dataclass(frozen=True)
class CodeFacts:
    """What has been measured on a network's codes; in the network's values, unless it says otherwise."""

    compression: Compression
    left: FloatArray
    """Mean squared error of a reconstruction, broadcast over an input: `(n_channels,)`, `(channels, height, width)`."""
    left_by_row: FloatArray
    """The same of the mean over all windows that cover a row, `(n_channels,)`; of images, equal to `left`."""
    cloud: CodeCloud | None
    """Only of variational autoencoders."""
    bottleneck: BottleneckFacts


def fit_cloud(codes: NDArray[Any], others: NDArray[Any], *, random_state: int) -> CodeCloud:
    """Fit a mixture to `codes` `(n, latent_dim)`; the one under which `others` are likeliest."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    centre, width = codes.mean(axis=0), np.maximum(codes.std(axis=0), 1e-6)
    scaled, unseen = ((part - centre) / width for part in (codes.astype(np.float64), others.astype(np.float64)))
    most = len(codes) // (2 * codes.shape[1])  # a Gaussian has more numbers than that many codes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixtures = [
            GaussianMixture(size, reg_covar=_SPREAD, random_state=random_state).fit(scaled)
            for size in _SIZES
            if size <= max(1, most)
        ]
    best = max(mixtures, key=lambda mixture: mixture.score(unseen))
    factors = np.linalg.cholesky(best.covariances_) * width[:, np.newaxis]
    means = best.means_ * width + centre
    return CodeCloud(best.weights_ / best.weights_.sum(), means.astype(np.float32), factors.astype(np.float32))
