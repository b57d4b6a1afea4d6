"""From an encoder's features to a code: one point, or a Gaussian posterior."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tsae.errors import ParameterError

__all__ = ["Deterministic", "Gaussian", "Latent"]


class Latent(NamedTuple):
    """The output of a bottleneck. The decoder sees `code`, `(batch, latent_dim)`."""

    code: Tensor
    mean: Tensor
    log_var: Tensor | None = None
    """Logarithm of the posterior variance; `None` for a deterministic bottleneck."""


class Deterministic(nn.Module):
    """Features `(batch, in_features)` → one linear code `(batch, latent_dim)`."""

    def __init__(self, in_features: int, latent_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(in_features, latent_dim)

    def forward(self, features: Tensor) -> Latent:
        code = self.mean(features)
        return Latent(code, code)


class Gaussian(nn.Module):
    """Features `(batch, in_features)` → a Gaussian posterior with diagonal covariance over codes.

    In training the code is drawn from the posterior by the reparameterisation trick, from torch's global
    generator; in evaluation it is the posterior mean.

    Source: Kingma & Welling, Auto-encoding variational Bayes, ICLR 2014.
    """

    def __init__(self, in_features: int, latent_dim: int) -> None:
        super().__init__()
        self.mean = nn.Linear(in_features, latent_dim)
        self.log_var = nn.Linear(in_features, latent_dim)

    def forward(self, features: Tensor) -> Latent:
        mean = self.mean(features)
        # Beyond these bounds exp overflows, or the noise is lost in float32.
        log_var = self.log_var(features).clamp(-20.0, 20.0)
        code = mean + (0.5 * log_var).exp() * torch.randn_like(mean) if self.training else mean
        return Latent(code, mean, log_var)

    def sample(self, latent: Latent, noise: Tensor) -> Tensor:
        """Codes `(n_samples, batch, latent_dim)` from the posteriors in `latent`.

        `noise`, standard normal `(n_samples, latent_dim)`, is the same for every input of the batch, so that the
        answer for one does not depend on the others.

        Raises
        ------
        ParameterError
            If `latent` comes from a deterministic bottleneck.
        """
        if latent.log_var is None:
            rule = "must hold a log-variance to be drawn from"
            raise ParameterError(f"`latent` (log_var=None) {rule}; pass what this bottleneck returned")
        return latent.mean + (0.5 * latent.log_var).exp() * noise.unsqueeze(1)
