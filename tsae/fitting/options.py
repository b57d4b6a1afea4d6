"""What a detector's parameters come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tsae.networks.criterion import Judge
from tsae.nn.options import NetworkOptions
from tsae.training.options import TrainingOptions

__all__ = ["ModelOptions"]


@dataclass(frozen=True)
class ModelOptions:
    """How the members of a detector are made and trained."""

    network: NetworkOptions
    training: TrainingOptions
    judge: Judge
    window_size: str | int | Sequence[int]
    latent_dim: str | int
    max_steps: str | int
    linear_path: bool
    preset: str
    pretraining: Literal["rbm"] | None
    machines: Mapping[str, Any]
    """What is stated of the training of restricted Boltzmann machines, by the names of `RBMOptions`."""
