"""The thresholds of all entities' rows: learned ones, or such that follow the rows before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds import FollowingThreshold, StandingThreshold, adaptive_threshold
from tsae.model.fitted import FittedModel
from tsae.scoring.rings import Rings

__all__ = ["Levels", "furthest_moved", "judged_kinds", "make_levels"]

FloatArray = NDArray[np.float64]


def judged_kinds(model: FittedModel, *, own_lag: bool) -> dict[str, str]:
    """Which of the model's scores "settled" and "immediate" ones are, as far as thresholds go.

    Parameters
    ----------
    own_lag
        Whether settled scores wait as long as the model's; otherwise they are immediate ones of a few rows later.
    """
    unsmoothed = model.thresholds.judged == "unsmoothed"
    immediate = "immediate_unsmoothed" if unsmoothed else "immediate"
    return {"settled": ("unsmoothed" if unsmoothed else "settled") if own_lag else immediate, "immediate": immediate}


class Levels(NamedTuple):
    """Thresholds of each entity's settled and immediate scores, to be handed in in time order."""

    settled: FollowingThreshold
    immediate: FollowingThreshold


def make_levels(model: FittedModel, kinds: Mapping[str, str], arrays: Rings, *, adapt: bool) -> Levels:
    """Fresh thresholds.

    Parameters
    ----------
    kinds
        From `judged_kinds`.
    arrays
        Where what is learned of each entity stands, by its lane.
    adapt
        Whether thresholds follow the rows before, unless the model's was stated.
    """

    def make(name: str) -> FollowingThreshold:
        kind = kinds[name]
        following = None
        if adapt:
            calibration = getattr(model.calibration, kind)
            following = adaptive_threshold(model.thresholds, calibration, arrays=arrays, name=f"{name}.")
        return following or StandingThreshold(getattr(model.thresholds, kind).value)

    return Levels(make("settled"), make("immediate"))


def furthest_moved(settled: FollowingThreshold, n_lanes: int) -> tuple[int, float] | None:
    """The lane whose threshold has moved furthest, and by how much; `None` if none has."""
    moved = settled.values(np.arange(n_lanes)) - settled.first
    lane = int(np.argmax(np.abs(moved))) if moved.any() else None
    return None if lane is None else (lane, float(moved[lane]))
