"""How far the latest rows are from training, in memory of fixed size: sensors, scores, and whether to train again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.rings import BoundArrays, Rings

__all__ = [
    "BLOCK",
    "Comparison",
    "DistributionWatch",
    "Drift",
    "Reference",
    "SensorDrift",
    "drifts_of",
    "fit_reference",
    "score_reference",
]

FloatArray = NDArray[np.float64]
BLOCK = 500
"""Rows that are forgotten together."""
_N_BLOCKS = 4
_STRETCH = BLOCK * (_N_BLOCKS - 1)
"""Rows that are remembered at least."""
_N_QUANTILES = 33
_MARGIN = 0.1  # of training's range to either side; beyond it, a value is outside
_MOST_ROWS = 100_000
_MOST_STRETCHES = 64
_RUN = 50  # rows that are counted together; divides BLOCK
_LANES_AT_ONCE = 32  # their rows stay in the processor's cache


@dataclass(frozen=True)
class Reference:
    """Distributions of columns in training."""

    knots: FloatArray
    """Values in increasing order, `(n_knots, n_columns)`: quantiles; first and last bound what training knew."""
    shares: FloatArray
    """Share of the training values up to each knot, `(n_knots, n_columns)`."""
    mean: FloatArray
    """`(n_columns,)`."""
    spread: FloatArray
    """Standard deviations `(n_columns,)`, positive."""
    missing: FloatArray
    """Share of missing values, `(n_columns,)`."""
    usual: FloatArray
    """The largest gap between the whole of training and a stretch of it, `(n_columns,)`."""
    stretch: NDArray[np.int64]
    """Rows of such a stretch."""


class Comparison(NamedTuple):
    """The latest rows of m series against training, `(m, n_columns)` each."""

    n_rows: NDArray[np.int64]
    """How many rows, `(m,)`."""
    gap: FloatArray
    """Largest difference between the distributions, in [0, 1] (the Kolmogorov–Smirnov statistic, at the knots)."""
    below: FloatArray
    """Share of the observed values below what training knew."""
    above: FloatArray
    """Share above."""
    shift: FloatArray
    """By how many standard deviations the mean has moved."""
    missing: FloatArray
    """Share of missing values."""


def fit_reference(parts: Sequence[NDArray[np.floating]]) -> Reference:
    """Learn from training rows `(n, n_columns)`, NaN where missing; one part an uninterrupted run."""
    n_rows = sum(map(len, parts))
    step = -(-n_rows // _MOST_ROWS)
    rows = np.concatenate([part[::step] for part in parts]).astype(np.float64)
    knots = np.zeros((_N_QUANTILES + 2, rows.shape[1]))
    mean, spread = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    for column, values in enumerate(rows.T):
        known = values[~np.isnan(values)]
        if len(known):
            inner = np.quantile(known, np.linspace(0, 1, _N_QUANTILES))
            margin = _MARGIN * (inner[-1] - inner[0]) or abs(inner[0]) / 20 or 1.0
            knots[:, column] = [inner[0] - margin, *inner, inner[-1] + margin]
            mean[column], spread[column] = known.mean(), known.std() or margin
    counts = _counts(knots, rows[None])[0]
    reference = Reference(
        *(knots, _shares(counts), mean, spread, np.isnan(rows).mean(axis=0)),
        usual=np.zeros(rows.shape[1]),
        stretch=np.array(max(1, min(_STRETCH, n_rows // _N_BLOCKS))),
    )
    gaps = [_gap(reference, _counts(knots, stretch[None]))[0] for stretch in _stretches(parts, int(reference.stretch))]
    return Reference(**{**vars(reference), "usual": np.max(gaps, axis=0) if gaps else reference.usual})


class _Lanes(NamedTuple):
    """What is remembered of each lane, one place on the first axis."""

    counts: NDArray[np.int16]
    """Values between knots, by block, `(n, _N_BLOCKS, n_knots + 1, n_columns)`."""
    sums: FloatArray
    """`(n, _N_BLOCKS, n_columns)`."""
    rows: NDArray[np.int64]
    """`(n, _N_BLOCKS)`."""
    n_counted: NDArray[np.int64]
    """Rows so far, but for those that wait."""
    run: FloatArray
    """Rows that are counted together, `(n, _RUN, n_columns)`."""
    place: NDArray[np.int64]
    """Where in it the next row goes."""


class DistributionWatch:
    """Counts how the latest rows of series are distributed. Handing rows in one by one or in blocks is the same.

    Parameters
    ----------
    arrays
        Where every series has a lane; `None` for a single one, lane 0.
    name
        What names of these arrays begin with.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(6000, 1))
    >>> watch = DistributionWatch(fit_reference([rows]))
    >>> watch.push(rows[:2500] + [3.0])
    >>> seen = watch.compared()
    >>> seen.n_rows.tolist(), seen.gap.round(1).tolist(), seen.shift.round().tolist()
    ([2000], [[0.9]], [[3.0]])
    """

    def __init__(self, reference: Reference, *, arrays: Rings | None = None, name: str = "") -> None:
        self.reference, self.arrays = reference, Rings() if arrays is None else arrays
        n_knots, n_columns = reference.knots.shape
        counts, columns = (_N_BLOCKS, n_knots + 1, n_columns), (_N_BLOCKS, n_columns)
        shapes = _Lanes(counts, columns, (_N_BLOCKS,), (), (_RUN, n_columns), ())  # type: ignore[arg-type]
        kinds = (np.int16, np.float64, np.int64, np.int64, np.float64, np.int64)
        self._lanes = BoundArrays(self.arrays, _Lanes, name)
        for each, shape, dtype in zip(self._lanes.names, shapes, kinds, strict=True):
            self.arrays.add(each, shape, dtype)  # type: ignore[arg-type]
        if arrays is None:
            self.arrays.open()

    def push(self, rows: NDArray[np.floating], lane: int = 0) -> None:
        """The next rows of a lane `(n, n_columns)`, NaN where missing."""
        one = np.array([lane])
        self._count_waiting(one)
        at = self._lanes()
        n_counted = int(at.n_counted[lane])
        skipped = max(0, (n_counted + len(rows) - 1) // BLOCK - _N_BLOCKS + 1) * BLOCK - n_counted
        if skipped > 0:
            rows, n_counted = rows[skipped:], n_counted + skipped
            at.n_counted[lane], at.rows[lane] = n_counted, 0
        while len(rows):
            room = BLOCK - n_counted % BLOCK
            self._count(one, rows[None, :room], np.array([len(rows[:room])]))
            rows, n_counted = rows[room:], n_counted + len(rows[:room])
        at.place[lane] = n_counted % _RUN

    def push_rows(self, lanes: NDArray[np.intp] | int, rows: FloatArray | float) -> None:
        """The next row of each lane, `(m, n_columns)`, no lane twice; or that of one lane, `(n_columns,)`.

        Rows are counted some at a time, with those that follow.
        """
        at = self._lanes()
        places = at.place[lanes]
        at.run[lanes, places] = rows
        at.place[lanes] = places + 1
        if isinstance(lanes, int):
            if places == _RUN - 1:
                self._count_waiting(np.array([lanes]))
        elif (is_full := places == _RUN - 1).any():
            self._count_waiting(lanes[is_full])

    def compared(self, lanes: NDArray[np.intp] | None = None) -> Comparison:
        """The latest 1,500 to 2,000 rows of lanes `(m,)`, or all if there are fewer; `None` is lane 0."""
        lanes = np.zeros(1, dtype=np.intp) if lanes is None else lanes
        self._count_waiting(lanes)
        at = self._lanes()
        used = (at.rows[lanes] > 0)[..., None]
        counts, n_rows = (at.counts[lanes] * used[..., None]).sum(axis=1), at.rows[lanes].sum(axis=1)
        known = counts.sum(axis=1)
        some = np.maximum(known, 1)
        moved = ((at.sums[lanes] * used).sum(axis=1) / some - self.reference.mean) / self.reference.spread
        return Comparison(
            n_rows,
            _gap(self.reference, counts),
            counts[:, 0] / some,
            counts[:, -1] / some,
            np.where(known > 0, moved, 0.0),
            1 - known / np.maximum(n_rows, 1)[:, None],
        )

    def _count_waiting(self, lanes: NDArray[np.intp]) -> None:
        """Count the rows of runs that are not counted yet."""
        at = self._lanes()
        for first in range(0, len(lanes), _LANES_AT_ONCE):
            some = lanes[first : first + _LANES_AT_ONCE]
            start, stop = at.n_counted[some] % _RUN, at.place[some]
            rows, steps = at.run[some], np.arange(_RUN)
            rows[(steps < start[:, None]) | (steps >= stop[:, None])] = np.nan
            self._count(some, rows, stop - start)
            at.place[some] = stop % _RUN

    def _count(self, lanes: NDArray[np.intp], rows: NDArray[np.floating], n_rows: NDArray[np.int64]) -> None:
        """Count `n_rows` `(m,)` rows of each lane, all of one block, out of `(m, n, n_columns)`; the others are NaN."""
        at = self._lanes()
        n_counted = at.n_counted[lanes]
        slots = n_counted // BLOCK % _N_BLOCKS
        begins = (n_counted % BLOCK == 0) & (n_rows > 0)
        for each in (at.counts, at.sums, at.rows):
            each[lanes[begins], slots[begins]] = 0
        at.counts[lanes, slots] += _counts(self.reference.knots, rows).astype(np.int16)
        at.sums[lanes, slots] += np.nansum(rows, axis=1)
        at.rows[lanes, slots] += n_rows
        at.n_counted[lanes] = n_counted + n_rows


def _counts(knots: FloatArray, rows: NDArray[np.floating]) -> NDArray[np.int64]:
    """How many values lie up to the first knot, between knots and beyond the last one.

    Of rows `(m, n, n_columns)`, NaN where missing; `(m, n_knots + 1, n_columns)`.
    """
    n_series, _, n_columns = rows.shape
    n_places = len(knots) + 2  # the last one is that of missing values
    first = np.arange(n_series)[:, None] * n_places
    counts = np.empty((n_series, n_places - 1, n_columns), dtype=np.int64)
    for column in range(n_columns):
        values = rows[:, :, column]
        places = knots[:, column].searchsorted(values)
        places[np.isnan(values)] = n_places - 1
        found = np.bincount((places + first).ravel(), minlength=n_series * n_places)
        counts[:, :, column] = found.reshape(n_series, n_places)[:, :-1]
    return counts


def _shares(counts: NDArray[np.int64]) -> FloatArray:
    """Share of the values up to each knot, `(..., n_knots, n_columns)`."""
    known = np.maximum(counts.sum(axis=-2, keepdims=True), 1)
    return np.asarray(np.cumsum(counts, axis=-2)[..., :-1, :] / known)


def _gap(reference: Reference, counts: NDArray[np.int64]) -> FloatArray:
    gaps = np.abs(_shares(counts) - reference.shares).max(axis=-2)
    return np.asarray(np.where(counts.sum(axis=-2) > 0, gaps, 0.0))


def _stretches(parts: Sequence[NDArray[np.floating]], length: int) -> list[NDArray[np.floating]]:
    """Runs of so many rows that do not overlap, evenly chosen if there are many."""
    starts = [(part, start) for part in parts for start in range(0, len(part) - length + 1, length)]
    chosen = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), _MOST_STRETCHES)).round().astype(int))
    return [starts[place][0][starts[place][1] :][:length] for place in chosen.tolist()]


_FEWEST = 200
_FAR = 0.6  # of the largest gap between scores; from there on no static threshold keeps its budget
_FAR_MOVED = 1.0  # nats of threshold: the rate of false alarms of the old one is off by about e
_UNUSUAL = 0.5  # of the way from the largest gap that training had within itself to 1
_OUTSIDE = 0.25  # of the rows
_MISSING = 0.5  # of the rows, more than in training
_MOST_TOLD = 3


@dataclass(frozen=True)
class SensorDrift:
    """A sensor whose latest values are unlike those of training."""

    sensor: str
    distance: float
    """Largest gap between the distributions, in [0, 1] (the Kolmogorov–Smirnov statistic)."""
    usual: float
    """The largest one that a stretch of training had."""
    below: float
    """Share of its latest values below the range of training, widened by a tenth to either side."""
    above: float
    """Share above it."""
    shift: float
    """By how many standard deviations of training its mean has moved."""
    missing: float
    """By how much the share of missing values has grown."""

    @property
    def reason(self) -> str:
        """What has moved."""
        if self.missing >= _MISSING:
            return f"{self.sensor} is missing in {self.missing:.0%} more of the rows than in training"
        for side, share in (("below", self.below), ("above", self.above)):
            if share >= _OUTSIDE:
                return f"{self.sensor} lies {side} the range of training in {share:.0%} of the rows"
        gap = f"largest gap {self.distance:.2f} of 1, within training at most {self.usual:.2f}"
        return (
            f"{self.sensor} is distributed unlike training ({gap}; its mean has moved by {self.shift:+.1f} deviations)"
        )


@dataclass(frozen=True)
class Drift:
    """Where sensors, scores and threshold are at the end of the scored rows, against training and calibration."""

    distance: float
    """Largest gap between the distributions of the latest scores and of the calibration scores, in [0, 1]
    (the Kolmogorov–Smirnov statistic)."""
    first_threshold: float
    """At the first row …"""
    last_threshold: float
    """… and after the last one; the same if the threshold does not adapt."""
    n_rows: int
    """Latest rows that were compared."""
    sensors: tuple[SensorDrift, ...] = ()
    """Those that have moved too far, the farthest first."""

    @property
    def moved(self) -> float:
        """How far the threshold has moved, in nats."""
        return self.last_threshold - self.first_threshold

    @property
    def verdict(self) -> str:
        """Why to train again, "retrain: …"; empty if there is no reason. A long fault looks like drift, too."""
        reasons = [sensor.reason for sensor in self.sensors[:_MOST_TOLD]]
        if len(self.sensors) > _MOST_TOLD:
            reasons.append(f"{len(self.sensors) - _MOST_TOLD} more sensors have moved")
        if self.n_rows >= _FEWEST and self.distance >= _FAR:
            reasons.append(f"scores are distributed unlike those of normal rows (largest gap {self.distance:.2f} of 1)")
            if abs(self.moved) >= _FAR_MOVED:
                reasons.append(f"the threshold has moved from {self.first_threshold:.3g} to {self.last_threshold:.3g}")
        return f"retrain: in the last {self.n_rows:,} rows " + "; ".join(reasons) if reasons else ""


def score_reference(calibration: FloatArray) -> Reference:
    """The distribution of calibration scores `(n,)`."""
    return fit_reference([calibration[:, None]])


def drifts_of(
    scores: DistributionWatch,
    inputs: DistributionWatch,
    channels: Sequence[str],
    lanes: NDArray[np.intp],
    *,
    first: float,
    last: Sequence[float],
) -> list[Drift]:
    """Compare the latest rows of lanes `(m,)` with training.

    Parameters
    ----------
    scores, inputs
        Watches that have seen decision scores, and the values of all channels.
    first, last
        The threshold at the first row of every lane, and that after the last row of each.
    """
    seen = scores.compared(lanes)
    moved = _moved(inputs.reference, inputs.compared(lanes), channels)
    parts = zip(seen.gap[:, 0].tolist(), last, seen.n_rows.tolist(), moved, strict=True)
    return [Drift(gap, first, each_last, n_rows, sensors) for gap, each_last, n_rows, sensors in parts]


def _moved(reference: Reference, seen: Comparison, channels: Sequence[str]) -> list[tuple[SensorDrift, ...]]:
    """The sensors of each series that have moved too far, the farthest first."""
    excess = (seen.gap - reference.usual) / np.maximum(1 - reference.usual, 1e-9)
    known = (1 - seen.missing) * seen.n_rows[:, None]
    unusual = np.where(known >= reference.stretch, excess, 0.0) / _UNUSUAL  # a gap is compared with those as long
    outside = np.where(known >= _FEWEST, np.maximum(seen.below, seen.above), 0.0) / _OUTSIDE
    grown = seen.missing - reference.missing
    moved = np.max([unusual, outside, grown / _MISSING], axis=0)
    moved[seen.n_rows < _FEWEST] = 0.0

    def told(series: int, channel: int) -> SensorDrift:
        gap, below, above, shift, missing = (
            float(part[series, channel]) for part in (seen.gap, seen.below, seen.above, seen.shift, grown)
        )
        if known[series, channel] < _FEWEST:
            below = above = 0.0
        return SensorDrift(str(channels[channel]), gap, float(reference.usual[channel]), below, above, shift, missing)

    order = np.argsort(-moved, axis=1, kind="stable")
    return [
        tuple(told(series, channel) for channel in row.tolist() if moved[series, channel] >= 1) if is_moved else ()
        for series, (row, is_moved) in enumerate(zip(order, (moved >= 1).any(axis=1).tolist(), strict=True))
    ]
