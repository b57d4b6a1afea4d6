"""The composition: encoder → bottleneck → decoder, with an optional linear path beside it."""

from __future__ import annotations

from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from tsae.nn.linear import LinearPath

__all__ = ["AutoEncoder", "Latent", "Reconstruction"]


class Latent(NamedTuple):
    """What a bottleneck returns. `code` is what the decoder sees, `(batch, latent_dim)`."""

    code: Tensor
    mean: Tensor
    log_var: Tensor | None = None
    """Logarithm of the posterior variance; `None` for a deterministic bottleneck."""


class Reconstruction(NamedTuple):
    """What an autoencoder returns, in training and in evaluation alike."""

    mean: Tensor
    """The reconstruction, shaped like the input."""
    log_var: Tensor | None
    """Logarithm of the learned output variance, shaped like the input; `None` if it is fixed."""
    latent: Latent


class Encoder(Protocol):
    """Maps inputs `(batch, *input_shape)` to features `(batch, out_features)`."""

    out_features: int

    def __call__(self, inputs: Tensor) -> Tensor: ...


class AutoEncoder(nn.Module):
    """Encoder, bottleneck and decoder joined by one int and one shape.

    Parameters
    ----------
    encoder
        `(batch, *input_shape)` → `(batch, encoder.out_features)`.
    bottleneck
        `(batch, encoder.out_features)` → `Latent` with codes `(batch, latent_dim)`.
    decoder
        `(batch, latent_dim)` → `(batch, *input_shape)`, or `(batch, 2, *input_shape)` holding mean and
        log-variance when `learned_variance`.
    linear_path
        A fitted principal-component path whose reconstruction is added to the decoder's. Its coordinates come
        first in the code. The decoder's last layer should then start at zero (see `tsae.nn.build`).
    corruption
        Applied to the input in training only; the target stays clean.
    learned_variance
        Whether the decoder also returns a log-variance.
    """

    def __init__(
        self,
        encoder: nn.Module,
        bottleneck: nn.Module,
        decoder: nn.Module,
        *,
        linear_path: LinearPath | None = None,
        corruption: nn.Module | None = None,
        learned_variance: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.bottleneck = bottleneck
        self.decoder = decoder
        self.linear_path = linear_path
        self.corruption = corruption
        self.learned_variance = learned_variance

    @property
    def n_linear(self) -> int:
        """How many leading coordinates of a code belong to the linear path."""
        return 0 if self.linear_path is None else self.linear_path.n_components

    def latent(self, inputs: Tensor) -> Latent:
        """The nonlinear bottleneck's answer for clean inputs `(batch, *input_shape)`."""
        return cast(Latent, self.bottleneck(self.encoder(inputs)))

    def encode(self, inputs: Tensor) -> Tensor:
        """Inputs `(batch, *input_shape)` → codes `(batch, n_linear + latent_dim)`; the posterior mean if Gaussian."""
        code = self.latent(inputs).mean
        return code if self.linear_path is None else torch.cat([self.linear_path.encode(inputs), code], dim=1)

    def decode(self, code: Tensor) -> Tensor:
        """Codes `(batch, n_linear + latent_dim)` → reconstructions `(batch, *input_shape)`."""
        mean, _ = self._split(self.decoder(code[:, self.n_linear :]))
        return mean if self.linear_path is None else mean + self.linear_path.decode(code[:, : self.n_linear])

    def forward(self, inputs: Tensor) -> Reconstruction:
        """Inputs `(batch, *input_shape)` → `Reconstruction` of the same shape, in train and eval alike."""
        seen = self.corruption(inputs) if self.training and self.corruption is not None else inputs
        latent = self.latent(seen)
        mean, log_var = self._split(self.decoder(latent.code))
        if self.linear_path is not None:
            mean = mean + self.linear_path(seen)
        return Reconstruction(mean, log_var, latent)

    def _split(self, decoded: Tensor) -> tuple[Tensor, Tensor | None]:
        if not self.learned_variance:
            return decoded, None
        return decoded[:, 0], decoded[:, 1]
