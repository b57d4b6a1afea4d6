"""What a detector's parameters come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tsae.nn.options import NetworkOptions
from tsae.training.options import TrainingOptions

__all__ = ["ModelOptions"]


@dataclass(frozen=True)
class ModelOptions:
    """How the members of a detector are made and trained."""

    network: NetworkOptions
    training: TrainingOptions
    window_size: str | int | Sequence[int]
    latent_dim: str | int
    max_steps: str | int
    linear_path: bool
    preset: str
