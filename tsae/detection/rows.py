"""From windows to rows: the error of every row and channel, block by block, from one pass over the windows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["RowErrors", "WindowErrors"]

WindowErrors = Callable[[Tensor], Tensor]
"""Windows `(batch, window_size, n_channels)` → errors `(batch, steps, n_channels)`, none negative."""

_BYTES_AT_ONCE = 4 * 2**20  # of windows; about what stays in a processor's cache pays best


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
        self._values: Tensor | None = None

    def push(self, values: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Take the next rows; return settled errors of older rows and immediate errors of these rows.

        `values` is float32 `(n, n_channels)` without NaN, `observed` boolean of the same shape. Errors are
        `(n_settled, n_channels)` and `(n, n_channels)`, NaN where a channel was not observed.
        """
        if not len(values):
            empty = values.new_empty((0, values.shape[1]))
            return empty, empty
        if self._values is None:
            self._begin(values)
        n_old = len(self._values)  # type: ignore[arg-type]
        self._append(values, observed)
        now = self._immediate(n_old) if self.immediate else values.new_empty((0, values.shape[1]))
        done = self._settle() if self.settled else values.new_empty((0, values.shape[1]))
        self._forget()
        return done, now

    def flush(self) -> Tensor:
        """End the segment: settled errors of the rows still waiting."""
        if self._values is None or not self.settled:
            return torch.empty((0, 0))
        last = len(self._values) - self.window_size
        if self._last is None or self._last < last:
            self._cover(torch.tensor([last]))
        out = self._mean(len(self._values))
        self._values = None
        return out

    def _begin(self, values: Tensor) -> None:
        """Fill the missing past with the first row, not observed."""
        past = self.window_size - 1
        self._values = values[:1].repeat(past, 1)
        self._observed = torch.zeros_like(self._values, dtype=torch.bool)
        self._sum = torch.zeros_like(self._values)
        self._count = torch.zeros(past)
        self._next = past  # first row of the next window to cover rows with
        self._last: int | None = None  # first row of the window before that
        self._emitted = past  # rows before it are settled

    def _append(self, values: Tensor, observed: Tensor) -> None:
        self._values = torch.cat([self._values, values])  # type: ignore[list-item]
        self._observed = torch.cat([self._observed, observed])
        if self.settled:
            self._sum = torch.cat([self._sum, torch.zeros_like(values)])
            self._count = torch.cat([self._count, torch.zeros(len(values))])

    def _windows(self, starts: Tensor) -> Tensor:
        """Windows that start at evenly spaced rows, as a view `(n, window_size, n_channels)`."""
        values = self._values
        step = int(starts[1] - starts[0]) if len(starts) > 1 else 1
        n_channels = values.shape[1]  # type: ignore[union-attr]
        return torch.as_strided(
            values,  # type: ignore[arg-type]
            (len(starts), self.window_size, n_channels),
            (step * n_channels, n_channels, 1),
            int(starts[0]) * n_channels,
        )

    def _batches(self, starts: Tensor) -> tuple[Tensor, ...]:
        n_bytes = 4 * self.window_size * self._values.shape[1]  # type: ignore[union-attr]
        return torch.split(starts, max(1, _BYTES_AT_ONCE // n_bytes)) if len(starts) else ()

    def _immediate(self, n_old: int) -> Tensor:
        starts = torch.arange(n_old, len(self._values)) - self.window_size + 1  # type: ignore[arg-type]
        out = []
        for batch in self._batches(starts):
            errors = self.last_errors(self._windows(batch))  # type: ignore[misc]
            rows = batch.unsqueeze(1) + torch.arange(self.window_size - errors.shape[1], self.window_size)
            seen = self._observed[rows]
            out.append((errors * seen).sum(1) / seen.sum(1))
        return torch.cat(out)

    def _settle(self) -> Tensor:
        last = len(self._values) - self.window_size  # type: ignore[arg-type]
        starts = torch.arange(self._next, last + 1, self.stride) if last >= self._next else torch.empty(0).long()
        for batch in self._batches(starts):
            self._cover(batch)
        if len(starts):
            self._next = self._last + self.stride  # type: ignore[operator]
        return self._mean(self._next)

    def _cover(self, starts: Tensor) -> None:
        """Add the errors of these windows to the rows they cover."""
        errors = self.window_errors(self._windows(starts))  # type: ignore[misc]
        first, stop = int(starts[0]), int(starts[-1]) + 1
        self._last = stop - 1
        step = self.stride
        for offset in range(self.window_size):
            rows = slice(first + offset, stop + offset, step)
            self._sum[rows] += errors[:, offset]
            self._count[rows] += 1

    def _mean(self, stop: int) -> Tensor:
        """Settled errors of the rows from the last settled one up to `stop`."""
        rows = slice(self._emitted, stop)
        errors = self._sum[rows] / self._count[rows].unsqueeze(1)
        self._emitted = max(self._emitted, stop)
        return errors.masked_fill(~self._observed[rows], torch.nan)

    def _forget(self) -> None:
        """Drop rows that neither a later window nor a settled error needs."""
        drop = len(self._values) - self.window_size  # type: ignore[arg-type]
        if self.settled:
            drop = min(drop, self._emitted)
        if drop <= 0:
            return
        self._values = self._values[drop:].clone()  # type: ignore[index]
        self._observed = self._observed[drop:].clone()
        if self.settled:
            self._sum, self._count = self._sum[drop:].clone(), self._count[drop:].clone()
            self._next -= drop
            self._emitted -= drop
            self._last = None if self._last is None else self._last - drop
