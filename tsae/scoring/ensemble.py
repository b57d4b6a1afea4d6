"""The ensemble: members, scales and constants, all that a score is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.nn.options import NetworkSpec
from tsae.scoring.blame import BlameModel
from tsae.scoring.classifier import LabelClassifier
from tsae.scoring.formula import Formula
from tsae.scoring.switches import SwitchModel
from tsae.scoring.tails import LogTail
from tsae.scoring.window_models import ReconstructionModel, WindowModel
from tsae.series.channels import ChannelScaler

__all__ = ["Ensemble", "Member", "MemberScale"]

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


@dataclass(frozen=True)
class Ensemble:
    """Scaler, members, and the models beside them."""

    scaler: ChannelScaler
    members: tuple[Member, ...]
    switches: SwitchModel | None = None
    """How channels of zeros and ones behave; `None` if there are none."""
    blame: BlameModel | None = None
    """Which sensors explain an event; it does not change scores."""
    classifier: LabelClassifier | None = None
    """Joins the scores of whole series (`tsae.scoring.whole_series`); `Scorer` knows nothing of it."""
    formula: Formula = Formula()  # noqa: RUF009
    """The constants that the score depends on."""

    @property
    def longest(self) -> Member:
        """The first of the members with the longest windows among those that rebuild windows; codes are its codes."""
        rebuilding = [member for member in self.members if isinstance(member.model, ReconstructionModel)]
        return max(rebuilding, key=lambda member: member.window_size)

    def counted(self, *, full: bool) -> NDArray[np.bool_]:
        """Which members make the score, at the full lag or at a shorter one; errors come from all of them.

        Members whose immediate errors look at many rows are left out of immediate scores, unless there is no other.
        """
        counted = np.array([full or member.is_prompt(self.formula) for member in self.members])
        return counted if counted.any() else ~counted

    @property
    def full_lag(self) -> int:
        """Rows after a row that its most accurate score depends on."""
        return max(member.lookahead for member in self.members)

    def delay(self, lag: int) -> int:
        """Rows that have come after a row when its score at this lag is out; at most `lag`."""
        if lag >= self.full_lag:
            return self.full_lag - 1
        return max(member.shift(lag, self.formula) for member in self.members)
