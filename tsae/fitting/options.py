"""Resolved options of a fit: how networks are made, trained and used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tsae.networks.criterion import Criterion
from tsae.nn.options import NetworkSpec
from tsae.training.options import TrainingSpec

__all__ = ["FitOptions", "ImageOptions", "SeriesOptions"]


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Options that series and images share."""

    network: NetworkSpec
    """Its code length is not yet known."""
    training: TrainingSpec
    criterion: Criterion
    latent_dim: int | Literal["auto"]
    linear_path: bool
    pretraining: Literal["rbm"] | None
    rbm: Mapping[str, Any]
    """Options for the training of RBMs, by the names of `RBMOptions`; the others keep their defaults."""


@dataclass(frozen=True, kw_only=True)
class SeriesOptions(FitOptions):
    """Options of the members of an `AnomalyDetector`."""

    preset: str
    window_size: int | Sequence[int] | Literal["auto"]
    max_steps: int | Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class ImageOptions(FitOptions):
    """Options of the autoencoder of an `ImageAnomalyDetector`."""

    local_score: bool
