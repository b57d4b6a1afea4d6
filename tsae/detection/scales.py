"""What errors are usual: levels and tails learned on the held-out rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from tsae.detection.calibration import fit_log_tail
from tsae.detection.filters import MovingAverage
from tsae.detection.member import (
    MemberScale,
    channel_mean,
    immediate_average,
    row_errors,
    settled_average,
)
from tsae.detection.models import WindowModel
from tsae.detection.plan import MemberPlan
from tsae.detection.training_rows import FitRows

__all__ = ["fit_scales"]

FloatArray = NDArray[np.float64]
_LEVEL_FLOOR = 0.05  # of the mean level; keeps a nearly perfect channel from dominating


def fit_scales(model: WindowModel, rows: FitRows, plan: MemberPlan) -> tuple[MemberScale, MemberScale]:
    """Usual errors and tails on the held-out rows: for settled and for immediate errors."""
    settled, immediate, apart = [], [], []
    for start, split, stop in rows.segments:
        if split >= stop:
            continue
        begin = max(start, split - 2 * plan.window_size)  # context before the first held-out row
        scorer = row_errors(model, plan.window_size, plan.stride, plan.n_last)
        values = rows.values[begin:stop]
        observed = torch.ones_like(values, dtype=torch.bool) if rows.observed is None else rows.observed[begin:stop]
        done, now = scorer.push(values, observed)
        all_done = torch.cat([done, scorer.flush()])
        settled.append(all_done[split - begin :].double().numpy())
        immediate.append(now[split - begin :].double().numpy())
        apart.append(rows.apart[split:stop])
    return (
        _scale(settled, apart, lambda: settled_average(plan.window_size)),
        _scale(immediate, apart, lambda: immediate_average(plan.window_size)),
    )


def _scale(errors: list[FloatArray], apart: list[FloatArray], average: Callable[[], MovingAverage]) -> MemberScale:
    levels = _levels(np.concatenate(errors))
    smoothed = []
    for segment_errors, segment_apart in zip(errors, apart, strict=True):
        moving = average()
        values, weights = channel_mean(segment_errors / levels, segment_apart)
        smoothed += [moving.push(values, weights), moving.flush()]
    return MemberScale(levels, fit_log_tail(np.concatenate(smoothed)))


def _levels(errors: FloatArray) -> FloatArray:
    """Mean error of every channel plus a twentieth of the mean over channels."""
    observed = ~np.isnan(errors)
    mean = np.where(observed, errors, 0.0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    return np.asarray(mean + _LEVEL_FLOOR * float(mean.mean()) + 1e-9)
