"""Many entities scored side by side: state of fixed size for each, one row of each at a time.

The same numbers as `tsae.detection.engine` gives for one segment: both share everything that has no memory; what has
one stands here as arrays whose first axis is the entity's *lane*. A segment is numbered from its row 0; the newest
row is t.
"""

from __future__ import annotations

from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.detection.engine import ScoreModel, both_scores
from tsae.series.channels import ChannelScaler
from tsae.streaming.lane_arrays import LaneArrays
from tsae.streaming.lane_inputs import LaneConstants, LaneSwitches
from tsae.streaming.lane_member import LaneMember

__all__ = ["Flushed", "Lanes", "Step"]

FloatArray = NDArray[np.float64]


class Step(NamedTuple):
    """What one row of each of m lanes brought."""

    immediate: FloatArray
    """Scores at lag 0 of the rows just handed in, `(m,)`."""
    is_settled: NDArray[np.bool_]
    """Whether the row `Lanes.delay` back exists, `(m,)`."""
    settled: FloatArray
    """Settled scores of those rows, `(m,)`."""
    errors: FloatArray
    """Their errors `(m, n_channels)`, in usual errors; NaN where missing."""
    unsmoothed: FloatArray
    """Scores of the settled rows' own errors, `(m,)`."""
    immediate_unsmoothed: FloatArray
    """Scores at lag 0 of the own errors of the rows just handed in, `(m,)`."""


class Flushed(NamedTuple):
    """The rows of a lane that were still waiting when its segment ended, oldest first."""

    settled: FloatArray
    """`(n,)`."""
    errors: FloatArray
    """`(n, n_channels)`."""
    unsmoothed: FloatArray
    """`(n,)`."""


