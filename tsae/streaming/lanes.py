"""Many entities scored side by side: state of fixed size for each, one row of each at a time.

The same numbers as `tsae.detection.engine` gives for one segment: both share everything that has no memory; what has
one stands here as arrays whose first axis is the entity's *lane*. A segment is numbered from its row 0; the newest
row is t.

A row costs about as much as its networks, so what is missing is looked at only where something is: while `n_whole`,
the number of rows since a value was missing or the segment began, is large enough, everything in reach was observed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.engine import ScoreModel
from tsae.streaming.lane_arrays import LaneArrays
from tsae.streaming.lane_chains import LaneChains
from tsae.streaming.lane_inputs import LaneConstants, LaneSwitches
from tsae.streaming.lane_member import LaneMember
from tsae.streaming.lane_scores import Flushed, Step, joined, scores_of

__all__ = ["Lanes"]

FloatArray = NDArray[np.float64]
_AT_ONCE = 128  # lanes; what they hold stays in the processor's cache


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
        self._full = lag >= model.full_lag
        shifts = None if self._full else [member.shift(lag) for member in model.members]
        self._chains = LaneChains(model.members, self.arrays, shifts)
        self._members = [
            LaneMember(member, self.arrays, f"members.{number}", full=self._full)
            for number, member in enumerate(model.members)
        ]
        self.delay = self._chains.delay
        self._size = self.delay + 1
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
        self.arrays.add("n_rows", (), np.int64)
        self.arrays.add("n_whole", (), np.int64)
        self.arrays.add("window", (longest, n_channels), np.float32)
        self.arrays.add("observed", (longest, n_channels), np.bool_)
        self.arrays.add("errors", (self._size, len(scaler.role)))
        self.arrays.add("newest_shares", (0 if self._full else len(self._members), n_channels))
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
        groups = self._groups(lanes, values) if len(lanes) > 1 else []
        if len(groups) < 2:
            return self._step(lanes, values)
        return joined(groups, [self._step(lanes[group], values[group]) for group in groups])

    def flush(self, lane: int) -> Flushed:
        """End the lane's segment."""
        n_rows = int(self.arrays["n_rows"][lane])
        places = np.arange(max(0, n_rows - self.delay), n_rows) % self._size
        errors = self.arrays["errors"][lane, places]
        views = np.zeros((0, 0))
        if len(places):
            self._recall(slice(lane, lane + 1))
            relative = [self._rest(lane, n_rows, number) for number in range(len(self._members))]
            for number, delay in enumerate(self._chains.error_delays):
                share = relative[number] / len(relative) if self._full else self.arrays["newest_shares"][lane, number]
                late = np.arange(len(places) - min(delay, len(places)), len(places))
                errors[np.ix_(late, self._channels)] += share
            views = self._chains.flush(lane, relative, self.arrays["apart"][lane, places])[-len(places) :]
        terms = self.arrays["switch_terms"][lane, places]
        self.restart(lane)
        return Flushed(*scores_of(views, terms, self._settled), errors)

    def _groups(self, lanes: NDArray[np.intp], values: FloatArray) -> list[NDArray[np.intp]]:
        """Places among `lanes` of those that are worked off together."""
        is_whole = ~np.isnan(values[:, self._network]).any(axis=1)
        is_whole &= self.arrays["n_whole"][lanes] >= self._whole_after
        return [
            places[first : first + _AT_ONCE]
            for places in (np.flatnonzero(is_whole), np.flatnonzero(~is_whole))
            for first in range(0, len(places), _AT_ONCE)
        ]

    def _step(self, lanes: NDArray[np.intp], values: FloatArray) -> Step:
        part, at, rows = self._where(lanes)
        scaled = self._model.scaler.scaled(values)
        windows, seen = self._windows(part, at, scaled[:, self._network])
        apart = self._put_own(part, at, rows, scaled, values, windows[:, -1], seen)
        relative = self._relative(part, rows, windows, seen)
        views = self._chains.step(part, relative, self._apart(at, rows, apart), whole=seen is None)
        self._put_errors(at, rows, relative)
        self.arrays["n_rows"][at] = rows + 1
        oldest = rows - self.delay
        errors = self.arrays["errors"][at, oldest % self._size]
        now = scores_of(views, self._terms(at, rows), self._now)
        settled = scores_of(views, self._terms(at, oldest), self._settled)
        if isinstance(at, slice):
            return Step(*now, [oldest >= 0], *settled, errors.copy())
        return Step(*now, (oldest >= 0).tolist(), *settled, errors)

    def _where(self, lanes: NDArray[np.intp]) -> tuple[Any, Any, Any]:
        """Lanes as numpy reads and writes them without a copy if it can, as what goes with places, and rows' numbers.

        Of a single lane the last one is a plain number, with which numpy is several times as fast.
        """
        first, last = int(lanes[0]), int(lanes[-1])
        n_rows = self.arrays["n_rows"]
        if len(lanes) == 1:
            one = slice(first, first + 1)
            return one, one, int(n_rows[first])
        is_run = last - first == len(lanes) - 1 and bool((np.diff(lanes) == 1).all())
        return slice(first, last + 1) if is_run else lanes, lanes, n_rows[lanes]

    def _windows(
        self, part: Any, at: Any, analog: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
        """Take rows; return the windows that end in them, filled, and what was observed there: `None` is everything."""
        arrays = self.arrays
        n_whole = arrays["n_whole"][part]
        observed = ~np.isnan(analog)
        is_complete = observed.all(axis=1)
        if is_complete.all() and (n_whole >= self._whole_after).all():
            return arrays.shift_in("window", part, analog), None
        self._recall(at)
        filled = analog if is_complete.all() else np.where(observed, analog, arrays["window"][part][:, -1])
        is_first = arrays["n_rows"][part] == 0
        if is_first.any():  # what lies before a segment is filled with its first row, not observed
            arrays["window"][_numbers(at)[is_first]] = filled[is_first, None]
        arrays["n_whole"][part] = np.where(is_complete, n_whole + 1, 0)
        return arrays.shift_in("window", part, filled), arrays.shift_in("observed", part, observed)

    def _recall(self, at: Any) -> None:
        """Put down that everything was observed where nobody looked because it was."""
        lanes = _numbers(at)
        lanes = lanes[self.arrays["n_whole"][lanes] >= self._whole_after]
        self.arrays["observed"][lanes] = True
        self.arrays["weights"][lanes] = 1

    def _put_own(
        self,
        part: Any,
        at: Any,
        rows: Any,
        scaled: NDArray[np.float32],
        values: FloatArray,
        filled: NDArray[np.float32],
        seen: NDArray[np.bool_] | None,
    ) -> FloatArray | None:
        """Put down what a row brings besides the members' errors; return the summed errors of constant channels."""
        arrays, places = self.arrays, rows % self._size
        own = np.zeros(values.shape)
        if seen is not None:
            own[:, self._network] = np.where(seen[:, -1], 0.0, np.nan)
        apart = None
        if self._constants.channels.size:
            own[:, self._constants.channels] = errors = self._constants.step(part, scaled)
            arrays["apart"][at, places] = apart = np.nansum(errors, axis=1)
        if self._switches.channels.size:
            own[:, self._switches.channels], terms = self._switches.step(part, filled, values)
            arrays["switch_terms"][at, places] = terms
        arrays["errors"][at, places] = own
        return apart

    def _relative(
        self, part: Any, rows: Any, windows: NDArray[np.float32], seen: NDArray[np.bool_] | None
    ) -> FloatArray:
        """Errors of all members in usual errors, `(m, n_chains, n_network_channels)`."""
        n_members = len(self._members)
        relative = np.empty((len(windows), 2 * n_members, windows.shape[2]))
        for number, member in enumerate(self._members):
            now, settled = member.step(part, rows, windows, seen)
            relative[:, number] = now
            relative[:, n_members + number] = now if settled is None else settled
        relative /= self._chains.levels
        return relative

    def _apart(self, at: Any, rows: Any, apart: FloatArray | None) -> FloatArray | None:
        """Summed errors of the constant channels in the rows whose errors are known now, `(m, n_chains)`."""
        if apart is None:
            return None
        delays = self._chains.error_delays if self._full else [0] * len(self._members)
        of_settled = [self.arrays["apart"][at, (rows - delay) % self._size] for delay in delays]
        return np.stack([*[apart] * len(self._members), *of_settled], axis=1)

    def _put_errors(self, at: Any, rows: Any, relative: FloatArray) -> None:
        """Add what each member says of the row that it settles."""
        errors, network, n_members = self.arrays["errors"], self._network, len(self._members)
        shares = relative[:, n_members:] / n_members
        for number, delay in enumerate(self._chains.error_delays):
            places = (rows - delay) % self._size
            if isinstance(at, slice) or isinstance(network, slice):
                errors[at, places, network] += shares[:, number]
            else:
                errors[at[:, None], places[:, None], network] += shares[:, number]
        if not self._full:
            self.arrays["newest_shares"][at] = shares

    def _terms(self, at: Any, rows: Any) -> FloatArray:
        """What the switches add to the scores of these rows, `(m,)`."""
        terms: FloatArray = self.arrays["switch_terms"][at, rows % self._size]
        return terms

    def _rest(self, lane: int, n_rows: int, number: int) -> FloatArray:
        """Relative errors of a lane's last rows, those that a member has not settled yet."""
        member, levels = self._members[number], self._chains.levels[len(self._members) + number]
        if not self._full:
            return np.zeros((0, len(levels)))
        errors = member.flush(lane, n_rows, self.arrays["window"][lane], self.arrays["observed"][lane])
        relative: FloatArray = errors / levels
        return relative


def _numbers(at: slice | NDArray[np.intp]) -> NDArray[np.intp]:
    """Lanes, one or many, by their numbers."""
    return np.arange(at.start, at.stop) if isinstance(at, slice) else at
