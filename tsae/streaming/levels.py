"""The thresholds of all entities' rows: learned ones, or such that follow the rows before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.detection.lane_arrays import LaneArrays
from tsae.detection.stream_model import StreamModel
from tsae.detection.thresholds import FollowingThreshold, adaptive_threshold

__all__ = ["Levels", "furthest_moved", "judged_kinds", "make_levels"]

FloatArray = NDArray[np.float64]


def judged_kinds(model: StreamModel, *, own_lag: bool) -> dict[str, str]:
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


def make_levels(model: StreamModel, kinds: Mapping[str, str], arrays: LaneArrays, *, adapt: bool) -> Levels:
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
            calibration = model.calibration[kind]
            following = adaptive_threshold(model.thresholds, calibration, arrays=arrays, name=f"{name}.")
        return _Standing(getattr(model.thresholds, kind).value) if following is None else following

    return Levels(make("settled"), make("immediate"))


class _Standing:
    """A threshold that follows nothing; see `FollowingThreshold`."""

    def __init__(self, value: float) -> None:
        self.first = value

    def value(self, lane: int = 0) -> float:  # noqa: ARG002
        return self.first

    def values(self, lanes: NDArray[np.intp]) -> FloatArray:
        return np.full(len(lanes), self.first)

    def next(self, score: float, lane: int = 0) -> float:  # noqa: ARG002
        return self.first

    def next_of(self, lanes: NDArray[np.intp], scores: FloatArray) -> FloatArray:  # noqa: ARG002
        return self.values(lanes)

    def thresholds(self, scores: FloatArray, lane: int = 0) -> FloatArray:  # noqa: ARG002
        return np.full(len(scores), self.first)

    def state(self, lane: int) -> dict[str, FloatArray]:  # noqa: ARG002
        return {}

    def restore(self, lane: int, state: Mapping[str, FloatArray]) -> None:
        pass


def furthest_moved(settled: FollowingThreshold, n_lanes: int) -> tuple[int, float] | None:
    """The lane whose threshold has moved furthest, and by how much; `None` if none has."""
    moved = settled.values(np.arange(n_lanes)) - settled.first
    lane = int(np.argmax(np.abs(moved))) if moved.any() else None
    return None if lane is None else (lane, float(moved[lane]))
