"""Many entities scored side by side: state of fixed size for each, one row of each at a time.

The same numbers as `tsae.scoring.engine` gives for one segment: both share everything that has no memory;
what has one stands here as arrays whose first axis is the entity's *lane*. A segment is numbered from its row 0; the
newest row is t.

A row costs about as much as its networks, so what is missing is looked at only where something is: while `n_whole`,
the number of rows since a value was missing or the segment began, is large enough, everything in reach was observed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.engine import ScoreModel
from tsae.scoring.rings import LaneArrays, as_slice
from tsae.streaming.lane_chains import LaneChains
from tsae.streaming.lane_inputs import LaneConstants, LaneSwitches
from tsae.streaming.lane_member import LaneMember
from tsae.streaming.lane_row import LaneRow
from tsae.streaming.lane_scores import Flushed, RowStep, Step, joined, scores_of

__all__ = ["Lanes"]

FloatArray = NDArray[np.float64]
_AT_ONCE = 1024  # lanes, so that what stands between a row and its scores is bounded


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
        self._model, self.arrays = model, LaneArrays()
        self.n_channels = len(model.scaler.role)
        self._full = lag >= model.full_lag
        shifts = None if self._full else [member.shift(lag) for member in model.members]
        self._chains = LaneChains(model.members, self.arrays, shifts)
        self._members = [
            LaneMember(member, self.arrays, f"members.{number}", full=self._full)
            for number, member in enumerate(model.members)
        ]
        self.delay = self._chains.delay
        self._depth = self.delay + 1
        scaler = model.scaler
        self._constants = LaneConstants(scaler, self.arrays)
        self._switches = LaneSwitches(scaler, model.switches, self.arrays)
        self._channels = scaler.network_channels
        n_channels = len(self._channels)
        self._network: Any = self._channels if n_channels < len(scaler.role) else slice(None)
        self._settled = self._chains.places(model.counted(full=self._full), settled=True)
        self._now = self._chains.places(model.counted(full=False), settled=False)
        longest = max(member.window_size for member in model.members)
        self._whole_after = longest + max(self._chains.length, 2 * longest)
        self._longest = longest
        self.arrays.add("n_rows", (), np.int64)
        self.arrays.add("n_whole", (), np.int64)
        self.arrays.add_ring("window", longest, (n_channels,), np.float32)
        self.arrays.add_ring("observed", longest, (n_channels,), np.bool_)
        self.arrays.add_ring("errors", self._depth, (len(scaler.role),))
        self.arrays.add_ring("switch_terms", self._depth)
        self.arrays.add_ring("apart", self._depth)
        self.arrays.add("newest_shares", (0 if self._full else len(self._members), n_channels))
        is_all = not (self._constants.channels.size or self._switches.channels.size)
        self._row = LaneRow(
            scaler,
            self.arrays,
            self._chains,
            self._members,
            network=self._network,
            now=self._now,
            settled=self._settled,
            apart=None if is_all else self._row_apart,
        )

    def open(self) -> int:
        """A further lane; its segment begins with its first row."""
        return self.arrays.open()

    def n_rows(self, lane: int) -> int:
        """Rows of the lane's segment so far."""
        return int(self.arrays["n_rows"][lane])

    def restart(self, lane: int) -> None:
        """Forget the lane's segment; a new one begins with its next row."""
        self.arrays.reset(slice(lane, lane + 1))

    def step(self, lanes: NDArray[np.intp], values: FloatArray) -> Step:
        """Take one row of each of some lanes, which rise.

        Values are `(m, n_channels)`, in the sensors' units, NaN where missing.
        """
        if len(lanes) == 1:
            return self.step_one(int(lanes[0]), values[0]).many()
        scaled = self._model.scaler.scaled(values)
        is_whole = ~np.isnan(scaled[:, self._network]).any(axis=1)
        is_whole &= self.arrays["n_whole"][lanes] >= self._whole_after
        groups, steps = [], []
        for places, whole in ((np.flatnonzero(is_whole), True), (np.flatnonzero(~is_whole), False)):
            for first in range(0, len(places), _AT_ONCE):
                group = places[first : first + _AT_ONCE]
                groups.append(group)
                steps.append(self._step(lanes[group], values[group], scaled[group], whole=whole))
        return steps[0] if len(steps) == 1 else joined(groups, steps)

    def step_one(self, lane: int, values: FloatArray) -> RowStep:
        """Take one row `(n_channels,)` of one lane."""
        is_whole = self.arrays["n_whole"][lane] >= self._whole_after
        step = self._row.step(lane, values) if is_whole else None
        return self._step_alone(lane, values) if step is None else step

    def flush(self, lane: int) -> Flushed:
        """What is still to be said of the lane's segment, if no row follows; `restart` ends it."""
        n_rows = self.n_rows(lane)
        stop = int(self.arrays["origin"][lane]) + self._depth
        n_left = min(n_rows, self.delay)
        left = slice(stop - n_left, stop)
        errors = self.arrays["errors"][lane, left].copy()
        if not n_left:
            return Flushed(np.zeros(0), np.zeros(0), errors)
        self._recall(np.array([lane]))
        relative = [self._rest(lane, n_rows, number) for number in range(len(self._members))]
        for number, delay in enumerate(self._chains.error_delays):
            share = relative[number] / len(relative) if self._full else self.arrays["newest_shares"][lane, number]
            late = np.arange(n_left - min(delay, n_left), n_left)
            errors[np.ix_(late, self._channels)] += share
        views = self._chains.flush(lane, relative, self.arrays["apart"][lane, left])[-n_left:]
        terms = self.arrays["switch_terms"][lane, left].copy()
        return Flushed(*scores_of(views, terms, self._settled), errors)

    def _step_alone(self, lane: int, values: FloatArray) -> RowStep:
        scaled = self._model.scaler.scaled(values[None])
        return RowStep.of(self._step(np.array([lane]), values[None], scaled, whole=False))

    def _step(self, lanes: NDArray[np.intp], values: FloatArray, scaled: NDArray[np.float32], *, whole: bool) -> Step:
        """Take rows of lanes that are worked off together.

        `whole` says that nothing is missing, neither in the rows nor in what is within reach of them.
        """
        part = as_slice(lanes)
        origin, rows = self.arrays.advance(lanes), self.arrays["n_rows"][lanes]
        newest = origin + self.delay  # of the rings that hold what waits to be settled
        windows, seen = self._windows(lanes, part, origin, scaled[:, self._network], whole=whole)
        apart = self._put_own(part, newest, scaled, values, windows[:, -1], seen)
        relative = self._relative(part, origin, rows, windows, seen)
        views = self._chains.step(part, origin, relative, self._apart(part, newest, apart), whole=seen is None)
        self._put_errors(part, newest, relative)
        self.arrays["n_rows"][lanes] = rows + 1
        terms = self.arrays["switch_terms"]
        now = scores_of(views, terms[part, newest], self._now)
        settled = scores_of(views, terms[part, origin], self._settled)
        return Step(*now, rows >= self.delay, *settled, self.arrays["errors"][part, origin].copy())

    def _windows(
        self, lanes: NDArray[np.intp], part: Any, origin: int, analog: NDArray[np.float32], *, whole: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """Take rows; return the windows that end in them, filled, and what was observed there: `None` is everything."""
        window, n_whole = self.arrays["window"], self.arrays["n_whole"]
        reach, newest = slice(origin, origin + self._longest), origin + self._longest - 1
        if whole:
            window[part, newest] = analog
            return window[part, reach], None
        observed = ~np.isnan(analog)
        is_complete = observed.all(axis=1)
        self._recall(lanes)
        filled = analog if is_complete.all() else np.where(observed, analog, window[part, newest - 1])
        is_first = self.arrays["n_rows"][lanes] == 0
        if is_first.any():  # what lies before a segment is filled with its first row, not observed
            window[lanes[is_first]] = filled[is_first, None]
        n_whole[lanes] = np.where(is_complete, n_whole[lanes] + 1, 0)
        window[part, newest] = filled
        self.arrays["observed"][part, newest] = observed
        return window[part, reach], self.arrays["observed"][part, reach]

    def _recall(self, lanes: NDArray[np.intp]) -> None:
        """Put down that everything was observed where nobody looked because it was."""
        lanes = lanes[self.arrays["n_whole"][lanes] >= self._whole_after]
        self.arrays["observed"][lanes] = True
        self.arrays["weights"][lanes] = 1

    def _put_own(
        self,
        part: Any,
        newest: int,
        scaled: NDArray[np.float32],
        values: FloatArray,
        filled: NDArray[np.float32],
        seen: NDArray[np.bool_] | None,
    ) -> FloatArray | None:
        """Put down what a row brings besides the members' errors; return the summed errors of constant channels."""
        arrays = self.arrays
        own = np.zeros(values.shape)
        if seen is not None:
            own[:, self._network] = np.where(seen[:, -1], 0.0, np.nan)
        apart = None
        if self._constants.channels.size:
            own[:, self._constants.channels] = errors = self._constants.step(part, scaled)
            arrays["apart"][part, newest] = apart = np.nansum(errors, axis=1)
        if self._switches.channels.size:
            own[:, self._switches.channels], terms = self._switches.step(part, filled, values)
            arrays["switch_terms"][part, newest] = terms
        arrays["errors"][part, newest] = own
        return apart

    def _row_apart(self, lane: int, newest: int, values: FloatArray, scaled: FloatArray) -> FloatArray | None:
        """See `LaneRow`."""
        part, row = slice(lane, lane + 1), scaled[None].astype(np.float32)
        apart = self._put_own(part, newest, row, values[None], row[:, self._network], None)
        of_chains = self._apart(part, newest, apart)
        return None if of_chains is None else of_chains[0] / len(self._channels)

    def _relative(
        self, part: Any, origin: int, rows: NDArray[np.int64], windows: NDArray[np.float32], seen: Any
    ) -> FloatArray:
        """Errors of all members in usual errors, `(m, n_chains, n_network_channels)`."""
        n_members = len(self._members)
        relative = np.empty((len(windows), 2 * n_members, windows.shape[2]))
        for number, member in enumerate(self._members):
            now, settled = member.step(part, origin, rows, windows, seen)
            relative[:, number] = now
            relative[:, n_members + number] = now if settled is None else settled
        relative /= self._chains.levels
        return relative

    def _apart(self, part: Any, newest: int, apart: FloatArray | None) -> FloatArray | None:
        """Summed errors of the constant channels in the rows whose errors are known now, `(m, n_chains)`."""
        if apart is None:
            return None
        delays = self._chains.error_delays if self._full else [0] * len(self._members)
        of_settled = [self.arrays["apart"][part, newest - delay] for delay in delays]
        return np.stack([*[apart] * len(self._members), *of_settled], axis=1)

    def _put_errors(self, part: Any, newest: int, relative: FloatArray) -> None:
        """Add what each member says of the row that it settles."""
        errors, n_members = self.arrays["errors"], len(self._members)
        shares = relative[:, n_members:] / n_members
        for number, delay in enumerate(self._chains.error_delays):
            own = errors[part, newest - delay]
            own[:, self._network] += shares[:, number]
            if not isinstance(part, slice):
                errors[part, newest - delay] = own
        if not self._full:
            self.arrays["newest_shares"][part] = shares

    def _rest(self, lane: int, n_rows: int, number: int) -> FloatArray:
        """Relative errors of a lane's last rows, those that a member has not settled yet."""
        member, levels = self._members[number], self._chains.levels[len(self._members) + number]
        if not self._full:
            return np.zeros((0, len(levels)))
        origin = int(self.arrays["origin"][lane])
        reach = slice(origin, origin + self._longest)
        errors = member.flush(lane, n_rows, self.arrays["window"][lane, reach], self.arrays["observed"][lane, reach])
        relative: FloatArray = errors / levels
        return relative
