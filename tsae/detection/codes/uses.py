"""Checks and code arithmetic of what both detectors do with codes: rebuild, generate, interpolate, denoise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array

from tsae.checks import is_whole, plain
from tsae.detection.codes.cloud import CodeFacts
from tsae.errors import DataError, ParameterError

__all__ = ["checked_codes", "codes_between", "drawn_codes", "generator", "noise_by_channel"]


def generator(random_state: Any) -> np.random.Generator:
    """Return numpy's generator for what scikit-learn takes for a `random_state`."""
    return np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))


def checked_codes(codes: Any, length: int) -> NDArray[np.float32]:
    """Return codes `(n, length)`.

    Raises
    ------
    DataError
        If they have another length.
    """
    checked: NDArray[np.float32] = check_array(codes, dtype=np.float32)
    if checked.shape[1] != length:
        raise DataError(
            f"codes have {checked.shape[1]} columns, this detector's have {length} (`latent_dim_`); pass "
            "what its `transform` returned"
        )
    return checked


def drawn_codes(facts: CodeFacts, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return `n` codes drawn as those of the training inputs are spread, `(n, latent_dim)`.

    Raises
    ------
    ParameterError
        If `n` is not a whole number of at least 1, or the bottleneck is deterministic.
    """
    _check_count("n", n, 1)
    if facts.cloud is None:
        raise ParameterError(
            "`bottleneck` (='deterministic') does not learn how codes are spread; fit with bottleneck='gaussian' "
            "to draw new ones"
        )
    return facts.cloud.draw(int(n), rng)


def codes_between(first: NDArray[Any], last: NDArray[Any], steps: int) -> NDArray[np.float32]:
    """Return codes on the straight line between two, both ends included, `(steps, latent_dim)`."""
    _check_count("steps", steps, 2)
    share = np.linspace(0, 1, steps)[:, np.newaxis]
    return np.asarray((1 - share) * first + share * last, dtype=np.float32)


def _check_count(name: str, value: Any, least: int) -> None:
    value = plain(value)
    if not is_whole(value, least):
        raise ParameterError(f"`{name}` (={value!r}) must be a whole number of at least {least}")


def noise_by_channel(noise: Any, n_channels: int) -> NDArray[np.float64] | None:
    """Standard deviations `(n_channels,)` from one number or one for each channel; `None` stays.

    Raises
    ------
    ParameterError
        If it is anything else, or negative.
    """
    if noise is None:
        return None
    try:
        known = np.broadcast_to(np.asarray(noise, dtype=np.float64), (n_channels,))
    except (TypeError, ValueError):
        known = np.full(1, np.nan)
    if not (known >= 0).all() or not np.isfinite(known).all():
        raise ParameterError(
            f"`noise` (={noise!r}) must be a standard deviation of at least 0, or one for each of the {n_channels} "
            "channels; pass None to have it estimated"
        )
    return known
