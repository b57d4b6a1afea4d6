"""What errors are usual: levels and tails learned on training rows, the held-out ones among them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tsae.fitting.fit_rows import FitRows
from tsae.fitting.plan import MemberPlan
from tsae.scoring.calibration import fit_log_tail
from tsae.scoring.filters import MovingAverage
from tsae.scoring.member import (
    MemberScale,
    channel_mean,
    immediate_averages,
    row_errors,
    settled_averages,
)
from tsae.scoring.window_models import WindowModel

__all__ = ["fit_scales"]

FloatArray = NDArray[np.float64]
_LEVEL_FLOOR = 0.01  # of the mean level; keeps a nearly perfect channel from dominating
_SHARE = 0.5  # of the training rows; the held-out ones alone are too few and too recent to say what is usual
_MOST_ROWS = 30_000
_ROWS_AT_ONCE = 4096


def fit_scales(model: WindowModel, rows: FitRows, plan: MemberPlan) -> tuple[MemberScale, MemberScale]:
    """Usual errors and tails of settled and of immediate errors, on the later half of every segment."""
    settled, immediate, apart = [], [], []
    share = min(_SHARE, _MOST_ROWS / len(rows.values))
    for start, split, stop in rows.segments:
        first = min(split, stop - int(share * (stop - start)))
        if first >= stop:
            continue
        begin = max(start, first - 2 * plan.window_size)  # context before the first row that counts
        scorer = row_errors(model, plan.window_size, plan.stride, plan.n_last)
        values = rows.values[begin:stop].numpy()
        observed = np.ones(values.shape, bool) if rows.observed is None else rows.observed[begin:stop].numpy()
        blocks = [slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(values), _ROWS_AT_ONCE)]
        done, now = zip(*(scorer.push(values[block], observed[block]) for block in blocks), strict=True)
        settled.append(np.concatenate([*done, scorer.flush()])[first - begin :].astype(np.float64))
        immediate.append(np.concatenate(now)[first - begin :].astype(np.float64))
        apart.append(rows.apart[first:stop])
    return (
        _scale(settled, apart, lambda: settled_averages(plan.window_size)),
        _scale(immediate, apart, lambda: immediate_averages(plan.window_size)),
    )


def _scale(
    errors: list[FloatArray], apart: list[FloatArray], averages: Callable[[], list[MovingAverage]]
) -> MemberScale:
    levels = _levels(np.concatenate(errors))
    smoothed: list[list[FloatArray]] = [[] for _ in averages()]
    for segment_errors, segment_apart in zip(errors, apart, strict=True):
        mean = channel_mean(segment_errors / levels, segment_apart)
        for parts, average in zip(smoothed, averages(), strict=True):
            parts += [average.push(*mean), average.flush()]
    return MemberScale(levels, tuple(fit_log_tail(np.concatenate(parts)) for parts in smoothed))


def _levels(errors: FloatArray) -> FloatArray:
    """Mean error of every channel plus a hundredth of the mean over channels."""
    observed = ~np.isnan(errors)
    mean = np.where(observed, errors, 0.0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    return np.asarray(mean + _LEVEL_FLOOR * float(mean.mean()) + 1e-9)
