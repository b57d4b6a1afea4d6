"""The border for parameters: plain Python values of the right kind, or an error by name before any work is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tsae.checks import is_number, plain
from tsae.errors import ParameterError
from tsae.fitting.plan import SHORTEST_WINDOW

__all__ = ["checked_parameters", "shared_parameters"]

_WHOLE = {"n_blocks": 1, "width": 1, "n_heads": 1, "batch_size": 1, "devices": 1, "max_fill": 0, "n_samples": 1}
_WHOLE_OR_AUTO = {"latent_dim": 1, "max_steps": 1, "lag": 0}
_POSITIVE = {"learning_rate": 2e-3, "corruption_level": 0.1}
_NOT_NEGATIVE = ("kl_warm_up", "sparsity", "contraction", "dropout")
_LOSSES = ("l2", "l1", "huber", "gaussian")


def checked_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of an `AnomalyDetector`'s parameters.

    Raises
    ------
    ParameterError
        If one is of the wrong kind or out of range. What only a network or its training knows is checked there.
    """
    values = shared_parameters(parameters)
    if values["loss"] == "bernoulli":
        rule = "needs values in [0, 1], and sensors are standardised"
        raise ParameterError(f"`loss` (='bernoulli') {rule}; use 'gaussian', the likelihood of real values")
    if values["loss"] not in _LOSSES:
        raise ParameterError(f"`loss` (={values['loss']!r}) is unknown; choose one of {', '.join(_LOSSES)}")
    _check_window_size(values["window_size"])
    return values


def shared_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of any detector's parameters; those that detectors share, or count something, are checked.

    Raises
    ------
    ParameterError
        If one is of the wrong kind or out of range.
    """
    values = {name: plain(value) for name, value in parameters.items()}
    for name, least in _WHOLE.items():
        if name in values and not _is_whole(values[name], least):
            raise ParameterError(f"`{name}` (={values[name]!r}) must be a whole number of at least {least}")
    for name, least in _WHOLE_OR_AUTO.items():
        if values.get(name, "auto") != "auto" and not _is_whole(values[name], least):
            raise ParameterError(f'`{name}` (={values[name]!r}) must be "auto" or a whole number of at least {least}')
    for name, example in _POSITIVE.items():
        if not is_number(values[name]) or not values[name] > 0:
            raise ParameterError(f"`{name}` (={values[name]!r}) must be a positive number, such as {example}")
    for name in _NOT_NEGATIVE:
        if not is_number(values[name]) or values[name] < 0:
            raise ParameterError(f"`{name}` (={values[name]!r}) must be a number of at least 0")
    if not is_number(values["held_out"]) or not 0 < values["held_out"] < 1:
        raise ParameterError(f"`held_out` (={values['held_out']!r}) must lie between 0 and 1, such as 0.15")
    for name in ("linear_path", "robust"):
        if not isinstance(values.get(name, False), bool):
            raise ParameterError(f"`{name}` (={values[name]!r}) must be True or False")
    return values


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _check_window_size(value: object) -> None:
    if value == "auto" or _is_whole(value, SHORTEST_WINDOW):
        return
    sizes = value if isinstance(value, list) else []
    if not sizes or not all(_is_whole(size, SHORTEST_WINDOW) for size in sizes):
        rule = f'must be "auto", a whole number of at least {SHORTEST_WINDOW} rows, or a list of them'
        raise ParameterError(f"`window_size` (={value!r}) {rule}")