class Lanes:
    """Scores of many segments at once.

    Parameters
    ----------
    lag
        Rows a settled score waits for, as for `SegmentScorer`.

    Attributes
    ----------
    delay : int
        A row settles when so many later rows have come; at most `lag`.
    """

    def __init__(self, model: ScoreModel, *, lag: int) -> None:
        self._model = model
        self._full = lag >= model.full_lag
        self.arrays = LaneArrays()
        lags = [None if self._full else member.shift(lag) for member in model.members]
        self._members = [
            LaneMember(member, self.arrays, f"members.{number}.", shift=shift)
            for number, (member, shift) in enumerate(zip(model.members, lags, strict=True))
        ]
        self.delay = max(member.delay for member in self._members)
        self._size = self.delay + 1
        scaler = model.scaler
        self._network = scaler.network_channels
        self._constants = LaneConstants(scaler, self.arrays)
        self._switches = LaneSwitches(scaler, model.switches, self.arrays)
        numbers = [member.n_views for member in self._members]
        n_views, self._splits = sum(numbers), np.cumsum(numbers)[:-1]
        self._counted, self._counted_now = model.counted(full=self._full), model.counted(full=False)
        self.arrays.add("n_rows", (), np.int64)
        self.arrays.add("last", (len(self._network),), np.float32)
        self.arrays.add("views", (self._size, n_views))
        self.arrays.add("errors", (self._size, len(scaler.role)))
        self.arrays.add("switch_terms", (self._size,))
        self.arrays.add("apart", (self._size,))

    def open(self) -> int:
        """A further lane; its segment begins with its first row."""
        return self.arrays.open()

    def restart(self, lane: int) -> None:
        """Forget the lane's segment; a new one begins with its next row."""
        self.arrays.reset(slice(lane, lane + 1))

    def step(self, lanes: NDArray[np.intp], values: FloatArray) -> Step:
        """Take one row of each lane, `(m, n_channels)` in the sensors' units, NaN where missing; no lane twice."""
        part = _as_slice(lanes)
        rows = self.arrays["n_rows"][part].copy()
        scaled = self._model.scaler.scaled(values)
        filled, observed = self._filled(part, scaled[:, self._network])
        apart = self._put_own(part, lanes, rows, scaled, values, filled, observed)
        immediate = []
        first = 0
        for member in self._members:
            views = slice(first, first + member.n_views)
            now, done, relative = member.step(part, rows, filled, observed, apart, self._apart(lanes, rows, member))
            self.arrays["views"][lanes, (rows - member.delay) % self._size, views] = done
            places = (rows - member.error_delay) % self._size
            share = relative / len(self._members)
            self.arrays["errors"][lanes[:, None], places[:, None], self._network] += share
            immediate.append(now)
            first += member.n_views
        self.arrays["n_rows"][part] += 1
        terms = self.arrays["switch_terms"]
        oldest = rows - self.delay
        at = lanes, oldest % self._size
        settled, unsmoothed = self._scores(self.arrays["views"][at], terms[at])
        at_once = both_scores(list(compress(immediate, self._counted_now)), terms[lanes, rows % self._size])
        return Step(at_once[0], oldest >= 0, settled, self.arrays["errors"][at], unsmoothed, at_once[1])

    def flush(self, lane: int) -> Flushed:
        """End the lane's segment."""
        part = slice(lane, lane + 1)
        n_rows = int(self.arrays["n_rows"][lane])
        rows = np.arange(max(0, n_rows - self.delay), n_rows)
        places = rows % self._size
        views, errors = self.arrays["views"][lane, places], self.arrays["errors"][lane, places]
        apart = self.arrays["apart"][lane]
        first = 0
        for member in self._members if len(rows) else ():
            done, relative = member.flush(part, n_rows, apart)
            late, late_errors = rows > n_rows - 1 - member.delay, rows > n_rows - 1 - member.error_delay
            views[late, first : first + member.n_views] = done[len(done) - int(late.sum()) :]
            share = relative[len(relative) - int(late_errors.sum()) :] / len(self._members)
            errors[np.ix_(late_errors, self._network)] += share
            first += member.n_views
        terms = self.arrays["switch_terms"][lane, places]
        self.restart(lane)
        settled, unsmoothed = self._scores(views, terms)
        return Flushed(settled, errors, unsmoothed)

    def _scores(self, views: FloatArray, terms: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Settled scores and unsmoothed ones `(n,)` from all members' views `(n, n_views)` and what switches add."""
        return both_scores(list(compress(np.split(views, self._splits, axis=1), self._counted)), terms)

    def _filled(self, part: Any, scaled: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        observed = ~np.isnan(scaled)
        last = self.arrays["last"]
        filled = scaled if observed.all() else np.where(observed, scaled, last[part])
        last[part] = filled
        return filled, observed

    def _put_own(
        self,
        part: Any,
        lanes: NDArray[np.intp],
        rows: NDArray[np.int64],
        scaled: NDArray[np.float32],
        values: FloatArray,
        filled: NDArray[np.float32],
        observed: NDArray[np.bool_],
    ) -> FloatArray:
        """Put down what a row brings besides the members' errors; return the summed errors of constant channels."""
        scaler: ChannelScaler = self._model.scaler
        own = np.empty(values.shape)
        own[:, self._network] = np.where(observed, 0.0, np.nan)
        apart = np.zeros(len(values))
        if self._constants.channels.size:
            errors = self._constants.step(part, scaled)
            own[:, self._constants.channels] = errors
            apart = np.nansum(errors, axis=1)
        terms = np.zeros(len(values))
        if scaler.switch_channels.size:
            own[:, scaler.switch_channels], terms = self._switches.step(part, filled, values)
        for name, new in (("errors", own), ("switch_terms", terms), ("apart", apart)):
            self.arrays[name][lanes, rows % self._size] = new
        return apart

    def _apart(self, lanes: NDArray[np.intp], rows: NDArray[np.int64], member: LaneMember) -> FloatArray:
        """Summed errors of the constant channels in the rows whose member errors settle now, `(m,)`."""
        apart: FloatArray = self.arrays["apart"][lanes, (rows - member.error_delay) % self._size]
        return apart


def _as_slice(lanes: NDArray[np.intp]) -> Any:
    """Neighbouring lanes as a slice, which numpy reads and writes without a copy."""
    first, last = int(lanes[0]), int(lanes[-1])
    if last - first == len(lanes) - 1 and (len(lanes) < 3 or bool((np.diff(lanes) == 1).all())):
        return slice(first, last + 1)
    return lanes
