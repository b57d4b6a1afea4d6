"""Errors of rows → mean over channels → weighted averages over time → −log p, for all members and many lanes at once.

Every member has a *chain* of immediate errors, which look back only, and one that settled scores are made of. All
chains stand side by side in the same arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.ensemble import Ensemble, MemberScale
from tsae.scoring.rings import Place, Rings
from tsae.scoring.tails import LogTails

__all__ = [
    "LEAST_MASS",
    "Chain",
    "Chains",
    "channel_mean",
    "immediate_kernels",
    "moving_averages",
    "settled_kernels",
    "smoothing_kernels",
    "trailing_kernel",
]

FloatArray = NDArray[np.float64]
LEAST_MASS = 1e-9
"""Weight within reach below which an average is unknown."""
_WIDTHS = (0.25, 0.5, 1.0, 2.0)  # of the smoothing, in windows; the mean of several beats any one of them
_TRAILS = (0.0, 0.06, 0.125, 0.25, 0.5)  # of the averages that look back only, in windows; the first is the row itself
_FEW = 256  # values; the tails of so few are looked up together


class Chain(NamedTuple):
    """One member's way from errors to views."""

    member: int
    """Number of the member."""
    takes_settled: bool
    """Whether it takes the member's settled errors; otherwise the immediate ones."""
    scale: MemberScale
    error_delay: int = 0
    """Rows until the errors of a row are known."""
    wait: int = 0
    """Rows that its views then wait for those of other members."""


