"""From windows to rows: the error of every row and channel, from one pass over the windows of each lane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.inputs import FilledRows
from tsae.scoring.rings import Place, Rings, blocks_of_one

__all__ = ["RowErrors", "WindowErrors", "segment_errors"]

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]
WindowErrors = Callable[[Array], Array]
"""Windows `(batch, window_size, n_channels)` → errors `(batch, steps, n_channels)`, none negative."""

_BYTES_AT_ONCE = 2**20  # of windows; about what stays in a processor's cache pays best
_ROWS_AT_ONCE = 4096


class RowErrors:
    """Errors of rows under one model.

    *settled*: a row's error is the mean over all windows that cover it. It is known when the last window that can cover
    the row is complete, `window_size - 1` rows later. *immediate*: a row's error is the mean over the last rows of the
    window that ends in it; before a segment stands its first row, which counts as missing there.

    Parameters
    ----------
    name
        Prefix of its arrays.
    window_errors
        Windows → errors of all their steps; `None` if settled errors are not wanted.
    last_errors
        Windows → errors of their last `n_last` steps; `None` if immediate errors are not wanted.
    window_size, stride
        Windows start at rows `k · stride` of the segment. One more ends at its last row, for the rows that are not
        settled by then.

    Attributes
    ----------
    name : str
        Of the ring that holds the errors summed over windows.
    """

    def __init__(
        self,
        rings: Rings,
        rows: FilledRows,
        name: str,
        *,
        window_errors: WindowErrors | None,
        last_errors: WindowErrors | None = None,
        n_last: int = 0,
        window_size: int,
        stride: int,
    ) -> None:
        self._rings, self._rows, self.name = rings, rows, f"{name}.sum"
        self._window_errors, self._last_errors, self._n_last = window_errors, last_errors, n_last
        self._size, self._stride = window_size, stride
        if window_errors is not None:
            rings.add_ring(self.name, window_size, rings["window"].shape[2:], np.float32)

    def step(self, place: Place, numbers: Numbers, *, whole: bool) -> tuple[Array | None, Array | None]:
        """Errors of the k newest rows, and of those `window_size - 1` before them, each if it is wanted.

        Parameters
        ----------
        numbers
            Numbers of the newest rows in their segments, `(k,)`.
        whole
            Whether everything within reach was observed.

        Returns
        -------
        tuple
            Immediate and settled errors, `(k, n_channels)`, NaN where missing.
        """
        windows = place.runs(self._rings["window"], self._rows.newest, self._size)
        starts = numbers - self._size + 1
        in_step = (starts >= 0) & (starts % self._stride == 0)
        at_once = self._window_errors is not None and bool(in_step.all())
        now = None
        if self._last_errors is not None:
            now = np.empty((len(windows), windows.shape[2]), np.float32)
            seen = None if whole else place.runs(self._rings["observed"], self._rows.newest, self._n_last)
            if not at_once:
                for part, last in _in_batches(windows, self._last_errors):
                    now[part] = _mean(last, None if seen is None else seen[part])
        if self._window_errors is None:
            return now, None
        sums = self._sums(place)
        chosen = _as_range(np.flatnonzero(in_step))
        for part, errors in _in_batches(windows[chosen], self._window_errors):
            if now is not None and at_once:
                now[part] = _mean(errors[:, self._size - self._n_last :], None if seen is None else seen[part])
            self._add(place, sums, errors, np.arange(len(windows))[chosen][part])
        if not isinstance(place.lanes, slice | int):
            self._rings[self.name][place.lanes, place.first : place.first + self._size] = sums
        settled = sums[:, 0] if place.n_rows is None else sums[: len(windows)]
        settled = settled / np.maximum(self._counts(starts, starts), 1)[:, None]
        if not whole:
            oldest = self._rings["observed"][place.at(self._rows.length - self._size)]
            settled = np.where(oldest, settled, np.float32(np.nan))
        return now, settled

    def flush(self, lane: int) -> Array:
        """Settled errors of one lane's last rows, `(min(n_rows, window_size - 1), n_channels)`, NaN where missing."""
        size, stride = self._size, self._stride
        n_rows, stop = int(self._rings["n_rows"][lane]), int(self._rings["origin"][lane]) + self._rows.length
        start = n_rows - size
        rows = np.arange(max(0, start + 1), n_rows)
        origin = int(self._rings["origin"][lane])
        total = self._rings[self.name][lane, origin + size - len(rows) : origin + size].copy()
        counts = self._counts(rows, start)
        if start < 0 or start % stride:  # one more window ends at the last row; it covers what is not settled
            window = self._rings["window"][lane, stop - size : stop]
            errors = self._window_errors(window[None])[0]  # type: ignore[misc]
            unsettled = rows >= (start // stride + 1) * stride if start >= 0 else rows >= 0
            total[unsettled] += errors[size - len(rows) :][unsettled]
            counts[unsettled] += 1
        observed = self._rings["observed"][lane, stop - len(rows) : stop]
        return np.where(observed, total / counts[:, None], np.float32(np.nan))

    def inner_counts(self) -> list[float]:
        """How many windows cover a row far from a segment's ends, by its number modulo the stride."""
        rows = self._size * self._stride + np.arange(self._stride)
        return [float(count) for count in self._counts(rows, rows)]

    def _sums(self, place: Place) -> Array:
        """Errors summed over windows, of the rows that the newest windows cover; the newest rows begin at zero.

        `(m, window_size, n_channels)` for one row of each of m lanes, `(n + window_size - 1, n_channels)` for n rows of
        one lane.
        """
        ring = self._rings[self.name]
        ring[place.at(self._size - 1)] = 0
        sums: Array = ring[place.lanes, place.first : place.first + self._size + (place.n_rows or 1) - 1]
        return sums

    def _add(self, place: Place, sums: Array, errors: Array, rows: Numbers) -> None:
        """Add the errors of windows that end in these of the newest rows."""
        if place.n_rows is None:
            sums[_as_range(rows)] += errors
        else:
            _add_overlapping(errors, range(int(rows[0]), int(rows[-1]) + 1, self._stride), sums)

    def _counts(self, rows: Any, newest: Any) -> Any:
        """How many windows, the last one starting at row `newest` or before, cover each of these rows."""
        first = -(-np.maximum(rows - self._size + 1, 0) // self._stride)
        return np.float32(np.maximum(np.minimum(rows, newest) // self._stride - first + 1, 0))


def segment_errors(
    filled: Array,
    observed: Mask,
    *,
    window_errors: WindowErrors | None,
    last_errors: WindowErrors | None = None,
    n_last: int = 0,
    window_size: int,
    stride: int = 1,
) -> tuple[Array, Array]:
    """Settled and immediate errors of a whole segment, `(n, n_channels)` each, NaN where missing; see `RowErrors`.

    `filled` is float32 `(n, n_channels)` without NaN, `observed` says which of its entries were measured. What is not
    wanted is empty.
    """
    n_rows, empty = len(filled), filled[:0]
    rings = Rings(min(_ROWS_AT_ONCE, max(1, n_rows)))
    rows = FilledRows(rings, filled.shape[1], length=window_size, whole_after=n_rows + 1)
    errors = RowErrors(
        *(rings, rows, "segment"),
        window_errors=window_errors,
        last_errors=last_errors,
        n_last=n_last,
        window_size=window_size,
        stride=stride,
    )
    settled, immediate = [empty], [empty]
    for place, part in blocks_of_one(rings, n_rows):
        rows.take(np.zeros(1, dtype=np.intp), place, filled[part], observed[part])
        now, done = errors.step(place, np.arange(part.start, part.stop), whole=False)
        immediate.append(empty if now is None else now)
        settled.append(empty if done is None else done[max(0, window_size - 1 - part.start) :])
    if window_errors is not None:
        settled.append(errors.flush(0))
    return np.concatenate(settled), np.concatenate(immediate)


def _in_batches(windows: Array, errors: WindowErrors) -> Iterator[tuple[slice, Array]]:
    """Windows `(k, length, n_channels)` → their errors, some at a time, and which ones they are."""
    size = max(1, _BYTES_AT_ONCE // (4 * windows.shape[1] * windows.shape[2]))
    for first in range(0, len(windows), size):
        part = slice(first, first + size)
        yield part, errors(windows[part])


def _as_range(places: NDArray[np.intp]) -> Any:
    """Evenly spaced places as a slice, which numpy reads and writes without a copy; others as they are."""
    if not len(places):
        return slice(0, 0)
    step = int(places[1] - places[0]) if len(places) > 1 else 1
    first, last = int(places[0]), int(places[-1])
    is_even = last - first == step * (len(places) - 1) and bool((np.diff(places) == step).all())
    return slice(first, last + 1, step) if is_even else places


def _mean(errors: Array, seen: Mask | None) -> Array:
    """Mean over the steps that were observed, `(k, n_channels)`; NaN where none was, `None` for all."""
    if seen is None:
        n_steps = errors.shape[1]
        whole: Array = np.full(n_steps, 1 / n_steps, np.float32) @ errors
        return whole
    with np.errstate(invalid="ignore"):
        mean: Array = (errors * seen).sum(1) / seen.sum(1, dtype=np.float32)
    return mean


def _add_overlapping(errors: Array, starts: range, rows: Array) -> None:
    """Add errors of windows `(len(starts), length, n_channels)` to the rows they cover, `(n, n_channels)`."""
    length = errors.shape[1]
    n_groups = -(-length // starts.step)  # windows this many places apart share no row and are added at once
    n_whole = len(starts) // n_groups * n_groups
    row = rows.strides[0]
    for part, own in ((slice(n_whole), starts[:n_whole]), (slice(n_whole, None), starts[n_whole:])):
        if len(own):
            n_own = min(n_groups, len(own))
            groups = errors[part].reshape(-1, n_own, length, rows.shape[1]).swapaxes(0, 1)
            strides = (own.step * row, n_own * own.step * row, *rows.strides)
            covered = np.lib.stride_tricks.as_strided(rows[own.start :], groups.shape, strides)
            for runs, group in zip(covered, groups, strict=True):
                runs += group
