"""The kinds of autoencoder by name: parameters for a detector that uses only this kind."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from tsae.errors import ParameterError
from tsae.nn.architectures import ARCHITECTURES

__all__ = ["RECIPES", "DataKind", "recipe"]

DataKind = Literal["series", "images"]

RECIPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        **{each.kind: MappingProxyType({"architecture": name}) for name, each in ARCHITECTURES.items()},
        "deep": MappingProxyType({"architecture": "dense", "hidden": (256, 128, 64), "pretraining": "rbm"}),
        "variational": MappingProxyType({"architecture": "dense", "bottleneck": "gaussian"}),
        "denoising": MappingProxyType({"architecture": "dense", "corruption": "gaussian", "corruption_level": 0.2}),
    }
)
"""Parameters and options of each kind, for series and images; all others keep their defaults."""

_ALONE: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Neither principal components beside the network nor members of another kind beside it.
        "series": MappingProxyType({"linear_path": False, "preset": "alone"}),
        "images": MappingProxyType({"linear_path": False}),
    }
)


def recipe(name: str, data: DataKind = "series", **overrides: Any) -> dict[str, Any]:
    """Return the parameters of a detector that uses a single kind of autoencoder.

    Parameters
    ----------
    name
        One of `RECIPES`.
    data
        "series" for `AnomalyDetector`, "images" for `ImageAnomalyDetector`.
    **overrides
        Parameters that replace the recipe's or are added to them: `preset="balanced"` adds members that predict hidden
        blocks. Options of the network and its training go by their own name (`linear_path=True`), by scikit-learn's
        (`network__linear_path=True`), or in a dictionary that is added to the recipe's (`network={"width": 16}`).

    Raises
    ------
    ParameterError
        If there is no recipe of that name, or it is for other data.

    Examples
    --------
    >>> recipe("transformer", max_steps=50)
    {'preset': 'alone', 'architecture': 'transformer', 'max_steps': 50, 'network': {'linear_path': False}}
    """
    from tsae.detection.parameters.groups import in_groups  # loads NumPy, which help does without

    if name not in RECIPES:
        raise ParameterError(f"kind {name!r} of autoencoder is unknown; choose one of {', '.join(RECIPES)}")
    if data not in _ALONE:
        raise ParameterError(f"`data` (={data!r}) is unknown; choose one of {', '.join(_ALONE)}")
    return in_groups({**_ALONE[data], **RECIPES[name]}, overrides)
