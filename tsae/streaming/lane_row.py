"""One row of one lane that misses nothing: the numbers of `Lanes.step` with a fraction of its calls.

What is left of a row besides its networks are some thirty calls of numpy on a few numbers each, so their count is
what a row costs. Therefore arrays here lack the axis of the lanes, and what depends on the model alone is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.rings import LaneArrays
from tsae.series.channels import ChannelScaler
from tsae.streaming.lane_chains import LaneChains
from tsae.streaming.lane_member import LaneMember
from tsae.streaming.lane_scores import Places, RowScorer, RowStep

__all__ = ["Apart", "LaneRow"]

FloatArray = NDArray[np.float64]
_RINGS = ("window", "errors", "means", "switch_terms")


class Apart(Protocol):
    """Puts down what constant channels and switches bring; errors of constant channels by chain, if there are some."""

    def __call__(self, lane: int, newest: int, values: FloatArray, scaled: FloatArray) -> FloatArray | None: ...


class _Views(NamedTuple):
    """The rings of one lane."""

    window: NDArray[np.float32]
    errors: FloatArray
    means: FloatArray
    terms: FloatArray
    sums: list[NDArray[np.float32]]


class _RowMember(NamedTuple):
    """What is asked of a member for each row."""

    whole: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """Errors of all steps of a window, `(window_size, n_network_channels)`."""
    latest: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """Those of the last steps."""
    size: int
    n_last: int
    stride: int
    last: NDArray[np.float32]
    """Weights of the last steps' errors, `(n_last,)`."""
    shares: list[np.float32]
    """One over the number of windows that cover a row, by its number modulo the stride."""

    @classmethod
    def of(cls, lane_member: LaneMember) -> _RowMember:
        member = lane_member.member
        weights = np.full(member.n_last, 1 / member.n_last, np.float32)
        shares = [np.float32(1 / count) for count in lane_member.inner_counts()]
        whole, latest = member.model.one_by_one(), member.model.one_by_one(member.n_last)
        return cls(whole, latest, member.window_size, member.n_last, member.stride, weights, shares)


class _RowMembers(NamedTuple):
    """Those of all members, and where they put what they find."""

    members: list[_RowMember]
    errors: NDArray[np.float32]
    """`(n_chains, n_network_channels)`."""
    rows: list[NDArray[np.float32]]
    """Its rows."""


class LaneRow:
    """See the module.

    Parameters
    ----------
    chains, members
        Those of `Lanes`.
    network
        Which of all channels the members see.
    now, settled
        Places of the views that immediate and settled scores are made of.
    apart
        `None` if every channel is seen by the members.
    """

    def __init__(
        self,
        scaler: ChannelScaler,
        arrays: LaneArrays,
        chains: LaneChains,
        members: Sequence[LaneMember],
        *,
        network: Any,
        now: Places,
        settled: Places,
        apart: Apart | None,
    ) -> None:
        self._arrays, self._chains, self._members = arrays, chains, members
        self._sums = [member.name for member in members]
        self._network, self._apart = network, apart
        self._now, self._settled = RowScorer(now), RowScorer(settled)
        self._mean, self._scale = scaler.mean, scaler.scale
        self._lowest, self._highest = scaler.bounds
        n_channels = chains.levels.shape[1]
        self._share = np.full(n_channels, 1 / n_channels)
        self._relative = np.empty(chains.levels.shape)
        self._views: dict[int, _Views] = {}
        self._version = arrays.version

    @cached_property
    def _row_members(self) -> _RowMembers:
        errors = np.empty(self._relative.shape, np.float32)
        return _RowMembers([_RowMember.of(member) for member in self._members], errors, list(errors))

    def __getstate__(self) -> dict[str, Any]:
        """What is copied or pickled: neither what executes networks nor views of arrays."""
        return {name: value for name, value in vars(self).items() if name != "_row_members"} | {"_views": {}}

    def step(self, lane: int, values: FloatArray) -> RowStep | None:
        """Take a row `(n_channels,)` of a lane that has missed nothing for long; `None` if this row does."""
        scaled = np.maximum(values, self._lowest)
        np.minimum(scaled, self._highest, out=scaled)
        scaled -= self._mean
        scaled /= self._scale
        analog = scaled[self._network]
        seen = float(analog.dot(self._share))
        if seen != seen:
            return None
        views = self._of(lane)
        origin = self._arrays.advance_one(lane)
        row = int(self._arrays["n_rows"][lane])
        self._arrays["n_rows"][lane] = row + 1
        relative = self._relative_errors(views, origin, row, analog)
        newest = origin + self._chains.delay
        views.errors[newest] = 0.0
        means = relative.dot(self._share)
        if self._apart is not None:
            apart = self._apart(lane, newest, values, scaled)
            means = means if apart is None else means + apart
        self._put_errors(lane, views, newest, relative)
        row_views = self._chains.row(views.means, origin, means)
        now, now_own = self._now(row_views, float(views.terms[newest]))
        settled, own = self._settled(row_views, float(views.terms[origin]))
        return RowStep(now, now_own, row >= self._chains.delay, settled, own, views.errors[origin].copy())

    def _relative_errors(self, views: _Views, origin: int, row: int, analog: FloatArray) -> FloatArray:
        """Errors of all chains in usual errors, `(n_chains, n_network_channels)`."""
        (members, all_found, found), n_members = self._row_members, len(self._members)
        stop = origin + len(views.window) - self._arrays.spare
        views.window[stop - 1] = analog
        for number, (whole, latest, size, n_last, stride, last, shares) in enumerate(members):
            window = views.window[stop - size : stop]
            if not views.sums:
                last.dot(latest(window), found[number])
                found[n_members + number][:] = found[number]
                continue
            sums, phase = views.sums[number], (row - size + 1) % stride
            sums[origin + size - 1] = 0.0
            if phase:
                last.dot(latest(window), found[number])
            else:
                errors = whole(window)
                last.dot(errors[size - n_last :], found[number])
                covered = sums[origin : origin + size]
                covered += errors
            np.multiply(sums[origin], shares[phase], found[n_members + number])
        relative = self._relative
        relative[:] = all_found
        relative /= self._chains.levels
        return relative

    def _put_errors(self, lane: int, views: _Views, newest: int, relative: FloatArray) -> None:
        n_members = len(self._members)
        shares = relative[n_members:]
        if n_members > 1:
            shares = shares / n_members
        for number, delay in enumerate(self._chains.error_delays):
            views.errors[newest - delay, self._network] += shares[number]
        if not views.sums:
            self._arrays["newest_shares"][lane] = shares

    def _of(self, lane: int) -> _Views:
        if self._version != self._arrays.version:
            self._views.clear()
            self._version = self._arrays.version
        views = self._views.get(lane)
        if views is None:
            window, errors, means, terms = (self._arrays[name][lane] for name in _RINGS)
            sums = [self._arrays[name][lane] for name in self._sums if name in self._arrays]
            views = self._views[lane] = _Views(window, errors, means, terms, sums)
        return views
