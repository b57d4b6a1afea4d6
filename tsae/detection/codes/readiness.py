"""Before a detector is fitted: would windows of this table be enough, clean enough, and hold what can be learned?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.detection.codes.bottleneck import (
    Advice,
    Run,
    advise,
    far_off,
    principal_directions,
    sample_windows,
    study_bottleneck,
)
from tsae.detection.inputs import Entity, lay_out
from tsae.detection.parameters.shared import ARCHITECTURE, HELD_OUT, MAX_FILL, PRESET
from tsae.fitting.plan import plan_members
from tsae.series.channels import fit_channels
from tsae.series.grid import infer_clock

__all__ = ["Readiness", "study_tables"]

_EXPLAINED = 0.95
_MOST_ROWS = 200_000  # of which roles, means and spreads are learned


@dataclass(frozen=True)
class Readiness:
    """What a fit with the defaults would find."""

    window_sizes: tuple[int, ...]
    """Of the members, in rows, rising."""
    advice: Advice
    """For the longest windows, with as many principal components in the network's place as explain 95 % of their
    variance."""


def study_tables(frames: Sequence[pd.DataFrame]) -> Readiness:
    """Measure on the tables of one machine or of a fleet, all with the same columns.

    Raises `DataError` if no detector could be fitted on them, for the reason that `fit` would give.
    """
    runs = _runs(frames)
    n_rows = sum(len(run.values) for run in runs)
    every = max(1, n_rows // _MOST_ROWS)
    scaler = fit_channels(np.concatenate([run.values[::every] for run in runs]))
    plans = plan_members(
        "auto",
        "auto",
        preset=PRESET,
        architecture=ARCHITECTURE,
        n_rows=n_rows,
        longest_run=max(run.stop for run in runs),
        n_channels=len(scaler.network_channels),
    )
    sizes = sorted({plan.window_size for plan in plans if plan.block is None})
    size = sizes[-1]
    earlier = sample_windows(scaler, runs, size)
    later = sample_windows(scaler, [Run(run.values, run.stop, len(run.values)) for run in runs], size)
    centre, components = _components(earlier.values)

    def rebuild(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        flat = windows.reshape(len(windows), -1) - centre
        return np.asarray((flat @ components.T @ components + centre).reshape(windows.shape))

    facts = study_bottleneck(
        earlier.values,
        later.values if len(later.values) else earlier.values,
        rebuild,
        latent_dim=len(components),
        n_apart=sum(run.stop // size for run in runs),
        missing=float(1 - earlier.observed.mean()),
        touched=float(far_off(earlier.values).mean()),
    )
    return Readiness(tuple(sizes), advise(facts))


def _runs(frames: Sequence[pd.DataFrame]) -> list[Run]:
    """Rows without a gap; those from `stop` on, the last ones of each table, would be held out."""
    period = infer_clock(frames[0].index).period
    runs = []
    for frame in frames:
        grid = lay_out(Entity(frame.to_numpy(np.float64), frame.index, frame.columns), period=period, max_fill=MAX_FILL)
        n_left = max(1, round(HELD_OUT * len(grid.values)))
        for start, stop in reversed(grid.segments):
            n_held_out = min(n_left, stop - start)
            runs.append(Run(grid.values[start:stop], 0, stop - start - n_held_out))
            n_left -= n_held_out
    return runs


def _components(windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean of flat windows `(n_values,)`, and the principal components `(n, n_values)` that explain 95 %."""
    centre, directions, shares = principal_directions(windows)
    n = int((np.cumsum(shares) < _EXPLAINED).sum()) + 1
    return centre, directions[: max(1, min(n, len(directions), directions.shape[1] - 1))]
