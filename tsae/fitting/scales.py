"""What errors are usual: levels and tails learned on training rows, the held-out ones among them."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from tsae.fitting.fit_rows import FitRows
from tsae.fitting.plan import MemberPlan
from tsae.scoring.ensemble import MemberScale
from tsae.scoring.row_errors import segment_errors
from tsae.scoring.smoothing import channel_mean, immediate_kernels, moving_averages, settled_kernels
from tsae.scoring.tails import fit_log_tail
from tsae.scoring.window_models import WindowModel

__all__ = ["fit_scales"]

FloatArray = NDArray[np.float64]
_LEVEL_FLOOR = 0.01  # of the mean level; keeps a nearly perfect channel from dominating
_SHARE = 0.5  # of the training rows; the held-out ones alone are too few and too recent to say what is usual
_MOST_ROWS = 30_000


def fit_scales(model: WindowModel, rows: FitRows, plan: MemberPlan) -> tuple[MemberScale, MemberScale]:
    """Usual errors and tails of settled and of immediate errors, on the later half of every segment."""
    settled, immediate, apart = [], [], []
    share = min(_SHARE, _MOST_ROWS / len(rows.values))
    for start, split, stop in rows.segments:
        first = min(split, stop - int(share * (stop - start)))
        if first >= stop:
            continue
        begin = max(start, first - 2 * plan.window_size)  # context before the first row that counts
        values = rows.values[begin:stop].numpy()
        observed = np.ones(values.shape, bool) if rows.observed is None else rows.observed[begin:stop].numpy()
        done, now = segment_errors(
            *(values, observed),
            window_errors=model.errors,
            last_errors=partial(model.errors, n_last=plan.n_last),
            n_last=plan.n_last,
            window_size=plan.window_size,
            stride=plan.stride,
        )
        settled.append(done[first - begin :].astype(np.float64))
        immediate.append(now[first - begin :].astype(np.float64))
        apart.append(rows.apart[first:stop])
    return (
        _scale(settled, apart, *settled_kernels(plan.window_size)),
        _scale(immediate, apart, *immediate_kernels(plan.window_size)),
    )


def _scale(errors: list[FloatArray], apart: list[FloatArray], kernels: FloatArray, lookahead: int) -> MemberScale:
    levels = _levels(np.concatenate(errors))
    means = [channel_mean(each / levels, other) for each, other in zip(errors, apart, strict=True)]
    smoothed = np.concatenate([moving_averages(*mean, kernels, lookahead) for mean in means])
    return MemberScale(levels, tuple(fit_log_tail(column) for column in smoothed.T), kernels, lookahead)


def _levels(errors: FloatArray) -> FloatArray:
    """Mean error of every channel plus a hundredth of the mean over channels."""
    observed = ~np.isnan(errors)
    mean = np.where(observed, errors, 0.0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    return np.asarray(mean + _LEVEL_FLOOR * float(mean.mean()) + 1e-9)
