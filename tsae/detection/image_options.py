"""From the plain parameters of an image detector to the options of its parts, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from tsae.detection.image_network import ImageJudge, JudgeKind
from tsae.errors import ParameterError
from tsae.nn.options import NetworkOptions
from tsae.training.options import TrainingOptions

__all__ = ["ImageOptions", "image_options"]

_SCORES = ("auto", "error", "probability", "elbo")
_LIKELIHOODS = ("bernoulli", "gaussian")
_KL_WEIGHT_OF_DISTANCES = 0.01


@dataclass(frozen=True)
class ImageOptions:
    """How the autoencoder of an image detector is made, trained and used."""

    network: NetworkOptions
    """Its code length is not yet known."""
    training: TrainingOptions
    judge: ImageJudge
    latent_dim: Literal["auto"] | int
    linear_path: bool
    pretraining: Literal["rbm"] | None


def image_options(parameters: Mapping[str, Any], *, seed: int) -> ImageOptions:
    """Check the parameters of `ImageAnomalyDetector`, each and against each other.

    Raises
    ------
    ParameterError
        If one is unknown, out of range, or clashes with another.
    """
    _check(parameters)
    _check_clashes(parameters)
    names = ("max_steps", "batch_size", "learning_rate", "accelerator", "devices", "precision")
    kl_weight = _kl_weight(parameters)
    return ImageOptions(
        network=_network(parameters),
        training=TrainingOptions(
            loss=parameters["loss"], kl_weight=kl_weight, **{name: parameters[name] for name in names}
        ),
        judge=ImageJudge(_judge(parameters), parameters["loss"], kl_weight, parameters["n_samples"], seed),
        latent_dim=parameters["latent_dim"],
        linear_path=parameters["linear_path"],
        pretraining=parameters["pretraining"],
    )


def _network(parameters: Mapping[str, Any]) -> NetworkOptions:
    pretrained, loss = parameters["pretraining"] == "rbm", parameters["loss"]
    hidden = parameters["hidden"]
    return NetworkOptions(
        architecture=parameters["architecture"],
        hidden=None if hidden is None else tuple(hidden),
        n_blocks=parameters["n_blocks"],
        activation="sigmoid" if pretrained else "gelu",
        bottleneck=parameters["bottleneck"],
        corruption=parameters["corruption"],
        corruption_level=parameters["corruption_level"],
        learned_variance=loss == "gaussian",
        # The units of a machine are sigmoid; a Bernoulli likelihood works on logits.
        output="sigmoid" if pretrained and loss != "bernoulli" else "identity",
    )


def _kl_weight(parameters: Mapping[str, Any]) -> float:
    weight = parameters["kl_weight"]
    if weight != "auto":
        return float(weight)
    return 1.0 if parameters["loss"] in _LIKELIHOODS else _KL_WEIGHT_OF_DISTANCES


def _judge(parameters: Mapping[str, Any]) -> JudgeKind:
    score = parameters["score"]
    if score == "auto":
        return "elbo" if parameters["bottleneck"] == "gaussian" else "error"
    return cast(JudgeKind, score)


def _check(parameters: Mapping[str, Any]) -> None:
    score, pretraining, weight = (parameters[name] for name in ("score", "pretraining", "kl_weight"))
    if score not in _SCORES:
        raise ParameterError(f"`score` (={score!r}) is unknown; choose one of {', '.join(_SCORES)}")
    if pretraining not in (None, "rbm"):
        raise ParameterError(f"`pretraining` (={pretraining!r}) is unknown; choose 'rbm' or None")
    if weight != "auto" and (isinstance(weight, str) or not weight >= 0):
        raise ParameterError(f'`kl_weight` (={weight!r}) must be "auto" or a number of at least 0')
    if not 0 < parameters["held_out"] < 1:
        raise ParameterError(f"`held_out` (={parameters['held_out']!r}) must lie between 0 and 1, such as 0.15")
    if not parameters["n_samples"] >= 1:
        raise ParameterError(f"`n_samples` (={parameters['n_samples']!r}) must be at least 1; try 16")
    length = parameters["latent_dim"]
    if length != "auto" and (isinstance(length, str) or not length >= 1):
        raise ParameterError(f'`latent_dim` (={length!r}) must be "auto" or at least 1')


def _check_clashes(parameters: Mapping[str, Any]) -> None:
    if parameters["pretraining"] == "rbm" and parameters["architecture"] != "dense":
        rule = f"clashes with `architecture` (={parameters['architecture']!r}), whose layers are no machines"
        raise ParameterError(f"`pretraining` (='rbm') {rule}; use architecture='dense', or pretraining=None")
    if parameters["score"] == "elbo" and parameters["bottleneck"] != "gaussian":
        rule = f"clashes with `bottleneck` (={parameters['bottleneck']!r}), which has no posterior"
        raise ParameterError(f"`score` (='elbo') {rule}; use bottleneck='gaussian', or score='error'")
    if not parameters["linear_path"]:
        return
    rule = "clashes with `linear_path` (=True), which is added to the output"
    if parameters["loss"] == "bernoulli":
        raise ParameterError(f"`loss` (='bernoulli') {rule} and knows no logits; use loss='l2', or linear_path=False")
    if parameters["pretraining"] == "rbm":
        raise ParameterError(f"`pretraining` (='rbm') {rule} beside the machines; use linear_path=False")
    if parameters["latent_dim"] == 1:
        raise ParameterError("`latent_dim` (=1) is too short to share with `linear_path` (=True); pass 2 or more")
