"""How the latest rows are distributed, column by column, against those of training, in memory of fixed size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "Comparison", "DistributionWatch", "Reference", "fit_reference"]

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
_ROWS_AT_ONCE = 64


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
    """The latest rows against training, `(n_columns,)` each."""

    n_rows: int
    """How many rows."""
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
    counts = _counts(knots, rows)
    reference = Reference(
        *(knots, _shares(counts), mean, spread, np.isnan(rows).mean(axis=0)),
        usual=np.zeros(rows.shape[1]),
        stretch=np.array(max(1, min(_STRETCH, n_rows // _N_BLOCKS))),
    )
    gaps = [_gap(reference, _counts(knots, stretch)) for stretch in _stretches(parts, int(reference.stretch))]
    return Reference(**{**vars(reference), "usual": np.max(gaps, axis=0) if gaps else reference.usual})


class DistributionWatch:
    """Counts how the latest rows are distributed. Handing rows in one by one or in blocks is the same.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(6000, 1))
    >>> watch = DistributionWatch(fit_reference([rows]))
    >>> watch.push(rows[:2500] + [3.0])
    >>> seen = watch.compared()
    >>> seen.n_rows, seen.gap.round(1).tolist(), seen.shift.round().tolist()
    (2000, [0.9], [3.0])
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        n_knots, n_columns = reference.knots.shape
        self._counts = np.zeros((_N_BLOCKS, n_knots + 1, n_columns), dtype=np.int16)
        self._sums = np.zeros((_N_BLOCKS, n_columns))
        self._rows = np.zeros(_N_BLOCKS, dtype=np.int64)
        self._n_seen = 0
        self._waiting: list[FloatArray] = []

    def push(self, rows: NDArray[np.floating]) -> None:
        """The next rows `(n, n_columns)`, NaN where missing."""
        self._digest()
        skipped = max(0, (self._n_seen + len(rows) - 1) // BLOCK - _N_BLOCKS + 1) * BLOCK - self._n_seen
        if skipped > 0:
            rows, self._n_seen = rows[skipped:], self._n_seen + skipped
            self._rows[:] = 0
        while len(rows):
            slot, room = self._n_seen // BLOCK % _N_BLOCKS, BLOCK - self._n_seen % BLOCK
            if room == BLOCK:
                self._counts[slot], self._sums[slot], self._rows[slot] = 0, 0, 0
            part, rows = rows[:room], rows[room:]
            self._counts[slot] += _counts(self.reference.knots, part)
            self._sums[slot] += np.nansum(part, axis=0)
            self._rows[slot] += len(part)
            self._n_seen += len(part)

    def push_row(self, row: FloatArray) -> None:
        """The next row `(n_columns,)`; it is counted with those that follow."""
        self._waiting.append(row.copy())
        if len(self._waiting) == _ROWS_AT_ONCE:
            self._digest()

    def compared(self) -> Comparison:
        """The latest 1,500 to 2,000 rows, or all if there are fewer."""
        self._digest()
        used = self._rows > 0
        counts, n_rows = self._counts[used].sum(axis=0), int(self._rows.sum())
        known = counts.sum(axis=0)
        some = np.maximum(known, 1)
        moved = (self._sums[used].sum(axis=0) / some - self.reference.mean) / self.reference.spread
        return Comparison(
            n_rows,
            _gap(self.reference, counts),
            counts[0] / some,
            counts[-1] / some,
            np.where(known > 0, moved, 0.0),
            1 - known / max(n_rows, 1),
        )

    def state(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Everything it remembers, under names that begin with `prefix`."""
        self._digest()
        arrays = {"counts": self._counts, "sums": self._sums, "rows": self._rows, "seen": np.array(self._n_seen)}
        return {f"{prefix}{name}": array.copy() for name, array in arrays.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
        """Take up a state."""
        self._counts, self._sums, self._rows = (
            np.array(arrays[f"{prefix}{name}"]) for name in ("counts", "sums", "rows")
        )
        self._n_seen = int(arrays[f"{prefix}seen"])

    def _digest(self) -> None:
        if self._waiting:
            rows, self._waiting = np.stack(self._waiting), []
            self.push(rows)


def _counts(knots: FloatArray, rows: NDArray[np.floating]) -> NDArray[np.int64]:
    """How many values lie up to the first knot, between knots and beyond the last one, `(n_knots + 1, n_columns)`."""
    n_knots, n_columns = knots.shape
    counts = np.zeros((n_knots + 1, n_columns), dtype=np.int64)
    for column in range(n_columns):
        values = rows[:, column]
        values = values[~np.isnan(values)]
        counts[:, column] = np.bincount(knots[:, column].searchsorted(values), minlength=n_knots + 1)
    return counts


def _shares(counts: NDArray[np.int64]) -> FloatArray:
    """Share of the values up to each knot, `(n_knots, n_columns)`."""
    return np.asarray(np.cumsum(counts, axis=0)[:-1] / np.maximum(counts.sum(axis=0), 1))


def _gap(reference: Reference, counts: NDArray[np.int64]) -> FloatArray:
    gaps = np.abs(_shares(counts) - reference.shares).max(axis=0)
    return np.asarray(np.where(counts.sum(axis=0) > 0, gaps, 0.0))


def _stretches(parts: Sequence[NDArray[np.floating]], length: int) -> list[NDArray[np.floating]]:
    """Runs of so many rows that do not overlap, evenly chosen if there are many."""
    starts = [(part, start) for part in parts for start in range(0, len(part) - length + 1, length)]
    chosen = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), _MOST_STRETCHES)).round().astype(int))
    return [starts[place][0][starts[place][1] :][:length] for place in chosen.tolist()]
