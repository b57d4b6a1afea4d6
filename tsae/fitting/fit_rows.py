"""Training rows as networks learn from them: scaled, filled, in one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tsae.fitting.training_rows import Span
from tsae.scoring.formula import Formula
from tsae.scoring.inputs import ConstantWatch
from tsae.scoring.rings import Rings, blocks_of_one
from tsae.series.channels import ChannelScaler, forward_filled

__all__ = ["FitRows", "lay_out_rows"]

FloatArray = NDArray[np.float64]
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class FitRows:
    """Training rows of all entities in one array, scaled and filled, and how they are split."""

    values: Tensor
    """float32 `(n_grid, n_network_channels)` without NaN."""
    observed: Tensor | None
    """Boolean, same shape; `None` when nothing is missing."""
    apart: FloatArray
    """Summed errors of the constant channels, `(n_grid,)`."""
    switches: FloatArray
    """Values of the switches, `(n_grid, n_switches)`, NaN where missing."""
    segments: tuple[tuple[int, int, int], ...]
    """Start, first held-out row, and stop of every segment: rows before the middle one train the network."""

    def window_starts(self, window_size: int) -> tuple[Tensor, Tensor]:
        """First rows of all windows of earlier rows, and of held-out ones, int64 `(n_windows,)` each."""
        earlier = [torch.arange(start, max(start, split - window_size + 1)) for start, split, _ in self.segments]
        held_out = [torch.arange(split, max(split, stop - window_size + 1)) for _, split, stop in self.segments]
        return torch.cat(earlier), torch.cat(held_out)


def lay_out_rows(spans: Sequence[Span], scaler: ChannelScaler) -> FitRows:
    """Scale and fill the training rows into one array."""
    network, constant, switch = scaler.network_channels, scaler.constant_channels, scaler.switch_channels
    n_rows = sum(len(span.values) for span in spans)
    values = np.empty((n_rows, len(network)), dtype=np.float32)
    observed = None
    apart_sum = np.empty(n_rows)
    switches = np.empty((n_rows, len(switch)))
    segments, start = [], 0
    for span in spans:
        stop = start + len(span.values)
        last = None
        rings = Rings(min(_ROWS_AT_ONCE, len(span.values)))
        watch = ConstantWatch(rings, len(constant), Formula().constant_memory)
        for place, part in blocks_of_one(rings, len(span.values)):
            block = span.values[part]
            rows = slice(start + part.start, start + part.stop)
            scaled = scaler.scaled(block)
            values[rows], seen = forward_filled(scaled[:, network], last)
            last = values[rows.stop - 1]
            if observed is None and not seen.all():
                observed = np.ones(values.shape, dtype=bool)
            if observed is not None:
                observed[rows] = seen
            apart_sum[rows] = np.nansum(watch.step(place, scaled[:, constant]), axis=1)
            switches[rows] = block[:, switch]
        segments.append((start, stop - span.n_held_out, stop))
        start = stop
    mask = None if observed is None else torch.from_numpy(observed)
    return FitRows(torch.from_numpy(values), mask, apart_sum, switches, tuple(segments))
