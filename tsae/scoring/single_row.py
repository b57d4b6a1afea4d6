"""One row of one lane that misses nothing: the numbers of `Scorer.push` with a fraction of its calls.

What is left of a row besides its networks are some thirty calls of numpy on a few numbers each, so their count is what
a row costs. Therefore arrays here lack the axis of the lanes, and what depends on the model alone is made once. This is
the one place that repeats the formula: a row takes 2.7 times as long without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.combination import combined_row
from tsae.scoring.ensemble import Ensemble, Member
from tsae.scoring.rings import Place, Rings
from tsae.scoring.row_errors import RowErrors
from tsae.scoring.smoothing import Chains

__all__ = ["RowStep", "SingleRow"]

FloatArray = NDArray[np.float64]
_RINGS = ("window", "errors", "means", "switch_terms")


class RowStep(NamedTuple):
    """What one row of one lane brought: a `Step` in plain numbers, which cost less than arrays of one."""

    immediate: float
    immediate_unsmoothed: float
    is_settled: bool
    settled: float
    unsmoothed: float
    errors: FloatArray
    """`(n_channels,)`."""


PutOwn = Callable[..., FloatArray | None]
"""Writes down what constant channels and switches bring, and returns the summed errors of constant channels."""


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
    def of(cls, member: Member, errors: RowErrors) -> _RowMember:
        weights = np.full(member.n_last, 1 / member.n_last, np.float32)
        shares = [np.float32(1 / count) for count in errors.inner_counts()]
        whole, latest = member.model.one_by_one(), member.model.one_by_one(member.n_last)
        return cls(whole, latest, member.window_size, member.n_last, member.stride, weights, shares)


class SingleRow:
    """Takes single rows of lanes that have missed nothing within reach.

    Parameters
    ----------
    chains, members
        Those of `Scorer`.
    network
        Which of all channels the members see.
    now, settled
        Places of the views that immediate and settled scores are made of.
    put_own
        `None` if every channel is seen by the members.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        rings: Rings,
        chains: Chains,
        members: Sequence[RowErrors],
        *,
        network: Any,
        now: tuple[list[int], list[int]],
        settled: tuple[list[int], list[int]],
        put_own: PutOwn | None,
    ) -> None:
        self._ensemble, self._rings, self._chains, self._members = ensemble, rings, chains, members
        self._sums = [member.name for member in members]
        self._network, self._put_own = network, put_own
        self._now, self._settled = (_RowScore(places, ensemble.formula.knee) for places in (now, settled))
        self._mean, self._scale = ensemble.scaler.mean, ensemble.scaler.scale
        self._lowest, self._highest = ensemble.scaler.bounds
        self._levels = chains.levels[:, 0]
        n_channels = self._levels.shape[1]
        self._share = np.full(n_channels, 1 / n_channels)
        self._relative = np.empty(self._levels.shape)
        self._views: dict[int, _Views] = {}
        self._version = rings.version

    @cached_property
    def _row_members(self) -> list[_RowMember]:
        return [_RowMember.of(*pair) for pair in zip(self._ensemble.members, self._members, strict=True)]

    @cached_property
    def _found(self) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Where members write their errors, `(n_chains, n_network_channels)`, and its rows."""
        errors = np.empty(self._levels.shape, np.float32)
        return errors, list(errors)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied or pickled: neither what executes networks nor views of arrays."""
        own = ("_row_members", "_found")
        return {name: value for name, value in vars(self).items() if name not in own} | {"_views": {}}

    def step(self, lane: int, values: FloatArray) -> RowStep | None:
        """Take a row `(n_channels,)` of a lane that has missed nothing within reach; `None` if this row does."""
        scaled = np.maximum(values, self._lowest)
        np.minimum(scaled, self._highest, out=scaled)
        scaled -= self._mean
        scaled /= self._scale
        analog = scaled[self._network]
        seen = float(analog.dot(self._share))
        if seen != seen:
            return None
        views = self._of(lane)
        origin = self._rings.advance_one(lane)
        row = int(self._rings["n_rows"][lane])
        self._rings["n_rows"][lane] = row + 1
        relative = self._relative_errors(views, origin, row, analog)
        newest = origin + self._chains.delay
        views.errors[newest] = 0.0
        means = relative.dot(self._share)
        if self._put_own is not None:
            place, one = Place(slice(lane, lane + 1), origin), scaled[None].astype(np.float32)
            if self._put_own(place, one, values[None], one[:, self._network], None) is not None:
                apart, chains = self._rings["apart"][lane], self._chains.chains
                means = means + [apart[newest - chain.error_delay] / len(self._share) for chain in chains]
        self._put_errors(lane, views, newest, relative)
        row_views = self._chains.row(views.means, origin, means)
        now, now_own = self._now(row_views, float(views.terms[newest]))
        settled, own = self._settled(row_views, float(views.terms[origin]))
        return RowStep(now, now_own, row >= self._chains.delay, settled, own, views.errors[origin].copy())

    def _relative_errors(self, views: _Views, origin: int, row: int, analog: FloatArray) -> FloatArray:
        """Errors of all chains in usual errors, `(n_chains, n_network_channels)`."""
        relative, n_members = self._relative, len(self._members)
        all_found, found = self._found
        stop = origin + len(views.window) - self._rings.spare
        views.window[stop - 1] = analog
        for number, (whole, latest, size, n_last, stride, last, shares) in enumerate(self._row_members):
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
        relative[:] = all_found
        relative /= self._levels
        return relative

    def _put_errors(self, lane: int, views: _Views, newest: int, relative: FloatArray) -> None:
        n_members = len(self._members)
        shares = relative[n_members:]
        if n_members > 1:
            shares = shares / n_members
        for number, delay in enumerate(self._chains.error_delays):
            views.errors[newest - delay, self._network] += shares[number]
        if not views.sums:
            self._rings["newest_shares"][lane] = shares

    def _of(self, lane: int) -> _Views:
        if self._version != self._rings.version:
            self._views.clear()
            self._version = self._rings.version
        views = self._views.get(lane)
        if views is None:
            window, errors, means, terms = (self._rings[name][lane] for name in _RINGS)
            sums = [self._rings[name][lane] for name in self._sums if name in self._rings]
            views = self._views[lane] = _Views(window, errors, means, terms, sums)
        return views


class _RowScore:
    """Scores of a single row from its views in plain numbers."""

    def __init__(self, places: tuple[list[int], list[int]], knee: float) -> None:
        self._smoothed, self._own = (itemgetter(*kind) if kind else None for kind in places)
        self._is_single, self._knee = len(places[1]) == 1, knee

    def __call__(self, views: list[float], term: float) -> tuple[float, float]:
        """Return the score and the unsmoothed one, from all views of a row and the switches' term."""
        own = self._own(views)  # type: ignore[misc]
        unsmoothed = combined_row((own,) if self._is_single else own, self._knee)
        return (
            math.hypot(combined_row(self._smoothed(views), self._knee), term),  # type: ignore[misc]
            math.hypot(unsmoothed, term),
        )
