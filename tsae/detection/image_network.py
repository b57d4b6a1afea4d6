"""A trained autoencoder of images: what it rebuilds, and how far an image is from what it rebuilds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tsae.images.arrays import ImageScale
from tsae.nn.autoencoder import AutoEncoder, Reconstruction
from tsae.nn.options import NetworkOptions
from tsae.training.objectives import entry_loss, kl_divergence

__all__ = ["ImageJudge", "ImageNetwork", "JudgeKind"]

JudgeKind = Literal["error", "probability", "elbo"]
FloatArray = NDArray[np.float32]
Pixels = NDArray[Any]
Scores = NDArray[np.float64]
_BYTES_AT_ONCE = 4 * 2**20  # of images; hidden layers need a multiple of it


@dataclass(frozen=True)
class ImageJudge:
    """What makes an image anomalous: it as a whole, or its most unusual place. Higher = more anomalous."""

    whole: bool
    """Whether the mean over all pixels counts."""
    local: bool
    """Whether the place with the largest heat counts."""
    kind: JudgeKind
    """What the mean is taken of. "error": squared error. "probability": negative log-likelihood (`loss`) of the image.
    "elbo": the same plus the KL divergence between posterior and prior, which together bound its evidence."""
    loss: str
    kl_weight: float
    n_samples: int
    """Draws from the posterior that a variational likelihood is averaged over."""
    seed: int
    """Of these draws; they are the same for every image, so that its score depends on nothing else."""


class ImageNetwork:
    """An autoencoder that takes images in their own values and answers in them.

    Parameters
    ----------
    autoencoder, options
        The autoencoder and what it was built from.
    scale
        Between the user's values and the network's.
    judge
        How images are scored.
    shape
        `(channels, height, width)`.
    """

    def __init__(
        self,
        autoencoder: AutoEncoder,
        options: NetworkOptions,
        scale: ImageScale,
        judge: ImageJudge,
        shape: tuple[int, int, int],
    ) -> None:
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        self.options, self.scale, self.judge, self.shape = options, scale, judge, shape

    def squared_errors(self, images: Pixels) -> FloatArray:
        """Squared errors of scaled values, shaped like `images` `(n, channels, height, width)`."""
        return self._each_batch(images, lambda inputs: (self._values(self.autoencoder(inputs)) - inputs).square())

    def reconstruct(self, images: Pixels) -> FloatArray:
        """What the network makes of images `(n, channels, height, width)`, in their values."""
        return self.scale.restored(self._each_batch(images, lambda inputs: self._values(self.autoencoder(inputs))))

    def encode(self, images: Pixels) -> FloatArray:
        """Codes `(n, latent_dim)`, those of the linear path first; means if variational."""
        return self._each_batch(images, self.autoencoder.encode)

    @torch.inference_mode()
    def decode(self, codes: FloatArray) -> FloatArray:
        """Codes `(n, latent_dim)` → images `(n, channels, height, width)` in the user's values."""
        batches = torch.split(torch.from_numpy(np.asarray(codes, dtype=np.float32)), self.block_size)
        decoded = torch.cat([self._squashed(self.autoencoder.decode(batch)) for batch in batches])
        return self.scale.restored(decoded.numpy())

    def divergence(self, images: Pixels) -> Scores:
        """How unusual each image is on the judge's own scale, `(n,)`."""
        judged = self._squared_error if self.judge.kind == "error" else self._negative_likelihood
        return self._each_batch(images, judged).astype(np.float64)

    @property
    def code_length(self) -> int:
        """Numbers in a code, the linear path's included."""
        return self.autoencoder.n_linear + self.options.latent_dim

    def _squared_error(self, inputs: Tensor) -> Tensor:
        return (self._values(self.autoencoder(inputs)) - inputs).square().flatten(1).mean(1)

    def _negative_likelihood(self, inputs: Tensor) -> Tensor:
        judge = self.judge
        target = inputs.clamp(0, 1) if judge.loss == "bernoulli" else inputs
        total = torch.zeros(len(inputs))
        n_draws = 0
        for reconstruction in self._reconstructions(inputs):
            total += entry_loss(reconstruction, target, judge.loss).flatten(1).mean(1)
            n_draws += 1
        total /= n_draws
        if judge.kind == "elbo":
            total += judge.kl_weight * kl_divergence(reconstruction.latent) / inputs[0].numel()
        return total

    def _reconstructions(self, inputs: Tensor) -> Iterator[Reconstruction]:
        if self.options.bottleneck != "gaussian":
            return iter([self.autoencoder(inputs)])
        generator = torch.Generator().manual_seed(self.judge.seed)
        return self.autoencoder.posterior(inputs, self.judge.n_samples, generator=generator)

    def _values(self, reconstruction: Reconstruction) -> Tensor:
        return self._squashed(reconstruction.mean)

    def _squashed(self, mean: Tensor) -> Tensor:
        """A Bernoulli likelihood works on logits."""
        return mean.sigmoid() if self.judge.loss == "bernoulli" else mean

    @property
    def block_size(self) -> int:
        """How many images are taken at once."""
        return max(1, _BYTES_AT_ONCE // (4 * int(np.prod(self.shape))))

    @torch.inference_mode()
    def _each_batch(self, images: Pixels, answer: Callable[[Tensor], Tensor]) -> FloatArray:
        size = self.block_size
        batches = (images[first : first + size] for first in range(0, len(images), size))
        answers = [answer(torch.from_numpy(self.scale.scaled(batch))) for batch in batches]
        return torch.cat(answers).numpy()
