"""Small networks and series to train them on."""

from __future__ import annotations

import math
from typing import Any

import torch

from tsae.nn.autoencoder import AutoEncoder, build_autoencoder
from tsae.nn.options import NetworkSpec
from tsae.training.batches import WindowSource

WINDOW = (8, 2)


def network(*, seed: int = 0, **options: Any) -> AutoEncoder:
    """A dense autoencoder of windows of shape `WINDOW`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_autoencoder(NetworkSpec(**{"latent_dim": 3, "hidden": (16,), **options}), WINDOW)


def waves(n_rows: int = 200) -> torch.Tensor:
    """Two noisy channels `(n_rows, 2)`."""
    time = torch.arange(n_rows, dtype=torch.float32)
    noise = torch.randn(n_rows, 2, generator=torch.Generator().manual_seed(0))
    return torch.stack([torch.sin(time / 3), torch.cos(time / 5)], dim=1) + 0.1 * noise


def windows(n_rows: int = 200, *, first: int = 0) -> WindowSource:
    """All windows of `waves` from row `first` on."""
    return WindowSource(waves(n_rows), None, torch.arange(first, n_rows - WINDOW[0] + 1), WINDOW[0])


def normal_log_density(x: float, mean: float, variance: float) -> float:
    """log N(x; mean, variance)."""
    return -0.5 * (math.log(2 * math.pi * variance) + (x - mean) ** 2 / variance)
