"""The recipe that the default detector started from, on the networks of a fitted detector.

Members' errors of rows are divided by their channel's mean on the held-out rows (plus a twentieth of the mean level),
averaged over channels, smoothed in four widths, brought to one scale by the tail of the held-out rows, and all of these
are averaged. Switches do not count. What the default does differently since then is everything after the row errors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsae import AnomalyDetector
from tsae.scoring.calibration import fit_log_tail
from tsae.scoring.constants import ConstantWatch
from tsae.scoring.filters import MovingAverage, smoothing_kernels
from tsae.scoring.member import Member, channel_mean
from tsae.series.filling import ForwardFill

Array = NDArray[np.float64]
_WIDTHS = (0.25, 0.5, 1.0, 2.0)
_LEVEL_FLOOR = 0.05
_ROWS_AT_ONCE = 4096


def recipe_c_scores(detector: AnomalyDetector, train: Array, test: Array) -> Array:
    """Scores of the test rows `(n_test,)`, higher = more anomalous, from tables `(n, n_channels)` without gaps."""
    n_held_out = max(1, round(detector.held_out * len(train)))
    views = []
    for member in detector.model_.ensemble.members:
        normal, apart = row_errors(detector, member, train)
        normal, apart = normal[-n_held_out:], apart[-n_held_out:]
        levels = np.nanmean(normal, axis=0)
        levels += _LEVEL_FLOOR * levels.mean() + 1e-9
        found, found_apart = row_errors(detector, member, test)
        for kernel in smoothing_kernels(member.window_size, _WIDTHS):
            usual = smoothed(normal / levels, apart, kernel)
            views.append(fit_log_tail(usual)(smoothed(found / levels, found_apart, kernel)))
    known = ~np.isnan(views)
    return np.asarray(np.where(known, views, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def row_errors(detector: AnomalyDetector, member: Member, table: Array) -> tuple[Array, Array]:
    """Squared errors `(n, n_network_channels)` and the summed errors of the constant channels `(n,)`."""
    scaler = detector.model_.ensemble.scaler
    scaled = scaler.scaled(table)
    filled, observed = ForwardFill().push(scaled[:, scaler.network_channels])
    rows = member.row_errors()
    blocks = [slice(first, first + _ROWS_AT_ONCE) for first in range(0, len(table), _ROWS_AT_ONCE)]
    parts = [rows.push(filled[block], observed[block])[0] for block in blocks]
    apart = np.nansum(ConstantWatch().push(scaled[:, scaler.constant_channels]), axis=1)
    return np.concatenate([*parts, rows.flush()]).astype(np.float64), apart


def smoothed(relative: Array, apart: Array, kernel: Array) -> Array:
    average = MovingAverage(kernel, len(kernel) // 2)
    return np.concatenate([average.push(*channel_mean(relative, apart)), average.flush()])
