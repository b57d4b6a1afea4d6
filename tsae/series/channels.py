"""What each channel is, learned from training rows; how its values are scaled, and missing ones filled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ANALOG", "CONSTANT", "SWITCH", "ChannelScaler", "fit_channels", "forward_filled"]

ANALOG, SWITCH, CONSTANT = 0, 1, 2


@dataclass(frozen=True)
class ChannelScaler:
    """Mean, spread and role of every channel.

    A channel is CONSTANT if it had one value in training, SWITCH if it had exactly the values 0 and 1, ANALOG
    otherwise. A network sees the analog channels (all channels if there is none); the others are watched apart,
    because a rare command pulse divided by its own tiny level would drown the rest.
    """

    mean: NDArray[np.float64]
    """Mean of the observed training values, `(n_channels,)`."""
    scale: NDArray[np.float64]
    """Their standard deviation; for constant channels a twentieth of the value (1 if it is zero)."""
    role: NDArray[np.int64]
    """ANALOG, SWITCH or CONSTANT, `(n_channels,)`."""
    clip: float = 100.0
    """Standard deviations at which values are clipped; tighter clips hide how far a fault goes."""

    @cached_property
    def network_channels(self) -> NDArray[np.intp]:
        """Numbers of the channels that the network sees."""
        analog = np.flatnonzero(self.role == ANALOG)
        return analog if len(analog) else np.arange(len(self.role))

    @cached_property
    def constant_channels(self) -> NDArray[np.intp]:
        """Numbers of the constant channels that no network sees."""
        return np.setdiff1d(np.flatnonzero(self.role == CONSTANT), self.network_channels)

    @cached_property
    def switch_channels(self) -> NDArray[np.intp]:
        """Numbers of the switches that no network sees."""
        return np.setdiff1d(np.flatnonzero(self.role == SWITCH), self.network_channels)

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The values beyond which `scaled` clips, each `(n_channels,)`."""
        return self.mean - self.clip * self.scale, self.mean + self.clip * self.scale

    def scaled(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Values `(n, n_channels)` in standard deviations from the mean, float32, clipped at ±`clip`; NaN stays."""
        with np.errstate(over="ignore"):  # far beyond the clip is as good as infinite
            scaled = values - self.mean
            scaled /= self.scale
        np.minimum(np.maximum(scaled, -self.clip, out=scaled), self.clip, out=scaled)
        return scaled.astype(np.float32)


def fit_channels(values: NDArray[np.floating]) -> ChannelScaler:
    """Learn roles, means and spreads from training values `(n, n_channels)`; NaN is left out.

    A channel without any observed value counts as constant at zero.
    """
    n_channels = values.shape[1]
    mean, scale, role = np.zeros(n_channels), np.ones(n_channels), np.full(n_channels, CONSTANT)
    for channel in range(n_channels):
        column = np.asarray(values[:, channel], dtype=np.float64)
        column = column[~np.isnan(column)]
        if not len(column):
            continue
        low, high = column.min(), column.max()
        mean[channel] = low if low == high else column.mean()
        if low == high:
            scale[channel] = abs(low) / 20 or 1.0
            continue
        scale[channel] = column.std() or 1.0
        is_switch = low == 0 and high == 1 and bool(np.isin(column, (0.0, 1.0)).all())
        role[channel] = SWITCH if is_switch else ANALOG
    return ChannelScaler(mean, scale, role)


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
