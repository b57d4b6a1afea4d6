"""Rows → scores, for many series side by side: the one place where the formula is written.

A file is a stream of one lane that takes some thousand rows a step. Every series has a *lane*: a place in arrays of
fixed size that hold all that is remembered of it. A step takes one row of each of some lanes, or some rows of one lane.
A segment is numbered from its row 0.

A row costs about as much as its networks, so what is missing is looked at only where something is: while nothing was
missing within reach (see `FilledRows`), everything there was observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.combination import combined, with_switches
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.inputs import ConstantWatch, FilledRows
from tsae.scoring.rings import Place, Rings
from tsae.scoring.row_errors import RowErrors
from tsae.scoring.single_row import RowStep, SingleRow
from tsae.scoring.smoothing import Chains
from tsae.scoring.switches import SwitchWatch

__all__ = ["Flushed", "RowStep", "Scorer", "Step"]

FloatArray = NDArray[np.float64]
Lanes = NDArray[np.intp]
_LANES_AT_ONCE = 1024  # so that what stands between a row and its scores is bounded
_NONE = np.zeros(0)


class Step(NamedTuple):
    """What k rows brought: those of n rows of each of m lanes, lane after lane, k = m · n."""

    immediate: FloatArray
    """Scores at lag 0 of the rows just pushed, `(k,)`; empty unless wanted."""
    immediate_unsmoothed: FloatArray
    """Scores at lag 0 of their own errors, `(k,)`."""
    is_settled: NDArray[np.bool_]
    """Whether the row `Scorer.delay` rows back exists, `(k,)`."""
    settled: FloatArray
    """Settled scores of those rows, `(k,)`."""
    unsmoothed: FloatArray
    """Scores of their own errors, `(k,)`."""
    errors: FloatArray
    """Their errors `(k, n_channels)`, in usual errors (switches: in the largest of training); NaN where missing."""


class Flushed(NamedTuple):
    """The rows of a lane that were still waiting when its segment ended, oldest first."""

    settled: FloatArray
    """Scores, `(n,)`."""
    unsmoothed: FloatArray
    """Scores of the rows' own errors, `(n,)`."""
    errors: FloatArray
    """`(n, n_channels)`."""


