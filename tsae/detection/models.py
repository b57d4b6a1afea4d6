"""What a detector asks of a network: the errors of windows, what was expected instead, and their codes."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from tsae.nn.autoencoder import AutoEncoder, Reconstruction

__all__ = ["ReconstructionModel", "WindowModel"]


class WindowModel(Protocol):
    """Anything that judges windows `(batch, window_size, n_channels)`, scaled, without NaN."""

    @property
    def network(self) -> AutoEncoder:
        """The network with the weights to keep."""

    def errors(self, windows: Tensor) -> Tensor:
        """Errors of the same shape, none negative."""

    def reconstruct(self, windows: Tensor) -> Tensor:
        """Expected values of the same shape."""

    def encode(self, windows: Tensor) -> Tensor:
        """Codes `(batch, latent_dim)`."""

    def decode(self, codes: Tensor) -> Tensor:
        """Windows of these codes."""


class ReconstructionModel:
    """Judges a window by the squared difference to what the autoencoder makes of it."""

    def __init__(self, network: AutoEncoder) -> None:
        self.network = network.eval().requires_grad_(False)

    @torch.inference_mode()
    def errors(self, windows: Tensor) -> Tensor:
        """Squared differences, shaped like `windows`."""
        return (self.reconstruct(windows) - windows).square_()

    @torch.inference_mode()
    def reconstruct(self, windows: Tensor) -> Tensor:
        """Reconstructions, shaped like `windows`."""
        reconstruction: Reconstruction = self.network(windows)
        return reconstruction.mean

    @torch.inference_mode()
    def encode(self, windows: Tensor) -> Tensor:
        """Codes `(batch, latent_dim)`, those of the linear path first."""
        return self.network.encode(windows)

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Windows `(batch, window_size, n_channels)` of codes `(batch, latent_dim)`."""
        return self.network.decode(codes)
