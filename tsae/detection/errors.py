"""Models as functions from windows to errors."""

from __future__ import annotations

import torch
from torch import Tensor

from tsae.nn.autoencoder import AutoEncoder

__all__ = ["ReconstructionErrors"]


class ReconstructionErrors:
    """Squared difference between windows and what the autoencoder makes of them."""

    def __init__(self, network: AutoEncoder) -> None:
        self.network = network.eval()

    @torch.inference_mode()
    def __call__(self, windows: Tensor) -> Tensor:
        """Windows `(batch, window_size, n_channels)` → squared errors of the same shape."""
        return (self.network(windows).mean - windows).square_()
