"""The whole chain from rows to scores, for one segment, fed block by block.

A file is scored by the same code as a stream, so both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.blame import BlameModel
from tsae.scoring.chain import Chain, ChainOutput, Queue
from tsae.scoring.classifier import LabelClassifier
from tsae.scoring.combination import combined, with_switches
from tsae.scoring.constants import ConstantWatch
from tsae.scoring.member import Member, immediate_averages, settled_averages
from tsae.scoring.switches import SwitchModel, SwitchWatch
from tsae.scoring.window_models import ReconstructionModel
from tsae.series.channels import ChannelScaler
from tsae.series.filling import ForwardFill

__all__ = ["ScoreModel", "ScoredRows", "SegmentScorer", "both_scores"]

FloatArray = NDArray[np.float64]
_NONE = (np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class ScoreModel:
    """Everything that is needed to score rows."""

    scaler: ChannelScaler
    members: tuple[Member, ...]
    switches: SwitchModel | None = None
    blame: BlameModel | None = None
    labelled: LabelClassifier | None = None
    """Joins the scores of whole series (`tsae.scoring.whole_series`); `SegmentScorer` knows nothing of it."""

    @property
    def longest(self) -> Member:
        """The member with the longest windows among those that rebuild whole windows, the first of several; codes are
        its codes.
        """
        rebuilding = [member for member in self.members if isinstance(member.model, ReconstructionModel)]
        return max(rebuilding, key=lambda member: member.window_size)

    def counted(self, *, full: bool) -> NDArray[np.bool_]:
        """Which members make the score, at the full lag or at a shorter one; errors come from all of them.

        Members whose immediate errors look at many rows are left out of immediate scores, unless there is no other.
        """
        counted = np.array([full or member.is_prompt for member in self.members])
        return counted if counted.any() else ~counted

    @property
    def full_lag(self) -> int:
        """Rows after a row that its most accurate score depends on."""
        return max(member.lookahead for member in self.members)

    def delay(self, lag: int) -> int:
        """Rows that have come after a row when its score at this lag is out; at most `lag`."""
        return self.full_lag - 1 if lag >= self.full_lag else max(member.shift(lag) for member in self.members)


@dataclass(frozen=True)
class ScoredRows:
    """What one push has settled. Rows come out in order, none twice, none left out."""

    settled: FloatArray
    """Scores of the oldest rows not yet returned, `(n_settled,)`."""
    errors: FloatArray
    """Errors of the same rows, `(n_settled, n_channels)`, in usual errors (switches: in the largest of training);
    NaN where missing."""
    immediate: FloatArray
    """Scores at lag 0 of the rows just pushed, `(n,)`; empty unless asked for."""
    unsmoothed: FloatArray
    """Of the settled rows, the score of each row's own error, `(n_settled,)`."""
    immediate_unsmoothed: FloatArray
    """Of the rows just pushed, the score of each row's own error, `(n,)`."""


