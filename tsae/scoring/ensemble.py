"""The ensemble: all that a score is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.blame import BlameModel
from tsae.scoring.classifier import LabelClassifier
from tsae.scoring.formula import Formula
from tsae.scoring.member import Member
from tsae.scoring.switches import SwitchModel
from tsae.scoring.window_models import ReconstructionModel
from tsae.series.channels import ChannelScaler

__all__ = ["Ensemble"]


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
