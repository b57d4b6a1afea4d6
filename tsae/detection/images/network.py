"""A trained autoencoder of images: what it rebuilds, and how far an image is from what it rebuilds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tsae.images.arrays import ImageScale
from tsae.networks.criterion import Criterion
from tsae.networks.entry_errors import entry_errors, rebuilt_values
from tsae.nn.autoencoder import AutoEncoder
from tsae.nn.options import NetworkSpec
from tsae.scoring.rebuilding import towards

__all__ = ["ImageNetwork"]

FloatArray = NDArray[np.float32]
Pixels = NDArray[Any]
Scores = NDArray[np.float64]
_BYTES_AT_ONCE = 4 * 2**20  # of images; hidden layers need a multiple of it


class ImageNetwork:
    """An autoencoder that takes images in their own values and answers in them.

    Parameters
    ----------
    autoencoder, options
        The autoencoder and what it was built from.
    scale
        Between the user's values and the network's.
    criterion
        How images are scored.
    shape
        `(channels, height, width)`.
    """

    def __init__(
        self,
        autoencoder: AutoEncoder,
        options: NetworkSpec,
        scale: ImageScale,
        criterion: Criterion,
        shape: tuple[int, int, int],
    ) -> None:
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        self.options, self.scale, self.criterion, self.shape = options, scale, criterion, shape

    def squared_errors(self, images: Pixels) -> FloatArray:
        """Squared errors of scaled values, shaped like `images` `(n, channels, height, width)`."""
        return self._each_batch(images, lambda inputs: (self.rebuilt(inputs) - inputs).square())

    def reconstruct(self, images: Pixels) -> FloatArray:
        """What the network makes of images `(n, channels, height, width)`, in their values."""
        return self.scale.restored(self._each_batch(images, self.rebuilt))

    @torch.inference_mode()
    def rebuilt(self, inputs: Tensor) -> Tensor:
        """What the network makes of inputs `(batch, channels, height, width)`, both in its own values."""
        return rebuilt_values(self.criterion, self.autoencoder(inputs).mean)

    def cleaned(self, images: Pixels, *, noise: NDArray[np.float64] | None, left: FloatArray) -> FloatArray:
        """Images `(n, channels, height, width)` in their values, drawn towards what the network makes of them.

        Parameters
        ----------
        noise
            Standard deviation of the noise of each channel `(channels,)`, in the values of the images; `None` takes
            for it what the error of each image exceeds `left`, the usual one of each pixel, scaled.
        """
        seen, rebuilt = self.scale.scaled(images), self._each_batch(images, self.rebuilt)
        if noise is None:
            error = np.square(rebuilt - seen).mean(axis=(1, 2, 3), keepdims=True)
            variance = np.maximum(error - left.mean(), 0)
        else:
            variance = np.square(noise / self.scale.width)[:, np.newaxis, np.newaxis]
        return self.scale.restored(towards(seen, rebuilt, left, variance))

    def encode(self, images: Pixels) -> FloatArray:
        """Codes `(n, latent_dim)`, those of the linear path first; means if variational."""
        return self._each_batch(images, self.autoencoder.encode)

    @torch.inference_mode()
    def decode(self, codes: FloatArray) -> FloatArray:
        """Codes `(n, latent_dim)` → images `(n, channels, height, width)` in the user's values."""
        batches = torch.split(torch.from_numpy(np.asarray(codes, dtype=np.float32)), self.block_size)
        decoded = torch.cat([rebuilt_values(self.criterion, self.autoencoder.decode(batch)) for batch in batches])
        return self.scale.restored(decoded.numpy())

    def divergence(self, images: Pixels) -> Scores:
        """How unusual each image is on the criterion's own scale, `(n,)`."""
        answers = self._each_batch(
            images, lambda inputs: entry_errors(self.criterion, self.autoencoder, inputs).flatten(1).mean(1)
        )
        return answers.astype(np.float64)

    @property
    def code_length(self) -> int:
        """Numbers in a code, the linear path's included."""
        return self.autoencoder.n_linear + self.options.latent_dim

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
