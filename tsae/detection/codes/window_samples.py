"""Evenly spaced windows of training rows, scaled and filled, to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.checks import evenly
from tsae.series.channels import ChannelScaler, forward_filled

__all__ = ["Inputs", "Run", "sample_windows"]

_MOST = 2000  # windows
_MOST_VALUES = 2_000_000  # in them


class Inputs(NamedTuple):
    """Inputs of a network, and which of their values were observed."""

    values: NDArray[np.float32]
    """`(n, *input_shape)` without NaN."""
    observed: NDArray[np.bool_]
    """Same shape."""


class Run(NamedTuple):
    """Rows without a gap, of which some are looked at."""

    values: NDArray[np.floating]
    """`(n_rows, n_channels)` in the sensors' units, NaN where missing."""
    first: int
    stop: int


def sample_windows(scaler: ChannelScaler, runs: Sequence[Run], window_size: int) -> Inputs:
    """At most 2000 windows that lie between `first` and `stop` of a run, evenly spaced over all there are."""
    network = scaler.network_channels
    stops = np.array([run.stop for run in runs])
    n_windows = np.maximum(stops - np.array([run.first for run in runs]) - window_size + 1, 0)
    ends = np.cumsum(n_windows)  # windows up to the end of each run
    most = min(_MOST, max(1, _MOST_VALUES // (window_size * len(network))))
    chosen = evenly(int(ends[-1]), most)
    values = np.empty((len(chosen), window_size, len(network)), dtype=np.float32)
    observed = np.empty(values.shape, dtype=bool)
    for row, place in enumerate(chosen):
        number = int(np.searchsorted(ends, place, side="right"))
        start = int(stops[number] - window_size + 1 - (ends[number] - place))
        scaled = scaler.scaled(runs[number].values[start : start + window_size])[:, network]
        values[row], observed[row] = forward_filled(scaled)
    return Inputs(values, observed)