class Chains:
    """Chains of all members; their views are those of one row: immediate ones of row t, settled ones of row t − delay.

    Parameters
    ----------
    lag
        Rows a settled score may wait; at `full_lag` or more settled errors are used, below it immediate ones that are
        shifted back.
    immediate
        Whether views of immediate errors are wanted.

    Attributes
    ----------
    chains : list of Chain
        The immediate ones first, then as many settled ones as there are members.
    delay : int
        Rows until the settled views of a row are known.
    error_delays : list of int
        For each member, rows until its share of a row's errors is known.
    levels : FloatArray
        Usual errors, `(n_chains, 1, n_network_channels)`.
    length : int
        Rows that the averages reach over.
    """

    def __init__(self, ensemble: Ensemble, rings: Rings, *, lag: int, immediate: bool) -> None:
        members = ensemble.members
        self._rings, self.full = rings, lag >= ensemble.full_lag
        full, now = self.full, [Chain(number, False, member.immediate) for number, member in enumerate(members)]
        self.error_delays = [
            member.window_size - 1 if full else member.shift(lag, ensemble.formula) for member in members
        ]
        lookaheads = [member.settled.lookahead if full else 0 for member in members]
        delays = [known + ahead for known, ahead in zip(self.error_delays, lookaheads, strict=True)]
        self.delay = max(delays)
        self.chains = now if immediate else []
        self.n_immediate = len(self.chains)
        for number, (member, delay) in enumerate(zip(members, delays, strict=True)):
            scale, known = (member.settled, member.window_size - 1) if full else (member.immediate, 0)
            self.chains = [*self.chains, Chain(number, full, scale, known, self.delay - delay)]
        self.levels = np.stack([chain.scale.levels for chain in self.chains])[:, None]
        self.length = max(chain.wait + chain.scale.kernels.shape[1] for chain in self.chains)
        self._n_filters = max(len(chain.scale.kernels) for chain in self.chains)
        self._tails = LogTails(
            [
                [*chain.scale.tails, *chain.scale.tails[:1] * (self._n_filters - len(chain.scale.tails))]
                for chain in self.chains
            ]
        )
        self._kernels = np.zeros((len(self.chains), self.length, self._n_filters))
        for kernels, chain in zip(self._kernels, self.chains, strict=True):
            stop = self.length - chain.wait
            kernels[stop - chain.scale.kernels.shape[1] : stop, : len(chain.scale.kernels)] = chain.scale.kernels.T
        for name in ("means", "weights"):
            rings.add_ring(name, self.length, (len(self.chains),), last=True)

    def places(self, counted: NDArray[np.bool_], *, settled: bool) -> tuple[list[int], list[int]]:
        """Places among all views of a row of those of these members: smoothed ones, and unsmoothed ones."""
        first = self.n_immediate if settled else 0
        chains = (first + np.flatnonzero(counted)).tolist() if settled or self.n_immediate else []
        starts = [(chain * self._n_filters, len(self.chains[chain].scale.tails)) for chain in chains]
        smoothed = [start + number for start, n_filters in starts for number in range(n_filters - 1)]
        return smoothed, [start + n_filters - 1 for start, n_filters in starts]

    def step(self, place: Place, relative: FloatArray, apart: FloatArray | None, *, whole: bool) -> FloatArray:
        """Take relative errors and return views.

        Parameters
        ----------
        relative
            `(n_chains, k, n_network_channels)`, NaN where missing.
        apart
            Summed errors of the constant channels of the same rows, `(n_chains, k)`; `None` if there are none.
        whole
            Whether nothing was missing in the last `length` rows.

        Returns
        -------
        FloatArray
            −log p, `(k, n_chains · n_filters)`.
        """
        n_chains, n_rows, n_channels = relative.shape
        if whole:
            means = relative @ np.full(n_channels, 1 / n_channels)
            if apart is not None:
                means += apart / n_channels
            values = self._filtered("means", place, means)
        else:
            means, weights = channel_mean(relative, np.zeros((n_chains, n_rows)) if apart is None else apart)
            total = self._filtered("means", place, np.where(weights > 0, means, 0.0))
            values = _ratio(total, self._filtered("weights", place, weights))
        return self._views(values).transpose(1, 0, 2).reshape(n_rows, n_chains * self._n_filters)

    def row(self, ring: FloatArray, origin: int, means: FloatArray) -> list[float]:
        """Views of a single row from its means `(n_chains,)`, which are written to its lane's ring."""
        stop = origin + self.length
        ring[:, stop - 1] = means
        views: list[float] = self._tails(np.matmul(ring[:, None, origin:stop], self._kernels)).ravel().tolist()
        return views

    def flush(self, lane: int, errors: Sequence[FloatArray], apart: FloatArray) -> FloatArray:
        """Views of one lane's last `delay` rows, `(delay, n_chains · n_filters)`; the immediate ones are NaN.

        `errors` are each member's relative errors `(n, n_network_channels)` of the last rows, those not taken yet, and
        `apart` the summed errors of the constant channels of the last rows, at least as many.
        """
        out = np.full((self.delay, len(self.chains), self._n_filters), np.nan)
        for number, relative in enumerate(errors, self.n_immediate):
            views = self._rest(lane, number, relative, apart[len(apart) - len(relative) :])
            if not self.full:  # the newest views stand for those of rows that none follows
                views = views[np.minimum(np.arange(self.delay + 1), self.chains[number].wait)]
            out[:, number, : views.shape[1]] = views[1:]
        return out.reshape(self.delay, -1)

    def _filtered(self, name: str, place: Place, new: FloatArray) -> FloatArray:
        """Write new values `(n_chains, k)`; return the averages of the latest ones, `(n_chains, k, n_filters)`."""
        ring = self._rings[name]
        newest = place.first + self.length - 1
        if place.n_rows is None:
            ring[place.lanes, :, newest] = new.T
            rows = ring[place.lanes, :, place.first : newest + 1].transpose(1, 0, 2)
            filtered: FloatArray = np.matmul(rows, self._kernels)
            return filtered
        ring[place.lanes, :, newest : newest + place.n_rows] = new
        out = np.zeros((*new.shape, self._n_filters))
        for number, chain in enumerate(self.chains):
            rows = ring[place.lanes, number, place.first : newest + place.n_rows]
            out[number, :, : len(chain.scale.kernels)] = self._sums(number, rows)
        return out

    def _sums(self, number: int, rows: FloatArray) -> FloatArray:
        """Weighted sums over each run of `length` of these rows `(n,)`, `(n - length + 1, n_filters of the chain)`."""
        chain = self.chains[number]
        first = self.length - chain.wait - chain.scale.kernels.shape[1]
        return _averaged(rows[first : len(rows) - chain.wait], chain.scale.kernels)

    def _views(self, values: FloatArray) -> FloatArray:
        """Averages → −log p, `(n_chains, k, n_filters)`."""
        if values.shape[1] <= _FEW:
            return self._tails(values)
        for chain, own in zip(self.chains, values, strict=True):
            for number, tail in enumerate(chain.scale.tails):
                own[:, number] = tail(own[:, number])
        return values

    def _rest(self, lane: int, number: int, relative: FloatArray, apart: FloatArray) -> FloatArray:
        """Views of the newest row that has some and of the `delay` rows behind it, `(delay + 1, n_filters)`."""
        chain = self.chains[number]
        means, weights = channel_mean(relative, apart)
        before = np.zeros(chain.error_delay - len(means))
        behind = np.zeros(self.delay - chain.error_delay)
        origin, sums = int(self._rings["origin"][lane]), []
        for name, new in (("means", np.where(weights > 0, means, 0.0)), ("weights", weights)):
            ring = self._rings[name][lane, number, origin : origin + self.length]
            sums.append(self._sums(number, np.concatenate([ring, before, new, behind])))
        return chain.scale.views(_ratio(*sums))


