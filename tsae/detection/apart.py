"""Channels kept apart from the networks: constant ones and switches, watched row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsae.series.channels import CONSTANT, SWITCH, ChannelScaler

__all__ = ["ApartErrors", "apart_channels"]

FloatArray = NDArray[np.float64]
_MEMORY = 100  # rows; a new level of a constant channel counts as long as it is news


def apart_channels(scaler: ChannelScaler) -> NDArray[np.intp]:
    """Numbers of the channels that no network sees."""
    return np.setdiff1d(np.arange(len(scaler.role)), scaler.network_channels)


class ApartErrors:
    """Errors of the apart channels of one segment, fed block by block.

    A constant channel's error is the squared difference between its scaled value and the median of its last 100
    values, itself included; a switch's is its squared distance from the values it has (0 and 1).
    """

    def __init__(self, scaler: ChannelScaler) -> None:
        channels = apart_channels(scaler)
        self._constant = np.flatnonzero(scaler.role[channels] == CONSTANT)
        self._switch = np.flatnonzero(scaler.role[channels] == SWITCH)
        self._scaler = ChannelScaler(scaler.mean[channels], scaler.scale[channels], scaler.role[channels])
        self._past = np.empty((0, len(self._constant)), dtype=np.float32)

    def push(self, values: NDArray[np.floating]) -> FloatArray:
        """Take the next rows of all apart channels `(n, n_apart)`; return their errors, NaN where missing."""
        errors = np.full(values.shape, np.nan)
        errors[:, self._constant] = self._constant_errors(self._scaler.scaled(values)[:, self._constant])
        switch = values[:, self._switch]
        errors[:, self._switch] = np.minimum(np.minimum(np.abs(switch), np.abs(switch - 1)), 10.0) ** 2
        return errors

    def _constant_errors(self, values: NDArray[np.float32]) -> FloatArray:
        n_past = len(self._past)
        rows = np.concatenate([self._past, values])
        self._past = rows[-(_MEMORY - 1) :]
        if not np.nan_to_num(rows).any():
            return values.astype(np.float64)
        return np.square(values - _trailing_median(rows)[n_past:], dtype=np.float64)


def _trailing_median(rows: NDArray[np.float32]) -> FloatArray:
    """Median of each row and the up to 99 rows before it, per column; missing values are left out."""
    import pandas as pd

    return pd.DataFrame(rows).rolling(_MEMORY, min_periods=1).median().to_numpy(np.float64)
