"""What a member makes of rows: the values it would have expected; loads no torch unless the member does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.scoring.engine import ScoreModel
from tsae.detection.scoring.member import Member
from tsae.detection.scoring.rows import RowErrors
from tsae.series.filling import ForwardFill

__all__ = ["expected_values", "in_units", "row_reconstruction", "towards"]

FloatArray = NDArray[np.float64]


def expected_values(model: ScoreModel, member: Member, values: NDArray[np.floating]) -> FloatArray:
    """What `member` makes of the rows of one segment `(n, n_channels)`, in the sensors' units.

    The mean over all windows that cover a row. Constant channels are expected at their constant, switches (which
    no network sees) nowhere: NaN.
    """
    filled, _ = ForwardFill().push(model.scaler.scaled(values)[:, model.scaler.network_channels])
    return in_units(model, row_reconstruction(member, filled))


def row_reconstruction(member: Member, filled: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean over all windows that cover a row; scaled rows of one segment `(n, n_network_channels)`."""
    rows = RowErrors(member.model.reconstruct, window_size=member.window_size)
    parts = [rows.push(filled, np.ones(filled.shape, dtype=bool))[0], rows.flush()]
    return np.concatenate(parts)


def in_units(model: ScoreModel, scaled: NDArray[np.float32]) -> FloatArray:
    """Scaled network channels `(..., n_network_channels)` → all channels in their units."""
    scaler, network = model.scaler, model.scaler.network_channels
    values = np.full((*scaled.shape[:-1], len(scaler.role)), np.nan)
    values[..., scaler.constant_channels] = scaler.mean[scaler.constant_channels]
    values[..., network] = scaled * scaler.scale[network] + scaler.mean[network]
    return values


def towards(seen: NDArray[Any], rebuilt: NDArray[Any], left: NDArray[Any], noise: NDArray[Any]) -> NDArray[Any]:
    """Values between what was seen and what was rebuilt, the nearer to the latter the noisier they are.

    With a usual error `left` and noise of variance `noise`, both mean squares that broadcast over the values, the best
    weight for what was seen is left / (left + noise), as in a Wiener filter.
    """
    weight = left / np.maximum(left + noise, 1e-30)
    return np.asarray(rebuilt + weight * (seen - rebuilt))
