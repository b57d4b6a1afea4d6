"""The kinds of autoencoder by name: parameters that every detector takes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tsae.errors import ParameterError

__all__ = ["RECIPES", "recipe"]

RECIPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "undercomplete": MappingProxyType({"architecture": "dense"}),
        "deep": MappingProxyType(
            {"architecture": "dense", "hidden": (256, 128, 64), "linear_path": False, "pretraining": "rbm"}
        ),
        "convolutional": MappingProxyType({"architecture": "conv"}),
        "transformer": MappingProxyType({"architecture": "transformer"}),
        "variational": MappingProxyType({"architecture": "dense", "bottleneck": "gaussian"}),
        "denoising": MappingProxyType({"architecture": "dense", "corruption": "gaussian", "corruption_level": 0.2}),
    }
)
"""Parameters of `AnomalyDetector` and `ImageAnomalyDetector` by kind; what a recipe does not name keeps its default."""


def recipe(name: str, **overrides: Any) -> dict[str, Any]:
    """Parameters for a kind of autoencoder.

    Parameters
    ----------
    name
        One of `RECIPES`.
    **overrides
        Parameters that replace the recipe's or are added to them.

    Raises
    ------
    ParameterError
        If there is no recipe of that name.

    Examples
    --------
    >>> recipe("denoising", corruption_level=0.3, max_steps=50)
    {'architecture': 'dense', 'corruption': 'gaussian', 'corruption_level': 0.3, 'max_steps': 50}
    """
    if name not in RECIPES:
        raise ParameterError(f"recipe {name!r} is unknown; choose one of {', '.join(RECIPES)}")
    return {**RECIPES[name], **overrides}
