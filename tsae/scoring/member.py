"""A member: one model with its own window length, and what turns its errors into a calibrated score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tsae.nn.options import NetworkSpec
from tsae.scoring.calibration import LogTail
from tsae.scoring.filters import MovingAverage, only_this_row, smoothing_kernels, trailing_kernel
from tsae.scoring.rows import RowErrors
from tsae.scoring.window_models import WindowModel

__all__ = ["Member", "MemberScale", "channel_mean", "immediate_averages", "settled_averages"]

FloatArray = NDArray[np.float64]
_WIDTHS = (0.25, 0.5, 1.0, 2.0)  # of the smoothing, in windows; the mean of several beats any one of them
_TRAILS = (0.0, 0.06, 0.125, 0.25, 0.5)  # of the averages that look back only, in windows; the first is the row itself
_PROMPT = 25  # rows; an immediate error that looks at more of them comes too late to help
_PATIENCE = 0.25  # windows that a shortened lag may wait; more does not help


@dataclass(frozen=True)
class MemberScale:
    """What a member's errors are on normal rows, for one of the two kinds of row error."""

    levels: FloatArray
    """Usual error of every network channel, `(n_network_channels,)`, positive."""
    tails: tuple[LogTail, ...]
    """Smoothed error → −log p, one for each width of the smoothing, and last the one of errors as they are."""

    def views(self, averaged: Sequence[FloatArray]) -> FloatArray:
        """Smoothed errors `(n,)`, one array for each filter → their −log p `(n, n_filters)`; NaN where missing."""
        return np.column_stack([tail(values) for tail, values in zip(self.tails, averaged, strict=True)])


@dataclass(frozen=True)
class Member:
    """A model, its windows and its scales."""

    model: WindowModel
    options: NetworkSpec
    """What the network was built from, its code length resolved."""
    window_size: int
    n_last: int
    """Rows at the end of a window that its immediate error looks at."""
    stride: int
    settled: MemberScale
    """For errors averaged over all windows that cover a row."""
    immediate: MemberScale
    """For errors of the last rows of the window that ends in a row."""

    @property
    def is_prompt(self) -> bool:
        """Whether its immediate error shows a fault soon after it began."""
        return self.n_last <= _PROMPT

    def row_errors(self, *, settled: bool = True, immediate: bool = False) -> RowErrors:
        """Fresh row errors for one segment."""
        return row_errors(self.model, self.window_size, self.stride, self.n_last if immediate else None, settled)

    @property
    def lookahead(self) -> int:
        """Rows after a row that its settled score depends on."""
        return self.window_size + settled_averages(self.window_size)[0].lookahead

    def shift(self, lag: int) -> int:
        """By how many rows the immediate score is shifted back when a score may wait `lag` rows."""
        return min(lag, int(_PATIENCE * self.window_size))


def row_errors(
    model: WindowModel, window_size: int, stride: int, n_last: int | None, settled: bool = True
) -> RowErrors:
    """Row errors for one segment: settled ones, and immediate ones if `n_last` says how many rows they look at."""
    last_errors = None if n_last is None else partial(model.errors, n_last=n_last)
    return RowErrors(model.errors if settled else None, last_errors, window_size=window_size, stride=stride)


def settled_averages(window_size: int) -> list[MovingAverage]:
    """Fresh filters for settled errors: symmetric, up to about two windows wide; the last one does not smooth."""
    kernels = smoothing_kernels(window_size, _WIDTHS)
    lookahead = kernels.shape[1] // 2
    return [MovingAverage(kernel, lookahead) for kernel in [*kernels, only_this_row(kernels.shape[1])]]


def immediate_averages(window_size: int) -> list[MovingAverage]:
    """Fresh filters for immediate errors: they look back only; the last one does not smooth."""
    kernels = [trailing_kernel(int(trail * window_size)) for trail in _TRAILS]
    return [MovingAverage(kernel, lookahead=0) for kernel in [*kernels, only_this_row(1)]]


def channel_mean(relative: FloatArray, apart: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean over channels of errors in usual errors `(n, n_channels)`, plus the summed apart errors' share `(n,)`.

    Returns the means `(n,)` and weights `(n,)`: 0 where nothing was observed, else 1.
    """
    observed = ~np.isnan(relative)
    count = observed.sum(axis=1)
    total = np.where(observed, relative, 0.0).sum(axis=1) + apart
    return total / np.maximum(count, 1), ((count > 0) | (apart > 0)).astype(np.float64)
