"""From the plain parameters of an image detector to the options of its parts, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from tsae.detection.image_network import ImageJudge, JudgeKind
from tsae.detection.parameters import is_number, shared_parameters
from tsae.detection.thresholds import check_threshold
from tsae.errors import ParameterError
from tsae.nn.options import NetworkOptions
from tsae.training.options import TrainingOptions

__all__ = ["ImageOptions", "image_options"]

_SCORES = ("auto", "error", "probability", "elbo", "local")
_LIKELIHOODS = ("bernoulli", "gaussian")
_KL_WEIGHT_OF_DISTANCES = 0.01
_STEPS = 600


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
    values = shared_parameters(parameters)
    _check(values)
    _check_clashes(values)
    kl_weight = _kl_weight(values)
    return ImageOptions(
        network=_network(values),
        training=_training(values, kl_weight),
        judge=_judge(values, kl_weight, seed),
        **{name: values[name] for name in ("latent_dim", "linear_path", "pretraining")},
    )


def _network(values: Mapping[str, Any]) -> NetworkOptions:
    pretrained, loss = values["pretraining"] == "rbm", values["loss"]
    names = ("architecture", "hidden", "n_blocks", "bottleneck", "corruption", "corruption_level")
    return NetworkOptions(
        **{name: values[name] for name in names},
        activation="sigmoid" if pretrained else "gelu",
        learned_variance=loss == "gaussian",
        # The units of a machine are sigmoid; a Bernoulli likelihood works on logits.
        output="sigmoid" if pretrained and loss != "bernoulli" else "identity",
    )


def _training(values: Mapping[str, Any], kl_weight: float) -> TrainingOptions:
    steps = _STEPS if values["max_steps"] == "auto" else values["max_steps"]
    names = ("loss", "batch_size", "learning_rate", "accelerator", "devices", "precision")
    return TrainingOptions(**{name: values[name] for name in names}, max_steps=steps, kl_weight=kl_weight)


def _kl_weight(values: Mapping[str, Any]) -> float:
    weight = values["kl_weight"]
    if weight != "auto":
        return float(weight)
    return 1.0 if values["loss"] in _LIKELIHOODS else _KL_WEIGHT_OF_DISTANCES


def _judge(values: Mapping[str, Any], kl_weight: float, seed: int) -> ImageJudge:
    score = values["score"]
    kind = score
    if score in ("auto", "local"):
        kind = "elbo" if values["bottleneck"] == "gaussian" else "error"
    return ImageJudge(
        whole=score != "local",
        local=score in ("auto", "local"),
        kind=cast(JudgeKind, kind),
        loss=values["loss"],
        kl_weight=kl_weight,
        n_samples=values["n_samples"],
        seed=seed,
    )


def _check(values: Mapping[str, Any]) -> None:
    score, pretraining, weight = (values[name] for name in ("score", "pretraining", "kl_weight"))
    if score not in _SCORES:
        raise ParameterError(f"`score` (={score!r}) is unknown; choose one of {', '.join(_SCORES)}")
    if pretraining not in (None, "rbm"):
        raise ParameterError(f"`pretraining` (={pretraining!r}) is unknown; choose 'rbm' or None")
    if weight != "auto" and not (is_number(weight) and weight >= 0):
        raise ParameterError(f'`kl_weight` (={weight!r}) must be "auto" or a number of at least 0')
    check_threshold(values["threshold"], values["false_alarm_rate"])


def _check_clashes(values: Mapping[str, Any]) -> None:
    if values["pretraining"] == "rbm" and values["architecture"] != "dense":
        rule = f"clashes with `architecture` (={values['architecture']!r}), whose layers are no machines"
        raise ParameterError(f"`pretraining` (='rbm') {rule}; use architecture='dense', or pretraining=None")
    if values["score"] == "elbo" and values["bottleneck"] != "gaussian":
        rule = f"clashes with `bottleneck` (={values['bottleneck']!r}), which has no posterior"
        raise ParameterError(f"`score` (='elbo') {rule}; use bottleneck='gaussian', or score='error'")
    if not values["linear_path"]:
        return
    rule = "clashes with `linear_path` (=True), which is added to the output"
    if values["loss"] == "bernoulli":
        raise ParameterError(f"`loss` (='bernoulli') {rule} and knows no logits; use loss='l2', or linear_path=False")
    if values["pretraining"] == "rbm":
        raise ParameterError(f"`pretraining` (='rbm') {rule} beside the machines; use linear_path=False")
    if values["latent_dim"] == 1:
        raise ParameterError("`latent_dim` (=1) is too short to share with `linear_path` (=True); pass 2 or more")