def _averaged(rows: FloatArray, kernels: FloatArray) -> FloatArray:
    """Sums `(n - length + 1, n_filters)` over runs of rows `(n,)`, weighted by `kernels` `(n_filters, length)`."""
    length = kernels.shape[1]
    out = np.empty((len(rows) - length + 1, len(kernels)))
    for number, kernel in enumerate(kernels):
        weighty = np.flatnonzero(kernel)
        first, last = int(weighty[0]), int(weighty[-1])
        used = rows[first : len(rows) - (length - 1 - last)]
        own = kernel[first : last + 1]
        out[:, number] = used * own if len(own) == 1 else np.correlate(used, own, mode="valid")
    return out


def channel_mean(relative: FloatArray, apart: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean over channels of relative errors `(..., n_channels)`, plus the constant channels' summed errors `(...)`.

    Returns the means `(...)` and weights `(...)`: 0 where nothing was observed, else 1.
    """
    observed = ~np.isnan(relative)
    count = observed.sum(axis=-1)
    total = np.where(observed, relative, 0.0).sum(axis=-1) + apart
    return total / np.maximum(count, 1), ((count > 0) | (apart > 0)).astype(np.float64)


def _ratio(total: FloatArray, mass: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mass > LEAST_MASS, total / mass, np.nan)


def moving_averages(values: FloatArray, weights: FloatArray, kernels: FloatArray, lookahead: int) -> FloatArray:
    """Weighted moving averages over a whole segment, `(n, n_filters)`.

    Row t becomes `Σ kernel[k] · w · x / Σ kernel[k] · w` over rows t − lookback … t + lookahead, where the weight w is
    0 for missing rows and rows outside the segment. A row without any weight in reach is NaN.

    Parameters
    ----------
    values, weights
        `(n,)`; values of weight 0 may be NaN.
    kernels
        `(n_filters, lookback + 1 + lookahead)`, in time order.
    """
    if not len(values):
        return np.empty((0, len(kernels)))
    around = (kernels.shape[1] - 1 - lookahead, lookahead)
    sums = (np.where(weights > 0, values, 0.0) * weights, weights)
    return _ratio(*(_averaged(np.pad(each, around), kernels) for each in sums))


def trailing_kernel(length: int) -> FloatArray:
    """Equal weights on a row and the `length - 1` rows before it."""
    return np.full(max(1, length), 1.0 / max(1, length))


def smoothing_kernels(window_size: int, widths: Sequence[float]) -> FloatArray:
    """Three-box averages, one per width, symmetric, of one odd length: `(n_widths, length)`.

    Each box has `0.4 · width · window_size` rows; three of them in a row come close to a Gaussian.
    """
    kernels = []
    for width in widths:
        box = trailing_kernel(2 * round(0.2 * width * window_size) + 1)
        kernels.append(np.convolve(np.convolve(box, box), box))
    longest = max(len(kernel) for kernel in kernels)
    return np.stack([np.pad(kernel, (longest - len(kernel)) // 2) for kernel in kernels])


def settled_kernels(window_size: int) -> tuple[FloatArray, int]:
    """Kernels of settled errors and their lookahead: up to about two windows wide; the last one does not smooth."""
    kernels = smoothing_kernels(window_size, _WIDTHS)
    lookahead = kernels.shape[1] // 2
    return np.vstack([kernels, np.eye(kernels.shape[1])[lookahead]]), lookahead


def immediate_kernels(window_size: int) -> tuple[FloatArray, int]:
    """Kernels of immediate errors, which look back only; the last one does not smooth."""
    kernels = [trailing_kernel(length) for length in (*(int(trail * window_size) for trail in _TRAILS), 1)]
    longest = max(map(len, kernels))
    return np.stack([np.pad(kernel, (longest - len(kernel), 0)) for kernel in kernels]), 0
