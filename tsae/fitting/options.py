"""What a detector's parameters come to: how its networks are made, trained and used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tsae.networks.criterion import Judge
from tsae.nn.options import NetworkSpec
from tsae.training.options import TrainingSpec

__all__ = ["FitOptions", "ImageOptions", "SeriesOptions"]


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """What series and images have in common."""

    network: NetworkSpec
    """Its code length is not yet known."""
    training: TrainingSpec
    judge: Judge
    latent_dim: int | Literal["auto"]
    linear_path: bool
    pretraining: Literal["rbm"] | None
    rbm: Mapping[str, Any]
    """What is stated of the training of restricted Boltzmann machines, by the names of `RBMOptions`."""


@dataclass(frozen=True, kw_only=True)
class SeriesOptions(FitOptions):
    """How the members of an `AnomalyDetector` are made and trained."""

    preset: str
    window_size: int | Sequence[int] | Literal["auto"]
    max_steps: int | Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class ImageOptions(FitOptions):
    """How the autoencoder of an `ImageAnomalyDetector` is made, trained and used."""

    local_score: bool
