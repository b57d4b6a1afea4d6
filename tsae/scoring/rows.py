"""From windows to rows: the error of every row and channel, block by block, from one pass over the windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowErrors", "WindowErrors"]

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
WindowErrors = Callable[[Array], Array]
"""Windows `(batch, window_size, n_channels)` → errors `(batch, steps, n_channels)`, none negative."""

_BYTES_AT_ONCE = 2**20  # of windows; about what stays in a processor's cache pays best


class RowErrors:
    """Errors of the rows of one segment under one model.

    *settled*: a row's error is the mean over all windows that cover it. A row is settled once no later window can
    cover it. *immediate*: a row's error is the mean over the last rows of the window that ends in it; what
    lies before the first row of the segment is filled with that row and counts as missing.

    Parameters
    ----------
    window_errors
        Windows → errors of all their steps; `None` if settled errors are not wanted.
    last_errors
        Windows → errors of their last steps; `None` if immediate errors are not wanted.
    window_size, stride
        Windows start at rows `k · stride` of the segment. One more ends at its last row, for the rows that are not
        settled by then.
    """

    def __init__(
        self,
        window_errors: WindowErrors | None,
        last_errors: WindowErrors | None = None,
        *,
        window_size: int,
        stride: int = 1,
    ) -> None:
        self.window_errors, self.last_errors = window_errors, last_errors
        self.window_size, self.stride = window_size, stride
        self.settled, self.immediate = window_errors is not None, last_errors is not None
        self._values: Array | None = None

    def push(self, values: Array, observed: Mask) -> tuple[Array, Array]:
        """Take the next rows; return settled errors of older rows and immediate errors of these rows.

        `values` is float32 `(n, n_channels)` without NaN, `observed` boolean of the same shape. Errors are
        `(n_settled, n_channels)` and `(n, n_channels)`, NaN where a channel was not observed.
        """
        empty = values[:0]
        if not len(values):
            return empty, empty
        if self._values is None:
            self._begin(values)
        n_old = len(self._values)  # type: ignore[arg-type]
        self._append(values, observed)
        now = self._immediate(n_old) if self.immediate else empty
        done = self._settle() if self.settled else empty
        self._forget()
        return done, now

    def flush(self) -> Array:
        """End the segment: settled errors of the rows still waiting."""
        if self._values is None or not self.settled:
            return np.empty((0, 0), dtype=np.float32)
        last = len(self._values) - self.window_size
        if self._last is None or self._last < last:
            self._cover(range(last, last + 1))
        out = self._mean(len(self._values))
        self._values = None
        return out

    def _begin(self, values: Array) -> None:
        """Fill the missing past with the first row, not observed."""
        past = self.window_size - 1
        self._values = np.repeat(values[:1], past, axis=0)
        self._observed = np.zeros(self._values.shape, dtype=bool)
        self._sum = np.zeros_like(self._values)
        self._count = np.zeros(past, dtype=np.float32)
        self._next = past  # first row of the next window to cover rows with
        self._last: int | None = None  # first row of the window before that
        self._emitted = past  # rows before it are settled

    def _append(self, values: Array, observed: Mask) -> None:
        self._values = np.concatenate([self._values, values])
        self._observed = np.concatenate([self._observed, observed])
        if self.settled:
            self._sum = np.concatenate([self._sum, np.zeros_like(values)])
            self._count = np.concatenate([self._count, np.zeros(len(values), dtype=np.float32)])

    def _batches(self, starts: range) -> list[range]:
        n_bytes = 4 * self.window_size * self._values.shape[1]  # type: ignore[union-attr]
        size = max(1, _BYTES_AT_ONCE // n_bytes)
        return [starts[first : first + size] for first in range(0, len(starts), size)]

    def _immediate(self, n_old: int) -> Array:
        past = self.window_size - 1
        out = []
        for batch in self._batches(range(n_old - past, len(self._values) - past)):  # type: ignore[arg-type]
            errors = self.last_errors(_runs(self._values, batch, self.window_size))  # type: ignore[misc, arg-type]
            n_last = errors.shape[1]
            rows = np.arange(batch.start, batch.stop)[:, None] + np.arange(self.window_size - n_last, self.window_size)
            seen = self._observed[rows]
            with np.errstate(invalid="ignore"):
                out.append((errors * seen).sum(1) / seen.sum(1, dtype=np.float32))
        return np.concatenate(out)

    def _settle(self) -> Array:
        last = len(self._values) - self.window_size  # type: ignore[arg-type]
        starts = range(self._next, last + 1, self.stride)
        for batch in self._batches(starts):
            self._cover(batch)
        if len(starts):
            self._next = self._last + self.stride  # type: ignore[operator]
        return self._mean(self._next)

    def _cover(self, starts: range) -> None:
        """Add the errors of these windows to the rows they cover."""
        size = self.window_size
        errors = self.window_errors(_runs(self._values, starts, size))  # type: ignore[misc, arg-type]
        self._last = starts[-1]
        _add(errors, starts, self._sum)
        begin, stop = starts.start, self._last + size
        ends = np.zeros(stop - begin + 1, dtype=np.float32)
        ends[: len(starts) * starts.step : starts.step] += 1
        ends[size : size + len(starts) * starts.step : starts.step] -= 1
        self._count[begin:stop] += np.cumsum(ends[:-1])

    def _mean(self, stop: int) -> Array:
        """Settled errors of the rows from the last settled one up to `stop`."""
        rows = slice(self._emitted, stop)
        errors = self._sum[rows] / self._count[rows, None]
        self._emitted = max(self._emitted, stop)
        return np.where(self._observed[rows], errors, np.float32(np.nan))

    def _forget(self) -> None:
        """Drop rows that neither a later window nor a settled error needs."""
        drop = len(self._values) - self.window_size  # type: ignore[arg-type]
        if self.settled:
            drop = min(drop, self._emitted)
        if drop <= 0:
            return
        self._values = self._values[drop:].copy()  # type: ignore[index]
        self._observed = self._observed[drop:].copy()
        if self.settled:
            self._sum, self._count = self._sum[drop:].copy(), self._count[drop:].copy()
            self._next -= drop
            self._emitted -= drop
            self._last = None if self._last is None else self._last - drop


def _add(errors: Array, starts: range, rows: Array) -> None:
    """Add errors of windows `(len(starts), length, n_channels)` to the rows they cover, `(n, n_channels)`."""
    length = errors.shape[1]
    apart = -(-length // starts.step)  # windows so many places apart share no row and are added at once
    n_whole = len(starts) // apart * apart
    row = rows.strides[0]
    for part, own in ((slice(n_whole), starts[:n_whole]), (slice(n_whole, None), starts[n_whole:])):
        if len(own):
            n_groups = min(apart, len(own))
            groups = errors[part].reshape(-1, n_groups, length, rows.shape[1]).swapaxes(0, 1)
            strides = (own.step * row, n_groups * own.step * row, *rows.strides)
            covered = np.ndarray(groups.shape, rows.dtype, rows, own.start * row, strides)
            for runs, group in zip(covered, groups, strict=True):
                runs += group


def _runs(rows: Array, starts: range, length: int) -> Array:
    """Runs of rows `(n, ...)`, contiguous, that begin at `starts`, as a view `(len(starts), length, ...)`."""
    step, *within = rows.strides
    shape, strides = (len(starts), length, *rows.shape[1:]), (starts.step * step, step, *within)
    return np.ndarray(shape, rows.dtype, rows, offset=starts.start * step, strides=strides)
