"""Missing values are filled with the last observed one, and remembered as missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["forward_filled"]


def forward_filled(values: NDArray[Any], last: NDArray[Any] | None = None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Fill each missing value with the last observed one of its channel.

    Parameters
    ----------
    values
        Rows of one segment `(..., n, n_channels)`, NaN where missing.
    last
        Values before the first row `(..., n_channels)`; `None` takes 0, the mean in scaled units.

    Returns
    -------
    tuple
        The filled rows, and which entries were observed.

    Examples
    --------
    >>> forward_filled(np.array([[np.nan], [2.0], [np.nan]]))[0].ravel().tolist()
    [0.0, 2.0, 2.0]
    """
    observed = ~np.isnan(values)
    if observed.all():
        return np.ascontiguousarray(values), observed
    latest = np.where(observed, np.arange(1, values.shape[-2] + 1)[:, None], 0)
    np.maximum.accumulate(latest, axis=-2, out=latest)
    before = np.zeros_like(values[..., 0, :]) if last is None else last
    padded = np.concatenate([before[..., None, :], values], axis=-2)
    return np.take_along_axis(padded, latest, axis=-2), observed
