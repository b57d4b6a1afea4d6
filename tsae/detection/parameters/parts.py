"""From checked parameters to the options of the parts that detectors of series and of images share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from tsae.alarms.thresholds import check_threshold
from tsae.checks import is_number
from tsae.errors import ParameterError
from tsae.networks.criterion import JUDGE_KINDS, Judge, JudgeKind
from tsae.nn.options import NetworkOptions
from tsae.nn.rbm_options import RBMOptions
from tsae.training.options import TrainingOptions

__all__ = ["check_parts", "judge_of", "kl_weight_of", "network_of", "training_of"]

_OF_NETWORK = (
    *("architecture", "hidden", "decoder_hidden", "n_blocks", "width", "n_heads", "kernel_size", "dropout"),
    *("bottleneck", "corruption", "corruption_level"),
)
_OF_TRAINING = (
    *("loss", "kl_warm_up", "sparsity", "contraction"),
    *("batch_size", "learning_rate", "accelerator", "devices", "precision"),
)
_LIKELIHOODS = ("bernoulli", "gaussian")


def network_of(values: Mapping[str, Any], *, bounded: bool) -> NetworkOptions:
    """Options of the network, its code length not yet known; `bounded` says that inputs lie in [0, 1]."""
    pretrained, loss = values["pretraining"] == "rbm", values["loss"]
    activation = values["activation"]
    if activation == "auto":
        activation = "sigmoid" if pretrained else "gelu"  # the units of a machine are sigmoid
    return NetworkOptions(
        **{name: values[name] for name in _OF_NETWORK},
        activation=activation,
        learned_variance=loss == "gaussian" and values["variance"] == "learned",
        # The visible units of a Bernoulli machine are sigmoid, too; a Bernoulli likelihood works on logits.
        output="sigmoid" if bounded and pretrained and loss != "bernoulli" else "identity",
    )


def training_of(values: Mapping[str, Any], *, kl_weight: float) -> TrainingOptions:
    """Options of the training, its steps not yet known."""
    return TrainingOptions(
        **{name: values[name] for name in _OF_TRAINING}, kl_weight=kl_weight, variance=_fixed_variance(values)
    )


def judge_of(values: Mapping[str, Any], *, kl_weight: float, seed: int) -> Judge:
    """What makes an input anomalous."""
    kind = values["score_by"]
    if kind == "auto":
        kind = "elbo" if values["bottleneck"] == "gaussian" else "error"
    settings = {"loss": values["loss"], "n_samples": values["n_samples"], "variance": _fixed_variance(values)}
    return Judge(cast(JudgeKind, kind), kl_weight=kl_weight, seed=seed, **settings)


def kl_weight_of(values: Mapping[str, Any], *, of_distances: float) -> float:
    """Weight of the KL divergence; `of_distances` is what "auto" takes where the loss is no likelihood."""
    weight = values["kl_weight"]
    if weight != "auto":
        return float(weight)
    return 1.0 if values["loss"] in _LIKELIHOODS else of_distances


def check_parts(values: Mapping[str, Any]) -> None:
    """Check what detectors of series and of images have in common, each value and each against the others.

    Raises
    ------
    ParameterError
        If one is unknown, out of range, or clashes with another.
    """
    _check_values(values)
    _check_machines(values)
    _check_score(values)
    check_threshold(values["threshold"], values["false_alarm_rate"])


def _fixed_variance(values: Mapping[str, Any]) -> float:
    return 1.0 if values["variance"] == "learned" else float(values["variance"])


def _check_values(values: Mapping[str, Any]) -> None:
    pretraining, weight, variance = (values[name] for name in ("pretraining", "kl_weight", "variance"))
    if pretraining not in (None, "rbm"):
        raise ParameterError(f"`pretraining` (={pretraining!r}) is unknown; choose 'rbm' or None")
    if weight != "auto" and not (is_number(weight) and weight >= 0):
        raise ParameterError(f'`kl_weight` (={weight!r}) must be "auto" or a number of at least 0')
    if variance != "learned" and not (is_number(variance) and variance > 0):
        raise ParameterError(f'`variance` (={variance!r}) must be "learned" or a positive number')
    if variance != "learned" and values["loss"] != "gaussian":
        rule = f"clashes with `loss` (={values['loss']!r}), which has none"
        raise ParameterError(f"`variance` (={variance!r}) {rule}; use loss='gaussian', or variance='learned'")


def _check_machines(values: Mapping[str, Any]) -> None:
    """Refuse what a stack of machines cannot be unrolled into, and unknown settings of theirs."""
    machines = values["rbm"]
    if machines is not None and not isinstance(machines, dict):
        raise ParameterError(f"`rbm` (={machines!r}) must be a dictionary, such as {{'n_gibbs': 5}}, or None")
    known = [field.name for field in fields(RBMOptions)]
    for name in machines or ():
        if name not in known:
            raise ParameterError(
                f"`rbm` (={machines!r}) names {name!r}, which is unknown; choose from {', '.join(known)}"
            )
    RBMOptions(**(machines or {}))
    if values["pretraining"] is None:
        if machines is not None:
            raise ParameterError(f"`rbm` (={machines!r}) needs `pretraining` (=None) to be 'rbm'")
        return
    clashes = {
        "architecture": (values["architecture"] != "dense", "whose layers are no machines; use 'dense'"),
        "decoder_hidden": (values["decoder_hidden"] is not None, "which does not mirror the encoder; use None"),
        "activation": (values["activation"] not in ("auto", "sigmoid"), "which no machine has; use 'auto'"),
        "linear_path": (values["linear_path"], "which is added to the output beside the machines; use False"),
    }
    for name, (is_clash, way_out) in clashes.items():
        if is_clash:
            raise ParameterError(f"`pretraining` (='rbm') clashes with `{name}` (={values[name]!r}), {way_out}")


def _check_score(values: Mapping[str, Any]) -> None:
    score, corruption = values["score_by"], values["corruption"]
    if score not in ("auto", *JUDGE_KINDS):
        raise ParameterError(f"`score_by` (={score!r}) is unknown; choose one of auto, {', '.join(JUDGE_KINDS)}")
    if score == "elbo" and values["bottleneck"] != "gaussian":
        rule = f"clashes with `bottleneck` (={values['bottleneck']!r}), which has no posterior"
        raise ParameterError(f"`score_by` (='elbo') {rule}; use bottleneck='gaussian', or score_by='error'")
    if score == "masked" and not str(corruption).startswith("mask_"):
        rule = f"clashes with `corruption` (={corruption!r}), which hides nothing"
        raise ParameterError(f"`score_by` (='masked') {rule}; use 'mask_points', 'mask_channels' or 'mask_blocks'")
