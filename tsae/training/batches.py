"""Batches cut by index from one tensor: no window is ever stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor

__all__ = ["ArraySource", "Batch", "EvenBatches", "RandomBatches", "Source", "WindowSource", "evenly"]


class Batch(NamedTuple):
    """Clean inputs and, if some entries are missing, which ones were observed."""

    inputs: Tensor
    """`(batch, *input_shape)`, float32."""
    observed: Tensor | None
    """Boolean, shaped like `inputs`; `None` when everything was observed."""


class Source(Protocol):
    """Something that hands out training examples by number."""

    def __len__(self) -> int: ...

    def take(self, index: Tensor) -> Batch: ...


class WindowSource:
    """Windows of a series, float32 `(n_timesteps, n_channels)` without NaN, addressed by their first row.

    `observed` is boolean, of the same shape, or `None` when nothing is missing; `starts` holds the first rows of the
    windows, int64 `(n_windows,)`.
    """

    def __init__(self, values: Tensor, observed: Tensor | None, starts: Tensor, window_size: int) -> None:
        self.values = values
        self.starts = starts
        self._shape = (window_size, values.shape[1])
        self._inputs = _every_window(values, window_size)
        self._observed = None if observed is None else _every_window(observed, window_size)

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, index: Tensor) -> Batch:
        """The windows with these numbers, `(batch, window_size, n_channels)`."""
        inputs, observed = (
            None if windows is None else windows.index_select(0, self.starts[index]).view(-1, *self._shape)
            for windows in (self._inputs, self._observed)
        )
        return Batch(cast(Tensor, inputs), observed)


def _every_window(rows: Tensor, window_size: int) -> Tensor:
    """The windows that start at each row, flat, as a view `(n_timesteps - window_size + 1, window_size * n_channels)`.

    Cutting a window out of it copies one piece of memory.
    """
    rows = rows.contiguous()
    n_channels = rows.shape[1]
    return rows.as_strided((len(rows) - window_size + 1, window_size * n_channels), (n_channels, 1))


class ArraySource:
    """Examples stored one by one, such as images `(n, channels, height, width)`."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: Tensor) -> Batch:
        """The examples with these numbers."""
        return Batch(self.values[index], None)


class RandomBatches:
    """`n_batches` batches in random order, every example once an epoch, handed out `n_together` at a time."""

    def __init__(
        self, source: Source, batch_size: int, generator: torch.Generator, *, n_batches: int, n_together: int
    ) -> None:
        self.source = source
        self.batch_size = batch_size
        self.generator = generator
        self.n_batches = n_batches
        self.n_together = n_together

    def __len__(self) -> int:
        return -(-self.n_batches // self.n_together)

    def __iter__(self) -> Iterator[list[Batch]]:
        indices = self._indices()
        for first in range(0, self.n_batches, self.n_together):
            count = min(self.n_together, self.n_batches - first)
            yield [self.source.take(next(indices)) for _ in range(count)]

    def _indices(self) -> Iterator[Tensor]:
        while True:
            order = torch.randperm(len(self.source), generator=self.generator)
            yield from torch.split(order, self.batch_size)


class EvenBatches:
    """At most `n_examples` examples, evenly spread over the source, always the same ones."""

    def __init__(self, source: Source, n_examples: int, batch_size: int) -> None:
        self.source = source
        self.batch_size = batch_size
        self.index = evenly(len(source), n_examples)

    def __len__(self) -> int:
        return -(-len(self.index) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for first in range(0, len(self.index), self.batch_size):
            yield self.source.take(self.index[first : first + self.batch_size])


def evenly(n_all: int, n_wanted: int) -> Tensor:
    """At most `n_wanted` of the numbers below `n_all`, evenly spaced, int64; `tsae.checks.evenly` in float32."""
    return torch.linspace(0, n_all - 1, min(n_wanted, n_all)).round().long()
