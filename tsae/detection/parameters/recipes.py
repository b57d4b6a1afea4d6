"""The kinds of autoencoder by name: parameters for a detector that goes by this kind alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from tsae.errors import ParameterError

__all__ = ["RECIPES", "DataKind", "recipe"]

DataKind = Literal["series", "images"]

RECIPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "undercomplete": MappingProxyType({"architecture": "dense"}),
        "deep": MappingProxyType({"architecture": "dense", "hidden": (256, 128, 64), "pretraining": "rbm"}),
        "convolutional": MappingProxyType({"architecture": "conv"}),
        "transformer": MappingProxyType({"architecture": "transformer"}),
        "variational": MappingProxyType({"architecture": "dense", "bottleneck": "gaussian"}),
        "denoising": MappingProxyType({"architecture": "dense", "corruption": "gaussian", "corruption_level": 0.2}),
    }
)
"""What sets each kind apart, alike for series and images; what is not named keeps its default."""

_ALONE: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Neither principal components beside the network nor members of another kind beside it.
        "series": MappingProxyType({"linear_path": False, "preset": "alone"}),
        "images": MappingProxyType({"linear_path": False}),
    }
)


def recipe(name: str, data: DataKind = "series", **overrides: Any) -> dict[str, Any]:
    """Parameters for a kind of autoencoder that alone makes the score.

    Parameters
    ----------
    name
        One of `RECIPES`.
    data
        "series" for `AnomalyDetector`, "images" for `ImageAnomalyDetector`.
    **overrides
        Parameters that replace the recipe's or are added to them: `preset="balanced"` puts members that predict
        hidden blocks beside the kind, `linear_path=True` principal components.

    Raises
    ------
    ParameterError
        If there is no recipe of that name, or it is for other data.

    Examples
    --------
    >>> recipe("transformer", max_steps=50)
    {'linear_path': False, 'preset': 'alone', 'architecture': 'transformer', 'max_steps': 50}
    """
    if name not in RECIPES:
        raise ParameterError(f"kind {name!r} of autoencoder is unknown; choose one of {', '.join(RECIPES)}")
    if data not in _ALONE:
        raise ParameterError(f"`data` (={data!r}) is unknown; choose one of {', '.join(_ALONE)}")
    return {**_ALONE[data], **RECIPES[name], **overrides}
