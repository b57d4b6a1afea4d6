"""What sensors have to do with each other, learned from training windows for `BlameModel`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tsae.fitting.fit_rows import FitRows, window_starts
from tsae.nn.linear import moments
from tsae.scoring.blame import BlameModel

__all__ = ["fit_blame"]

_WINDOW = 16
_WIDEST = 1000  # numbers in a window; what is kept grows with the square
_MOST_CHANNELS = 1000
_RIDGE = 0.05  # of the mean variance
_FEWEST_WINDOWS, _WINDOWS_A_NUMBER = 3000, 4
_HELD_OUT_WINDOWS = 300
_WINDOWS_AT_ONCE = 512


def fit_blame(rows: FitRows) -> BlameModel | None:
    """Learn from the earlier rows how channels hang together, and from the held-out ones what is usual.

    `None` for a single channel, for more than a thousand, and where no run of rows is as long as a window.
    """
    n_channels = rows.values.shape[1]
    size = max(1, min(_WINDOW, _WIDEST // n_channels))
    starts = window_starts([(start, split) for start, split, _ in rows.segments], size)
    if not 1 < n_channels <= _MOST_CHANNELS or not len(starts):
        return None
    offsets = torch.arange(size)
    n_most = max(_FEWEST_WINDOWS, _WINDOWS_A_NUMBER * size * n_channels)
    parts = torch.split(_evenly(starts, n_most), _WINDOWS_AT_ONCE)
    centre, covariance = moments(rows.values[part.unsqueeze(1) + offsets].flatten(1) for part in parts)
    covariance.diagonal().add_(_RIDGE * covariance.diagonal().mean().clamp_min(1e-6))
    precision = torch.cholesky_inverse(torch.linalg.cholesky(covariance)).float().numpy()
    model = BlameModel(centre.numpy().reshape(size, n_channels), precision, np.full(n_channels, float(size)))
    held_out = window_starts([(split, stop) for _, split, stop in rows.segments], size)
    normal = _evenly(held_out if len(held_out) else starts, _HELD_OUT_WINDOWS)
    windows = rows.values[normal.unsqueeze(1) + offsets].double().numpy() - model.centre
    usual: NDArray[np.float64] = np.maximum(model.explained(windows).mean(axis=0), size)
    return BlameModel(model.centre, precision, usual)


def _evenly(starts: torch.Tensor, n_most: int) -> torch.Tensor:
    return starts[torch.linspace(0, len(starts) - 1, min(n_most, len(starts))).round().long()]
