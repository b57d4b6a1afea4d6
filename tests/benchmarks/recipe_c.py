"""The recipe that the default detector started from, on the networks of a fitted detector.

Members' errors of rows are divided by their channel's mean on the held-out rows (plus a twentieth of the mean level),
averaged over channels, smoothed in four widths, brought to one scale by the tail of the held-out rows, and all of these
are averaged. Switches do not count. What the default does differently since then is everything after the row errors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsae import AnomalyDetector
from tsae.scoring.ensemble import Member
from tsae.scoring.inputs import ConstantWatch
from tsae.scoring.rings import Rings, blocks_of_one
from tsae.scoring.row_errors import segment_errors
from tsae.scoring.smoothing import channel_mean, moving_averages, smoothing_kernels
from tsae.scoring.tails import fit_log_tail
from tsae.series.channels import forward_filled

Array = NDArray[np.float64]
_WIDTHS = (0.25, 0.5, 1.0, 2.0)
_LEVEL_FLOOR = 0.05


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
    filled, observed = forward_filled(scaled[:, scaler.network_channels])
    errors, _ = segment_errors(
        filled, observed, window_errors=member.model.errors, window_size=member.window_size, stride=member.stride
    )
    rings, memory = Rings(len(table)), detector.model_.ensemble.formula.constant_memory
    watch = ConstantWatch(rings, len(scaler.constant_channels), memory)
    ((place, _),) = blocks_of_one(rings, len(table))
    apart = np.nansum(watch.step(place, scaled[:, scaler.constant_channels]), axis=1)
    return errors.astype(np.float64), apart


def smoothed(relative: Array, apart: Array, kernel: Array) -> Array:
    return moving_averages(*channel_mean(relative, apart), kernel[None], len(kernel) // 2)[:, 0]
