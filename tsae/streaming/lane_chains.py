"""From the errors of all members to their calibrated scores, for many lanes, a row each at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tsae.scoring.filters import MovingAverage
from tsae.scoring.log_tails import LogTails
from tsae.scoring.member import Member, MemberScale, channel_mean, immediate_averages, settled_averages
from tsae.scoring.rings import LaneArrays
from tsae.streaming.lane_scores import Places

__all__ = ["LaneChains"]

FloatArray = NDArray[np.float64]
_LEAST_MASS = 1e-9


class _Plan(NamedTuple):
    """One chain: its scale and filters, rows until errors are handed in, and rows that its views then wait."""

    scale: MemberScale
    averages: list[MovingAverage]
    error_delay: int = 0
    wait: int = 0


class LaneChains:
    """Two chains for each member: one of immediate errors, one that settled scores are made of.

    Relative errors → mean over channels → moving averages → −log p, see `tsae.scoring.chain.Chain`. Chains
    stand side by side in the same arrays, `n_chains` = twice the members, the immediate ones first. The views of the
    other half are all those of one row: where a member's could be known earlier, its filters reach further back.

    Parameters
    ----------
    shifts
        Rows that each member's immediate errors are shifted back to serve as settled ones; `None` for the full lag.

    Attributes
    ----------
    delay : int
        Rows until a row's settled views are known.
    error_delays : list of int
        For each member, rows until a row's errors are known.
    levels : FloatArray
        Usual errors, `(n_chains, n_network_channels)`.
    length : int
        Rows that the filters reach over.
    """

    def __init__(self, members: Sequence[Member], arrays: LaneArrays, shifts: Sequence[int] | None) -> None:
        self._full, self._arrays, self._n_members = shifts is None, arrays, len(members)
        at_once = [_Plan(member.immediate, immediate_averages(member.window_size)) for member in members]
        if shifts is None:
            filters = [settled_averages(member.window_size) for member in members]
            self.error_delays = [member.window_size - 1 for member in members]
            delays = [delay + each[0].lookahead for delay, each in zip(self.error_delays, filters, strict=True)]
        else:
            filters = [plan.averages for plan in at_once]
            self.error_delays = delays = list(shifts)
        self.delay = max(delays)
        self._plans = list(at_once)
        for member, averages, delay in zip(members, filters, delays, strict=True):
            scale, known = (member.settled, member.window_size - 1) if self._full else (member.immediate, 0)
            self._plans.append(_Plan(scale, averages, known, self.delay - delay))
        self.levels = np.stack([plan.scale.levels for plan in self._plans])
        self._n_filters = max(len(plan.averages) for plan in self._plans)
        self._build()
        for name in ("means", "weights"):
            arrays.add_ring(name, self.length, (len(self._plans),), last=True)

    def _build(self) -> None:
        """All kernels `(n_chains, length, n_filters)`, newest row last, and all tails."""
        self.length = max(plan.wait + len(each.kernel) for plan in self._plans for each in plan.averages)
        self._kernels = np.zeros((len(self._plans), self.length, self._n_filters))
        for plan, kernels in zip(self._plans, self._kernels, strict=True):
            for number, average in enumerate(plan.averages):
                stop = self.length - plan.wait
                kernels[stop - len(average.kernel) : stop, number] = average.kernel
        self._tails = LogTails(
            [
                [*plan.scale.tails, *plan.scale.tails[:1] * (self._n_filters - len(plan.averages))]
                for plan in self._plans
            ]
        )

    def places(self, counted: NDArray[np.bool_], *, settled: bool) -> Places:
        """Where the views of these members stand."""
        first = self._n_members if settled else 0
        chains = (first + np.flatnonzero(counted)).tolist()
        starts = [(chain * self._n_filters, len(self._plans[chain].averages)) for chain in chains]
        smoothed = [start + number for start, n_filters in starts for number in range(n_filters - 1)]
        return smoothed, [start + n_filters - 1 for start, n_filters in starts]

    def step(
        self, part: Any, origin: int, relative: FloatArray, apart: FloatArray | None, *, whole: bool
    ) -> FloatArray:
        """Take relative errors, return views.

        Parameters
        ----------
        relative
            `(m, n_chains, n_network_channels)`, NaN where missing.
        apart
            Summed errors of the constant channels of the same rows, `(m, n_chains)`; `None` if there are no such.
        whole
            Whether nothing was missing in the last `length` rows.

        Returns
        -------
        FloatArray
            `(m, n_chains · n_filters)`.
        """
        n_rows, n_chains, n_channels = relative.shape
        if whole:
            means = relative @ np.full(n_channels, 1 / n_channels)
            if apart is not None:
                means += apart / n_channels
            averaged = self._filtered("means", part, origin, means)
        else:
            known = np.zeros(n_rows * n_chains) if apart is None else apart.ravel()
            means, weights = (
                each.reshape(n_rows, n_chains) for each in channel_mean(relative.reshape(-1, n_channels), known)
            )
            total = self._filtered("means", part, origin, np.where(weights > 0, means, 0.0))
            averaged = _ratio(total, self._filtered("weights", part, origin, weights))
        views = self._tails(averaged).transpose(1, 0, 2)
        return views.reshape(n_rows, n_chains * self._n_filters)

    def _filtered(self, name: str, part: Any, origin: int, new: FloatArray) -> FloatArray:
        """Put down new values `(m, n_chains)`; return what filters make of the last ones `(n_chains, m, n_filters)`."""
        ring, stop = self._arrays[name], origin + self.length
        ring[part, :, stop - 1] = new
        filtered: FloatArray = np.matmul(ring[part, :, origin:stop].transpose(1, 0, 2), self._kernels)
        return filtered

    def row(self, ring: FloatArray, origin: int, means: FloatArray) -> list[float]:
        """Views of a single row from its means `(n_chains,)`, put down in its lane's ring of them."""
        stop = origin + self.length
        ring[:, stop - 1] = means
        views: list[float] = self._tails(np.matmul(ring[:, None, origin:stop], self._kernels)).ravel().tolist()
        return views

    def flush(self, lane: int, errors: Sequence[FloatArray], apart: FloatArray) -> FloatArray:
        """Views of one lane's last `delay` rows, `(delay, n_chains · n_filters)`; the immediate ones are NaN.

        `errors` are each member's relative ones `(n, n_network_channels)` of the last rows, those that have not been
        handed in, and `apart` the summed errors of the constant channels of the last rows, at least as many.
        """
        out = np.full((self.delay, len(self._plans), self._n_filters), np.nan)
        for chain, relative in enumerate(errors, self._n_members):
            views = self._rest(lane, chain, relative, apart[len(apart) - len(relative) :])
            if not self._full:  # the newest ones stand for those that no row follows
                views = views[np.minimum(np.arange(self.delay + 1), self._plans[chain].wait)]
            out[:, chain, : views.shape[1]] = views[1:]
        return out.reshape(self.delay, -1)

    def _rest(self, lane: int, chain: int, relative: FloatArray, apart: FloatArray) -> FloatArray:
        """Views of the newest row that has some and of the `delay` rows behind it, `(delay + 1, n_filters)`."""
        plan = self._plans[chain]
        means, weights = channel_mean(relative, apart)
        before = np.zeros(plan.error_delay - len(means))
        behind = np.zeros(self.delay - plan.error_delay)
        origin, sums = int(self._arrays["origin"][lane]), []
        for name, new in (("means", np.where(weights > 0, means, 0.0)), ("weights", weights)):
            ring = self._arrays[name][lane, chain, origin : origin + self.length]
            rows = np.concatenate([ring, before, new, behind])
            sums.append(sliding_window_view(rows, self.length) @ self._kernels[chain])
        return plan.scale.views(list(_ratio(*sums).T[: len(plan.averages)]))


def _ratio(total: FloatArray, mass: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mass > _LEAST_MASS, total / mass, np.nan)
