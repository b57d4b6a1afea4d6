"""A member of the ensemble: one model with its own windows, and what turns its errors into calibrated views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.nn.options import NetworkSpec
from tsae.scoring.formula import Formula
from tsae.scoring.tails import LogTail
from tsae.scoring.window_models import WindowModel

__all__ = ["Member", "MemberScale"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MemberScale:
    """What is usual of one of the two kinds of a member's row errors, and how they are smoothed."""

    levels: FloatArray
    """Usual error of every network channel, `(n_network_channels,)`, positive."""
    tails: tuple[LogTail, ...]
    """Smoothed error → −log p, one per kernel; the last one is that of errors that are not smoothed."""
    kernels: FloatArray
    """Weights of the rows that an error is averaged over, `(n_filters, length)`, in time order; each sums to one."""
    lookahead: int
    """How many of these rows are later than the one they stand for."""

    def views(self, averages: FloatArray) -> FloatArray:
        """Smoothed errors → their −log p, `(n, n_filters)` both; NaN where missing."""
        return np.column_stack([tail(values) for tail, values in zip(self.tails, averages.T, strict=True)])


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
    """Rows between windows."""
    settled: MemberScale
    """For errors averaged over all windows that cover a row."""
    immediate: MemberScale
    """For errors of the last rows of the window that ends in a row."""

    @property
    def lookahead(self) -> int:
        """Rows after a row that its settled score depends on."""
        return self.window_size + self.settled.lookahead

    def is_prompt(self, formula: Formula) -> bool:
        """Whether its immediate error shows a fault soon after it began."""
        return self.n_last <= formula.prompt

    def shift(self, lag: int, formula: Formula) -> int:
        """By how many rows the immediate score is shifted back when a score may wait `lag` rows."""
        return min(lag, int(formula.patience * self.window_size))