class Scorer:
    """Scores of the segments of many lanes.

    Parameters
    ----------
    lag
        Rows a settled score may wait: `ensemble.full_lag` or more gives the most accurate score, fewer rows the
        immediate score of a few rows later.
    immediate
        Whether scores at lag 0 are wanted too.
    most_rows
        Most rows of one lane in a step.

    Attributes
    ----------
    delay : int
        A row settles when this many later rows have come; at most `lag`.
    rings : Rings
        The memory of all lanes.
    """

    def __init__(self, ensemble: Ensemble, *, lag: int, immediate: bool = True, most_rows: int = 64) -> None:
        self.ensemble, self.rings = ensemble, Rings(max(1, most_rows))
        scaler, rings = ensemble.scaler, self.rings
        self._scaler, self._immediate = scaler, immediate
        self.n_channels, self._channels = len(scaler.role), scaler.network_channels
        n_network = len(self._channels)
        self._network: Any = self._channels if n_network < self.n_channels else slice(None)
        self._chains = Chains(ensemble, rings, lag=lag, immediate=immediate)
        self.delay, full = self._chains.delay, self._chains.full
        longest = max(member.window_size for member in ensemble.members)
        reach = longest + max(self._chains.length, 2 * longest)
        self._rows = FilledRows(rings, n_network, length=longest, whole_after=reach)
        now = immediate or not full
        self._members = [
            RowErrors(
                *(rings, self._rows, f"members.{number}"),
                window_errors=member.model.errors if full else None,
                last_errors=partial(member.model.errors, n_last=member.n_last) if now else None,
                n_last=member.n_last,
                window_size=member.window_size,
                stride=member.stride,
            )
            for number, member in enumerate(ensemble.members)
        ]
        self._settled = self._chains.places(ensemble.counted(full=full), settled=True)
        self._now = self._chains.places(ensemble.counted(full=False), settled=False)
        rings.add_ring("errors", self.delay + 1, (self.n_channels,))
        rings.add_ring("switch_terms", self.delay + 1)
        rings.add_ring("apart", self.delay + 1)
        rings.add("newest_shares", (0 if full else len(self._members), n_network))
        formula = ensemble.formula
        n_constant, n_switches = len(scaler.constant_channels), len(scaler.switch_channels)
        self._constants = ConstantWatch(rings, n_constant, formula.constant_memory) if n_constant else None
        self._switches = SwitchWatch(rings, n_network, n_switches, formula) if ensemble.switches is not None else None
        self._single = SingleRow(
            *(ensemble, rings, self._chains, self._members),
            network=self._network,
            now=self._now,
            settled=self._settled,
            put_own=self._put_own if n_constant or n_switches else None,
        )

    def open(self) -> int:
        """Open a further lane; its segment begins with its first row."""
        return self.rings.open()

    def n_rows(self, lane: int) -> int:
        """Rows of the lane's segment so far."""
        return int(self.rings["n_rows"][lane])

    def restart(self, lane: int) -> None:
        """Forget the lane's segment; a new one begins with its next row."""
        self.rings.reset(lane)

    def push(self, lanes: Lanes, values: NDArray[np.floating]) -> Step:
        """Take the next rows of some lanes, which rise.

        Values are `(m, n, n_channels)`, n rows of each of m lanes, in the sensors' units, NaN where missing; n is at
        most `most_rows`.
        """
        n_lanes, n_rows, _ = values.shape
        if n_lanes > 1 and n_rows > 1:
            return _joined([self.push(lanes[[number]], values[[number]]) for number in range(n_lanes)])
        if n_lanes == n_rows == 1 and self._immediate:
            return Step(*(np.array([part]) for part in self.push_row(int(lanes[0]), values[0, 0])))
        scaled = self._scaler.scaled(values.reshape(-1, self.n_channels))
        complete = ~np.isnan(scaled[:, self._network]).any(axis=1)
        is_whole = self._rows.is_whole(lanes) & complete.reshape(n_lanes, n_rows).all(axis=1)
        values = values.reshape(scaled.shape)
        if n_rows > 1 or n_lanes == 0:
            return self._step(lanes, values, scaled, whole=bool(is_whole.all()))
        groups, steps = [], []
        for places, whole in ((np.flatnonzero(is_whole), True), (np.flatnonzero(~is_whole), False)):
            for first in range(0, len(places), _LANES_AT_ONCE):
                group = places[first : first + _LANES_AT_ONCE]
                groups.append(group)
                steps.append(self._step(lanes[group], values[group], scaled[group], whole=whole))
        return steps[0] if len(steps) == 1 else _joined(steps, np.concatenate(groups))

    def push_row(self, lane: int, values: FloatArray) -> RowStep:
        """Take one row `(n_channels,)` of one lane."""
        lanes = np.array([lane])
        step = self._single.step(lane, values) if self._rows.is_whole(lanes)[0] else None
        if step is None:
            columns = self._step(lanes, values[None], self._scaler.scaled(values[None]), whole=False)
            step = RowStep._make([*(column[0].item() for column in columns[:-1]), columns.errors[0]])
        return step

    def flush(self, lane: int) -> Flushed:
        """Return what is still to be said of the lane's segment, if no row follows; `restart` ends it."""
        n_left = min(self.n_rows(lane), self.delay)
        stop = int(self.rings["origin"][lane]) + self.delay + 1
        left = slice(stop - n_left, stop)
        errors = self.rings["errors"][lane, left].copy()
        if not n_left:
            return Flushed(_NONE, _NONE, errors)
        self._rows.recall(np.array([lane]))
        relative = [self._rest(lane, number) for number in range(len(self._members))]
        for number, delay in enumerate(self._chains.error_delays):
            full = self._chains.full
            share = relative[number] / len(relative) if full else self.rings["newest_shares"][lane, number]
            late = np.arange(n_left - min(delay, n_left), n_left)
            errors[np.ix_(late, self._channels)] += share
        views = self._chains.flush(lane, relative, self.rings["apart"][lane, left])[-n_left:]
        return Flushed(*_scores(self, views, self.rings["switch_terms"][lane, left], self._settled), errors)

    def _step(self, lanes: Lanes, values: NDArray[np.floating], scaled: NDArray[np.float32], *, whole: bool) -> Step:
        """Take one row of each of some lanes, or some rows of one lane: `(k, n_channels)`.

        `whole` says that nothing is missing, neither in the rows nor within reach of them.
        """
        rings, n_rows = self.rings, len(values) // len(lanes)
        place, before = rings.advance(lanes, n_rows), rings["n_rows"][lanes]
        numbers = before if n_rows == 1 else before + np.arange(n_rows)
        filled, observed = scaled[:, self._network], None
        if not whole:
            filled, observed = self._rows.fill(place, filled)
        self._rows.take(lanes, place, filled, observed)
        apart = self._put_own(place, scaled, values, filled, observed)
        relative = self._relative(place, numbers, whole=whole)
        self._put_errors(place, relative)
        views = self._chains.step(place, relative, self._apart(place, apart), whole=whole)
        terms = rings["switch_terms"]
        now = _scores(self, views, terms[place.at(self.delay)], self._now) if self._immediate else (_NONE, _NONE)
        settled = _scores(self, views, terms[place.at(0)], self._settled)
        return Step(*now, numbers >= self.delay, *settled, rings["errors"][place.at(0)].copy())

    def _put_own(
        self,
        place: Place,
        scaled: NDArray[np.float32],
        values: NDArray[np.floating],
        filled: NDArray[np.float32],
        observed: NDArray[np.bool_] | None,
    ) -> FloatArray | None:
        """Write down what rows bring besides the members' errors; return the summed errors of constant channels."""
        rings, scaler, newest = self.rings, self._scaler, place.at(self.delay)
        own = np.zeros(values.shape)
        apart = None
        if observed is not None:
            own[:, self._network] = np.where(observed, 0.0, np.nan)
        if self._constants is not None:
            errors = self._constants.step(place, scaled[:, scaler.constant_channels])
            own[:, scaler.constant_channels] = errors
            rings["apart"][newest] = apart = np.nansum(errors, axis=1)
        if self._switches is not None and self.ensemble.switches is not None:
            states = values[:, scaler.switch_channels]
            own[:, scaler.switch_channels], terms = self._switches.step(place, self.ensemble.switches, filled, states)
            rings["switch_terms"][newest] = terms
        rings["errors"][newest] = own
        return apart

    def _relative(self, place: Place, numbers: NDArray[np.int64], *, whole: bool) -> FloatArray:
        """Errors of all chains in usual errors, `(n_chains, k, n_network_channels)`."""
        errors = [member.step(place, numbers, whole=whole) for member in self._members]
        relative = np.empty((len(self._chains.chains), len(numbers), len(self._channels)))
        for own, chain in zip(relative, self._chains.chains, strict=True):
            np.divide(errors[chain.member][chain.takes_settled], chain.scale.levels, out=own)  # type: ignore[arg-type]
        return relative

    def _apart(self, place: Place, apart: FloatArray | None) -> FloatArray | None:
        """Summed errors of the constant channels in the rows whose errors are known now, `(n_chains, k)`."""
        if apart is None:
            return None
        ring = self.rings["apart"]
        return np.stack([ring[place.at(self.delay - chain.error_delay)] for chain in self._chains.chains])

    def _put_errors(self, place: Place, relative: FloatArray) -> None:
        """Add each member's share to the errors of the rows that it knows now."""
        errors, n_members = self.rings["errors"], len(self._members)
        shares = relative[self._chains.n_immediate :] / n_members
        for share, delay in zip(shares, self._chains.error_delays, strict=True):
            row = place.at(self.delay - delay)
            own = errors[row]
            own[:, self._network] += share
            errors[row] = own
        if not self._chains.full:
            newest = shares if place.n_rows is None else shares[:, -1:]
            self.rings["newest_shares"][place.index] = newest.swapaxes(0, 1)

    def _rest(self, lane: int, number: int) -> FloatArray:
        """Relative errors of a lane's last rows, those that a member has not settled yet."""
        scale = self.ensemble.members[number].settled
        if not self._chains.full:
            return np.zeros((0, len(scale.levels)))
        return np.asarray(self._members[number].flush(lane) / scale.levels)


def _scores(
    scorer: Scorer, views: FloatArray, terms: FloatArray, places: tuple[list[int], list[int]]
) -> tuple[FloatArray, FloatArray]:
    """Scores and unsmoothed ones `(k,)` from all views of k rows `(k, n_views)` and the switches' terms `(k,)`."""
    knee = scorer.ensemble.formula.knee
    smoothed, own = (with_switches(combined(views[:, kind], knee), terms) for kind in places)
    return smoothed, own


def _joined(steps: Sequence[Step], places: Lanes | None = None) -> Step:
    """Steps as one; `places` says where among all rows those of the steps belong, one after the other."""
    out = []
    for columns in zip(*steps, strict=True):
        column = np.concatenate(columns)
        if places is not None:
            column[places] = column.copy()
        out.append(column)
    return Step(*out)