class SegmentScorer:
    """Scores of the rows of one segment.

    Parameters
    ----------
    lag
        Rows a settled score waits for: `model.full_lag` or more gives the most accurate score, fewer rows the
        immediate score of a few rows later.
    immediate
        Whether scores at lag 0 are wanted too.
    """

    def __init__(self, model: ScoreModel, *, lag: int, immediate: bool = False) -> None:
        self._model = model
        self._constants = ConstantWatch()
        self._switches = SwitchWatch(model.scaler, model.switches)
        self._fill = ForwardFill()
        full = lag >= model.full_lag
        self._members = [
            _MemberScorer(member, lag=None if full else lag, immediate=immediate) for member in model.members
        ]
        self._counted, self._counted_now = model.counted(full=full), model.counted(full=False)
        self._own_errors, self._switch_terms = Queue(), Queue()

    def push(self, values: NDArray[np.floating]) -> ScoredRows:
        """Take the next rows `(n, n_channels)` in the sensors' units, NaN where missing."""
        scaler = self._model.scaler
        scaled = scaler.scaled(values)
        filled, observed = self._fill.push(scaled[:, scaler.network_channels])
        constant_errors = self._constants.push(scaled[:, scaler.constant_channels])
        switch_errors = self._switches.push(filled, values[:, scaler.switch_channels])
        own_errors = np.empty(values.shape)  # the members' errors are added once they are settled
        own_errors[:, scaler.network_channels] = np.where(observed, 0.0, np.nan)
        own_errors[:, scaler.constant_channels] = constant_errors
        own_errors[:, scaler.switch_channels] = switch_errors
        self._own_errors.put(own_errors)
        switch_terms = self._switches.term(switch_errors)
        self._switch_terms.put(switch_terms)
        apart = np.nansum(constant_errors, axis=1)
        outputs = [member.push(filled, observed, apart) for member in self._members]
        immediate = [now.views for _, now in compress(outputs, self._counted_now) if now is not None]
        return self._collected(*(both_scores(immediate, switch_terms) if immediate else _NONE))

    def flush(self) -> ScoredRows:
        """End the segment: the rows still waiting."""
        for member in self._members:
            member.flush()
        return self._collected(*_NONE)

    def _collected(self, immediate: FloatArray, immediate_unsmoothed: FloatArray) -> ScoredRows:
        """Take the rows that every member has settled."""
        n_rows = min(member.n_settled for member in self._members)
        scaler = self._model.scaler
        if not n_rows:
            none = np.zeros(0)
            return ScoredRows(none, np.empty((0, len(scaler.role))), immediate, none, immediate_unsmoothed)
        views, member_errors = zip(*(member.take(n_rows) for member in self._members), strict=True)
        errors = self._own_errors.take(n_rows)
        errors[:, scaler.network_channels] += np.mean(member_errors, axis=0)
        settled, unsmoothed = both_scores(list(compress(views, self._counted)), self._switch_terms.take(n_rows))
        return ScoredRows(settled, errors, immediate, unsmoothed, immediate_unsmoothed)


def both_scores(views: Sequence[FloatArray], switch_terms: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The score and the unsmoothed one, each `(n,)`, from the views of all members `(n, n_filters)`."""
    smoothed, unsmoothed = ([view[:, part] for view in views] for part in (slice(-1), slice(-1, None)))
    return with_switches(combined(smoothed), switch_terms), with_switches(combined(unsmoothed), switch_terms)


class _MemberScorer:
    """A member's row errors, its chain for settled scores and, if wanted, one for immediate scores."""

    def __init__(self, member: Member, *, lag: int | None, immediate: bool) -> None:
        size = member.window_size
        self._rows = member.row_errors(settled=lag is None, immediate=immediate or lag is not None)
        self._full = lag is None
        if lag is None:
            self._settled = Chain(member.settled, settled_averages(size))
        else:
            self._settled = Chain(member.immediate, immediate_averages(size), shift=member.shift(lag))
        self._immediate = Chain(member.immediate, immediate_averages(size)) if immediate else None
        self._views, self._errors = Queue(), Queue()

    @property
    def n_settled(self) -> int:
        return len(self._views)

    def push(
        self, values: NDArray[np.float32], observed: NDArray[np.bool_], apart: FloatArray
    ) -> tuple[ChainOutput, ChainOutput | None]:
        done, now = (errors.astype(np.float64) for errors in self._rows.push(values, observed))
        output = self._settled.push(done if self._full else now, apart)
        self._put(output)
        return output, self._immediate.push(now, apart) if self._immediate is not None else None

    def flush(self) -> None:
        if self._full:
            rest = self._rows.flush().astype(np.float64)
            self._put(self._settled.push(rest, np.zeros(0)))
        self._put(self._settled.flush())

    def take(self, n_rows: int) -> tuple[FloatArray, FloatArray]:
        return self._views.take(n_rows), self._errors.take(n_rows)

    def _put(self, output: ChainOutput) -> None:
        self._views.put(output.views)
        self._errors.put(output.errors)
