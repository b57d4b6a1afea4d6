"""The composition: encoder → bottleneck → decoder, with an optional linear path beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from tsae.errors import ParameterError
from tsae.nn.bottleneck import Gaussian, Latent
from tsae.nn.linear import LinearPath

__all__ = ["AutoEncoder", "Latent", "Reconstruction"]


class Reconstruction(NamedTuple):
    """The output of an autoencoder, the same type in training and in evaluation."""

    mean: Tensor
    """The reconstruction, shaped like the input."""
    log_var: Tensor | None
    """Logarithm of the learned output variance, shaped like the input; `None` if it is fixed."""
    latent: Latent


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
    output_activation
        Applied to the reconstruction last; `None` leaves it as it is.
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
        output_activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.bottleneck = bottleneck
        self.decoder = decoder
        self.linear_path = linear_path
        self.corruption = corruption
        self.learned_variance = learned_variance
        self.output_activation = output_activation

    @property
    def n_linear(self) -> int:
        """Number of leading coordinates of a code that belong to the linear path."""
        return 0 if self.linear_path is None else self.linear_path.n_components

    def latent(self, inputs: Tensor) -> Latent:
        """The nonlinear bottleneck's answer for clean inputs `(batch, *input_shape)`."""
        return cast(Latent, self.bottleneck(self.encoder(inputs)))

    def encode(self, inputs: Tensor) -> Tensor:
        """Inputs `(batch, *input_shape)` → codes `(batch, n_linear + latent_dim)`, the mean if Gaussian."""
        code = self.latent(inputs).mean
        return code if self.linear_path is None else torch.cat([self.linear_path.encode(inputs), code], dim=1)

    def decode(self, code: Tensor) -> Tensor:
        """Codes `(batch, n_linear + latent_dim)` → reconstructions `(batch, *input_shape)`."""
        linear = None if self.linear_path is None else self.linear_path.decode(code[:, : self.n_linear])
        return self._rebuild(code[:, self.n_linear :], linear)[0]

    def forward(self, inputs: Tensor) -> Reconstruction:
        """Inputs `(batch, *input_shape)` → `Reconstruction` of the same shape, in train and eval alike."""
        seen = self.corruption(inputs) if self.training and self.corruption is not None else inputs
        latent = self.latent(seen)
        linear = None if self.linear_path is None else self.linear_path(seen)
        return Reconstruction(*self._rebuild(latent.code, linear), latent)

    def posterior(self, inputs: Tensor, noise: Tensor) -> Iterator[Reconstruction]:
        """Rebuild inputs `(batch, *input_shape)` from codes of their Gaussian posterior.

        `noise`, standard normal `(n_samples, latent_dim)`, makes the draws. The iterator gives one `Reconstruction`
        for each, so memory does not grow with their number.

        Raises
        ------
        ParameterError
            If the bottleneck is not Gaussian.
        """
        if not isinstance(self.bottleneck, Gaussian):
            kind = type(self.bottleneck).__name__
            rule = "has no posterior to draw from"
            raise ParameterError(f"`bottleneck` (={kind}) {rule}; build it with bottleneck='gaussian'")
        latent = self.latent(inputs)
        linear = None if self.linear_path is None else self.linear_path(inputs)
        codes = (self.bottleneck.sample(latent, draw)[0] for draw in torch.split(noise, 1))
        return (Reconstruction(*self._rebuild(code, linear), latent._replace(code=code)) for code in codes)

    def _rebuild(self, code: Tensor, linear: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Mean and log-variance from a nonlinear code and the linear path's share of the mean."""
        decoded = self.decoder(code)
        mean, log_var = (decoded[:, 0], decoded[:, 1]) if self.learned_variance else (decoded, None)
        if linear is not None:
            mean = mean + linear if torch.is_grad_enabled() else mean.add_(linear)
        if self.output_activation is not None:
            mean = self.output_activation(mean)
        return mean, log_var
