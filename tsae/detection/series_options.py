"""From the plain parameters of a series detector to the options of its parts, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tsae.detection.options import ModelOptions
from tsae.detection.parameters import checked_parameters
from tsae.detection.thresholds import check_threshold
from tsae.nn.options import NetworkOptions
from tsae.training.options import TrainingOptions

__all__ = ["series_options"]


def series_options(parameters: Mapping[str, Any]) -> ModelOptions:
    """Check the parameters of `AnomalyDetector`, each and against each other.

    Raises
    ------
    ParameterError
        If one is unknown, out of range, or clashes with another.
    """
    values = checked_parameters(parameters)
    check_threshold(values["threshold"], values["false_alarm_rate"])
    of_network = ("architecture", "hidden", "n_blocks", "bottleneck", "corruption", "corruption_level")
    of_training = ("loss", "batch_size", "learning_rate", "accelerator", "devices", "precision")
    network = NetworkOptions(
        **{name: values[name] for name in of_network}, learned_variance=values["loss"] == "gaussian"
    )
    training = TrainingOptions(**{name: values[name] for name in of_training})
    rest = ("window_size", "latent_dim", "max_steps", "linear_path", "preset")
    return ModelOptions(network, training, **{name: values[name] for name in rest})
