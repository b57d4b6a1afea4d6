"""From the parameters of a detector to the options of its parts, checked each and against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from tsae.alarms.thresholds import check_threshold, parse_budget
from tsae.checks import check_choice, check_whole, is_number, is_whole, plain
from tsae.detection.parameters.groups import options_of
from tsae.errors import ParameterError
from tsae.fitting.options import ImageOptions, SeriesOptions
from tsae.fitting.plan import PRESETS, SHORTEST_WINDOW
from tsae.networks.criterion import CRITERION_KINDS, Criterion, CriterionKind
from tsae.nn.architectures import ARCHITECTURES
from tsae.nn.options import NetworkOptions, NetworkSpec
from tsae.training.options import TrainingOptions, TrainingSpec

__all__ = ["check_image_budget", "image_options", "series_options"]

_KL_WEIGHT_OF_SERIES = 0.05  # twice the variance of noise, 1 being a channel's own
_KL_WEIGHT_OF_IMAGES = 0.01  # the same, 1 being the square of the range of pixels
_SAMPLES_OF_SERIES = 8
_SAMPLES_OF_IMAGES = 16


def series_options(parameters: Mapping[str, Any], *, seed: int) -> SeriesOptions:
    """Resolve the parameters of an `AnomalyDetector`.

    Raises `ParameterError` if one is unknown, out of range, or clashes with another.
    """
    values, network, training = _checked(parameters)
    check_choice("preset", values["preset"], PRESETS)
    _check_window_size(values["window_size"])
    check_whole("lag", values["lag"], 0, or_auto=True)
    check_whole("max_fill", values["max_fill"], 0)
    _check_bool("robust", values["robust"])
    if training.loss == "bernoulli":
        rule = "needs values in [0, 1], and sensors are standardised"
        raise ParameterError(f"`loss` (='bernoulli') {rule}; use 'gaussian', the likelihood of real values")
    if training.pretraining == "rbm" and network.hidden == ():
        rule = "leaves an RBM with Gaussian visible and hidden units, whose energy is unbounded"
        raise ParameterError(f"`hidden` (=()) {rule}; pass a width, or pretraining=None")
    linear_path = training.pretraining is None if network.linear_path == "auto" else network.linear_path
    kl_weight = training.kl_weight_or(_KL_WEIGHT_OF_SERIES)
    return SeriesOptions(
        network=_network_spec(values["architecture"], network, training, bounded=False),
        training=training.spec(kl_weight=kl_weight),
        criterion=_criterion(values["score_by"], network, training, kl_weight, seed, n_samples=_SAMPLES_OF_SERIES),
        linear_path=linear_path,
        pretraining=training.pretraining,
        rbm=training.rbm or {},
        **{name: values[name] for name in ("preset", "window_size", "latent_dim", "max_steps")},
    )


def image_options(parameters: Mapping[str, Any], *, seed: int) -> ImageOptions:
    """Resolve the parameters of an `ImageAnomalyDetector`.

    Raises `ParameterError` if one is unknown, out of range, or clashes with another.
    """
    values, network, training = _checked(parameters)
    _check_bool("local_score", values["local_score"])
    check_image_budget(values["threshold"], values["false_alarm_rate"])
    linear_path = network.linear_path is True
    if linear_path and training.loss == "bernoulli":
        rule = "clashes with `linear_path` (=True), which is added to the output and knows no logits"
        raise ParameterError(f"`loss` (='bernoulli') {rule}; use loss='l2', or linear_path=False")
    if linear_path and values["latent_dim"] == 1:
        raise ParameterError("`latent_dim` (=1) is too short to share with `linear_path` (=True); pass 2 or more")
    kl_weight = training.kl_weight_or(_KL_WEIGHT_OF_IMAGES)
    steps = TrainingSpec.max_steps if values["max_steps"] == "auto" else values["max_steps"]
    return ImageOptions(
        network=_network_spec(values["architecture"], network, training, bounded=True),
        training=training.spec(kl_weight=kl_weight, max_steps=steps),
        criterion=_criterion(values["score_by"], network, training, kl_weight, seed, n_samples=_SAMPLES_OF_IMAGES),
        linear_path=linear_path,
        pretraining=training.pretraining,
        rbm=training.rbm or {},
        **{name: values[name] for name in ("latent_dim", "local_score")},
    )


def check_image_budget(threshold: object, false_alarm_rate: object) -> None:
    """Refuse what is not a threshold, and a budget of anything but images: they have no order in time."""
    check_threshold(threshold, false_alarm_rate)
    if parse_budget(false_alarm_rate).counts == "episodes":
        rule = "counts alarms over time, but images have none; pass a share such as 0.01 or '1%'"
        raise ParameterError(f"`false_alarm_rate` (={false_alarm_rate!r}) {rule}")


def _checked(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], NetworkOptions, TrainingOptions]:
    """Check the parameters that detectors share; return all of them as plain values, and both groups."""
    network = options_of(NetworkOptions, "network", parameters["network"], elsewhere=parameters)
    training = options_of(TrainingOptions, "training", parameters["training"], elsewhere=parameters)
    values = {name: plain(value) for name, value in parameters.items() if name not in ("network", "training")}
    check_choice("architecture", values["architecture"], ARCHITECTURES)
    for name in ("latent_dim", "max_steps"):
        check_whole(name, values[name], 1, or_auto=True)
    if not is_number(values["held_out"]) or not 0 < values["held_out"] < 1:
        raise ParameterError(f"`held_out` (={values['held_out']!r}) must lie between 0 and 1, such as 0.15")
    if training.pretraining == "rbm":
        _check_unrolled(values["architecture"], network)
    _check_score_by(values["score_by"], network)
    check_threshold(values["threshold"], values["false_alarm_rate"])
    return values, network, training


def _network_spec(
    architecture: str, network: NetworkOptions, training: TrainingOptions, *, bounded: bool
) -> NetworkSpec:
    """Return the network, its code length not yet known; `bounded` says that inputs lie in [0, 1]."""
    pretrained = training.pretraining == "rbm"
    activation = network.activation
    if activation == "auto":
        activation = "sigmoid" if pretrained else "gelu"  # the units of an RBM are sigmoid
    own = {field.name for field in fields(NetworkSpec)} & {field.name for field in fields(network)}
    return NetworkSpec(
        **{name: getattr(network, name) for name in own} | {"activation": activation},
        architecture=architecture,
        learned_variance=training.loss == "gaussian" and training.variance == "learned",
        # The visible units of a Bernoulli RBM are sigmoid, too; a Bernoulli likelihood works on logits.
        output="sigmoid" if bounded and pretrained and training.loss != "bernoulli" else "identity",
    )


def _criterion(
    score_by: str, network: NetworkOptions, training: TrainingOptions, kl_weight: float, seed: int, *, n_samples: int
) -> Criterion:
    """Return the criterion of an anomalous input; `n_samples` is the number that "auto" takes."""
    if score_by == "auto":
        score_by = "elbo" if network.bottleneck == "gaussian" else "error"
    return Criterion(
        cast(CriterionKind, score_by),
        loss=training.loss,
        variance=training.fixed_variance,
        kl_weight=kl_weight,
        n_samples=n_samples if network.n_samples == "auto" else network.n_samples,
        seed=seed,
    )


def _check_unrolled(architecture: str, network: NetworkOptions) -> None:
    """Refuse what a stack of restricted Boltzmann machines cannot be unrolled into."""
    clashes = {
        "decoder_hidden": (network.decoder_hidden is not None, "does not mirror the encoder; use None"),
        "activation": (network.activation not in ("auto", "sigmoid"), "is not that of an RBM; use 'auto'"),
        "linear_path": (network.linear_path is True, "is added to the output beside the RBMs; use False"),
    }
    if architecture != "dense":
        raise ParameterError(f"`pretraining` (='rbm') requires `architecture` to be 'dense' (={architecture!r})")
    for name, (is_clash, why) in clashes.items():
        if is_clash:
            value = getattr(network, name)
            raise ParameterError(f"`pretraining` (='rbm') clashes with `{name}` (={value!r}), which {why}")


def _check_score_by(score_by: object, network: NetworkOptions) -> None:
    check_choice("score_by", score_by, ("auto", *CRITERION_KINDS))
    if score_by == "elbo" and network.bottleneck != "gaussian":
        rule = f"clashes with `bottleneck` (={network.bottleneck!r}), which has no posterior"
        raise ParameterError(f"`score_by` (='elbo') {rule}; use bottleneck='gaussian', or score_by='error'")
    if score_by == "masked" and not str(network.corruption).startswith("mask_"):
        rule = f"clashes with `corruption` (={network.corruption!r}), which hides nothing"
        raise ParameterError(f"`score_by` (='masked') {rule}; use 'mask_points', 'mask_channels' or 'mask_blocks'")


def _check_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ParameterError(f"`{name}` (={value!r}) must be True or False")


def _check_window_size(value: object) -> None:
    sizes = value if isinstance(value, list) and value else [value]
    if value != "auto" and not all(is_whole(size, SHORTEST_WINDOW) for size in sizes):
        rule = f'must be "auto", a whole number of at least {SHORTEST_WINDOW} rows, or a list of them'
        raise ParameterError(f"`window_size` (={value!r}) {rule}")
