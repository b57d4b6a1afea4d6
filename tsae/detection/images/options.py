"""From the plain parameters of an image detector to the options of its parts, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tsae.alarms.thresholds import check_threshold, parse_budget
from tsae.detection.parameters.checks import shared_parameters
from tsae.detection.parameters.parts import check_parts, judge_of, kl_weight_of, network_of, training_of
from tsae.errors import ParameterError
from tsae.networks.criterion import Judge
from tsae.nn.options import NetworkOptions
from tsae.training.options import TrainingOptions

__all__ = ["ImageOptions", "check_image_budget", "image_options"]

_KL_WEIGHT_OF_DISTANCES = 0.01  # twice the variance of noise, 1 being the square of the range of pixels
_STEPS = 600


@dataclass(frozen=True)
class ImageOptions:
    """How the autoencoder of an image detector is made, trained and used."""

    network: NetworkOptions
    """Its code length is not yet known."""
    training: TrainingOptions
    judge: Judge
    latent_dim: Literal["auto"] | int
    linear_path: bool
    local_score: bool
    pretraining: Literal["rbm"] | None
    machines: Mapping[str, Any]
    """What is stated of the training of restricted Boltzmann machines, by the names of `RBMOptions`."""


def image_options(parameters: Mapping[str, Any], *, seed: int) -> ImageOptions:
    """Check the parameters of `ImageAnomalyDetector`, each and against each other.

    Raises
    ------
    ParameterError
        If one is unknown, out of range, or clashes with another.
    """
    values = shared_parameters(parameters)
    if not isinstance(values["local_score"], bool):
        raise ParameterError(f"`local_score` (={values['local_score']!r}) must be True or False")
    check_parts(values)
    check_image_budget(values["threshold"], values["false_alarm_rate"])
    _check_linear_path(values)
    kl_weight = kl_weight_of(values, of_distances=_KL_WEIGHT_OF_DISTANCES)
    steps = _STEPS if values["max_steps"] == "auto" else values["max_steps"]
    return ImageOptions(
        network=network_of(values, bounded=True),
        training=replace(training_of(values, kl_weight=kl_weight), max_steps=steps),
        judge=judge_of(values, kl_weight=kl_weight, seed=seed),
        machines=values["rbm"] or {},
        **{name: values[name] for name in ("latent_dim", "linear_path", "local_score", "pretraining")},
    )


def _check_linear_path(values: Mapping[str, Any]) -> None:
    if not values["linear_path"]:
        return
    if values["loss"] == "bernoulli":
        rule = "clashes with `linear_path` (=True), which is added to the output and knows no logits"
        raise ParameterError(f"`loss` (='bernoulli') {rule}; use loss='l2', or linear_path=False")
    if values["latent_dim"] == 1:
        raise ParameterError("`latent_dim` (=1) is too short to share with `linear_path` (=True); pass 2 or more")


def check_image_budget(threshold: object, false_alarm_rate: object) -> None:
    """Refuse what is no threshold, and a budget of anything but images: they have no order in time."""
    check_threshold(threshold, false_alarm_rate)
    if parse_budget(false_alarm_rate).counts == "episodes":
        rule = "counts alarms over time, but images have none; pass a share such as 0.01 or '1%'"
        raise ParameterError(f"`false_alarm_rate` (={false_alarm_rate!r}) {rule}")
