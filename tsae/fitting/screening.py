"""Faults in the training rows, found before anything is learned from them.

Each fifth of the rows is judged by a linear model of the other four, so that a fault does not vouch for itself; rows
that stand out are left out, the models are made anew, and so on. What stands out is measured against the median and
the upper quartile of each channel's errors, which some faulty rows hardly move.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from tsae.fitting.fit_rows import FitRows, lay_out_rows
from tsae.fitting.training_rows import Excluded, Span
from tsae.nn.masked import fit_block_predictor
from tsae.scoring.smoothing import moving_averages, trailing_kernel
from tsae.series.channels import fit_channels
from tsae.series.grid import GridSeries

__all__ = ["cross_errors", "deviations", "suspicious_rows"]

FloatArray = NDArray[np.float64]
RowMask = NDArray[np.bool_]
_FOLDS = 5
_ROUNDS = 3
_WINDOW, _BLOCK = 16, 4
_WIDEST = 1000  # numbers in a window
_CLIP = 20.0  # standard deviations; one huge fault must not be all that the first round sees
_WIDTH = 33  # rows that logarithms of errors are averaged over: faults last, jumps of a set point do not
_CUT = 4.0  # robust standard deviations above the median
_MOST = 0.25  # of the rows; what is more frequent is no fault
_LONGEST = 128  # rows, two of the longest usual windows; what lasts longer is a way to run the plant, no fault
_SHORTEST = 16  # a run of fewer rows between suspicious ones is of no use
_FLOOR = 0.01  # of the median error, so that zeros have a logarithm
_LEAST_SPREAD = 0.1
_UPPER_QUARTILE = 0.6745  # of the normal distribution
_WINDOWS_AT_ONCE = 1024
_FEWEST_WINDOWS = 50  # in all; fewer say nothing


def suspicious_rows(grids: Sequence[GridSeries], excluded: Sequence[Excluded]) -> list[RowMask]:
    """Which input rows of each entity are likely to be faulty, `(n_timesteps,)`; never an excluded one.

    Too few rows to judge are left alone.
    """
    marked = [np.zeros(len(grid.values), dtype=bool) for grid in grids]
    places = [
        (number, start, stop)
        for number, (grid, mask) in enumerate(zip(grids, excluded, strict=True))
        for start, stop in grid.segments
        if mask is None or not mask[np.searchsorted(grid.rows, start)]
    ]
    spans = [Span(grids[number].values[start:stop], 0) for number, start, stop in places]
    if spans:
        rows = lay_out_rows(spans, fit_channels(np.concatenate([span.values for span in spans])))
        found = _screened(rows)
        for (number, start, stop), (first, _, last) in zip(places, rows.segments, strict=True):
            marked[number][start:stop] = found[first:last]
    return [mask[grid.rows] for mask, grid in zip(marked, grids, strict=True)]


def _screened(rows: FitRows) -> RowMask:
    left_out = np.zeros(len(rows.values), dtype=bool)
    for _ in range(_ROUNDS):
        errors = cross_errors(rows, left_out)
        if errors is None:
            break
        found = _without_modes(_standing_out(deviations(errors, rows.segments)))
        if np.array_equal(found, left_out):
            break
        left_out = found
    return _without_scraps(left_out, rows.segments)


def cross_errors(rows: FitRows, left_out: RowMask) -> FloatArray | None:
    """Squared errors `(n_grid, n_network_channels)`, NaN where missing or not judged, each by a model of other rows.

    A row is judged by the windows that cover it, each block of which is predicted from the others. Windows with a row
    that is `left_out` are judged, but nothing is learned from them. `None` if there are too few windows.
    """
    values = rows.values.clamp(-_CLIP, _CLIP)
    n_channels = values.shape[1]
    n_blocks = min(_WINDOW // _BLOCK, _WIDEST // (_BLOCK * n_channels))
    block, size = (_BLOCK, n_blocks * _BLOCK) if n_blocks > 1 else (1, 2)  # wide tables: a row from its neighbour
    starts = _window_starts(rows.segments, size, block)
    n_bad = np.concatenate([[0], np.cumsum(left_out)])
    clean = n_bad[starts + size] == n_bad[starts]
    folds = starts * _FOLDS // len(values)
    offsets = torch.arange(size)
    total, count = np.zeros(values.shape), np.zeros(len(values))
    for fold in range(_FOLDS):
        learned, judged = starts[clean & (folds != fold)], starts[folds == fold]
        if len(learned) < _FEWEST_WINDOWS:
            return None
        parts = torch.split(torch.from_numpy(learned), _WINDOWS_AT_ONCE)
        windows = (values[part.unsqueeze(1) + offsets] for part in parts)
        model = fit_block_predictor(windows, n_channels, block=block)
        for part in torch.split(torch.from_numpy(judged), _WINDOWS_AT_ONCE):
            errors = model(values[part.unsqueeze(1) + offsets]).square().double().numpy()
            for offset in range(size):  # within one offset no row comes twice
                total[part.numpy() + offset] += errors[:, offset]
                count[part.numpy() + offset] += 1
    with np.errstate(invalid="ignore"):
        mean = total / count[:, None]
    return mean if rows.observed is None else np.where(rows.observed.numpy(), mean, np.nan)


def deviations(errors: FloatArray, segments: Sequence[tuple[int, int, int]]) -> FloatArray:
    """How far smoothed logarithms of errors `(n, n_channels)` lie above their median, in robust standard deviations.

    Of the channel that lies furthest above, `(n,)`; −inf for rows without errors.
    """
    known = ~np.isnan(errors)
    filled = np.where(known, errors, np.nan)
    channels = np.flatnonzero(known.any(axis=0))
    worst, kernel = np.full(len(errors), -np.inf), trailing_kernel(_WIDTH)[None]
    for channel in channels.tolist():
        error = filled[:, channel]
        logs = np.log(error + _FLOOR * np.nanmedian(error) + 1e-12)
        parts = []
        for start, _, stop in segments:
            part = np.nan_to_num(logs[start:stop]), known[start:stop, channel].astype(np.float64)
            parts.append(moving_averages(*part, kernel, _WIDTH // 2)[:, 0])
        smooth = np.concatenate(parts)
        middle, upper = np.nanquantile(smooth, [0.5, 0.75])
        spread = max((upper - middle) / _UPPER_QUARTILE, _LEAST_SPREAD)
        worst = np.fmax(worst, (smooth - middle) / spread)
    return worst


def _window_starts(segments: Sequence[tuple[int, int, int]], size: int, step: int) -> NDArray[np.int64]:
    """Every `step`-th window of each segment and its last one."""
    long = [(start, stop - size) for start, _, stop in segments if stop - start >= size]
    starts = [np.union1d(np.arange(start, last, step), [last]) for start, last in long]
    return np.concatenate(starts or [np.zeros(0, dtype=np.int64)])


def _standing_out(deviation: FloatArray) -> RowMask:
    """Rows far above the median, at most a quarter of all."""
    n_most = int(_MOST * len(deviation))
    cut = max(_CUT, float(np.sort(deviation)[-n_most - 1]))
    return np.asarray(deviation > cut)


def _without_modes(suspicious: RowMask) -> RowMask:
    """Clear stretches so long that they are rather a way to run the plant than a fault."""
    kept = suspicious.copy()
    for first, stop in np.flatnonzero(np.diff(suspicious.astype(np.int8), prepend=0, append=0)).reshape(-1, 2):
        kept[first:stop] = stop - first <= _LONGEST
    return kept


def _without_scraps(suspicious: RowMask, segments: Sequence[tuple[int, int, int]]) -> RowMask:
    """Mark runs between suspicious rows that are too short to learn from."""
    marked = suspicious.copy()
    for start, _, stop in segments:
        rows = np.flatnonzero(suspicious[start:stop]) + start
        for before, after in pairwise(rows.tolist()):
            if after - before <= _SHORTEST:
                marked[before:after] = True
    return marked
