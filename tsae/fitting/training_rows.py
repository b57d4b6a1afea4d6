"""The rows a detector learns from: without excluded ones, split in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.fitting.plan import SHORTEST_WINDOW
from tsae.series.grid import GridSeries

__all__ = ["Excluded", "Span", "used_spans"]

_MOST_HELD_OUT = 30_000  # an entity; enough for a threshold, and scoring more would outlast the training


Excluded = NDArray[np.bool_] | None
"""Which input rows of an entity are excluded; `None` for none."""


@dataclass(frozen=True)
class Span:
    """A run of training rows without a gap, NaN where missing, and how many of its rows are held out."""

    values: NDArray[np.floating]
    n_held_out: int


def used_spans(grids: Sequence[GridSeries], excluded: Sequence[Excluded], held_out: float) -> list[Span]:
    """All segments that are not excluded; the last `held_out` share of each entity's rows is held out."""
    spans = []
    for grid, mask in zip(grids, excluded, strict=True):
        first_rows = np.searchsorted(grid.rows, grid.starts)
        used = [
            segment
            for segment, first_row in zip(grid.segments, first_rows, strict=True)
            if mask is None or not mask[first_row]
        ]
        n_left = max(1, min(_MOST_HELD_OUT, round(held_out * sum(stop - start for start, stop in used))))
        for start, stop in reversed(used):
            n_held_out = min(n_left, stop - start)
            spans.append(Span(grid.values[start:stop], n_held_out))
            n_left -= n_held_out
    n_rows = sum(len(span.values) for span in spans)
    if n_rows <= SHORTEST_WINDOW:
        raise DataError(
            f"too few rows to learn from (n_samples={n_rows}, exclusions left out); pass at least "
            f"{SHORTEST_WINDOW + 1}, better some hundreds"
        )
    return spans
