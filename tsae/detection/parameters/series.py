"""From the plain parameters of a series detector to the options of its parts, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tsae.detection.parameters.checks import checked_parameters
from tsae.detection.parameters.parts import check_parts, judge_of, kl_weight_of, network_of, training_of
from tsae.errors import ParameterError
from tsae.fitting.options import ModelOptions

__all__ = ["series_options"]

_KL_WEIGHT_OF_DISTANCES = 0.05  # twice the variance of noise, 1 being a channel's own


def series_options(parameters: Mapping[str, Any], *, seed: int) -> ModelOptions:
    """Check the parameters of `AnomalyDetector`, each and against each other.

    Raises
    ------
    ParameterError
        If one is unknown, out of range, or clashes with another.
    """
    values = checked_parameters(parameters)
    check_parts(values)
    if values["pretraining"] == "rbm" and values["hidden"] == []:
        rule = "leaves one machine between two Gaussian layers, whose energy has no minimum"
        raise ParameterError(f"`hidden` (=()) {rule}; pass a width, or pretraining=None")
    kl_weight = kl_weight_of(values, of_distances=_KL_WEIGHT_OF_DISTANCES)
    rest = ("window_size", "latent_dim", "max_steps", "linear_path", "preset", "pretraining")
    return ModelOptions(
        network=network_of(values, bounded=False),
        training=training_of(values, kl_weight=kl_weight),
        judge=judge_of(values, kl_weight=kl_weight, seed=seed),
        machines=values["rbm"] or {},
        **{name: values[name] for name in rest},
    )
