"""SPOT and DSPOT for many series."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.thresholds.spot import SpotThreshold

__all__ = ["SpotLanes"]

FloatArray = NDArray[np.float64]


class SpotLanes:
    """A `SpotThreshold` for each lane, which begins as `fresh`; see `FollowingThreshold`."""

    def __init__(self, fresh: SpotThreshold) -> None:
        self._fresh, self.first = fresh, fresh.first
        self._lanes: dict[int, SpotThreshold] = {}

    def values(self, lanes: NDArray[np.intp]) -> FloatArray:
        return np.array([self._lanes.get(lane, self._fresh).value for lane in lanes.tolist()])

    def next(self, score: float, lane: int = 0) -> float:
        return self._of(lane).next(score)

    def next_of(self, lanes: NDArray[np.intp], scores: FloatArray) -> FloatArray:
        pairs = zip(lanes.tolist(), scores.tolist(), strict=True)
        return np.array([self.next(score, lane) for lane, score in pairs], dtype=np.float64)

    def thresholds(self, scores: FloatArray, lane: int = 0) -> FloatArray:
        return self._of(lane).thresholds(scores)

    def state(self, lane: int) -> dict[str, FloatArray]:
        return self._lanes[lane].state() if lane in self._lanes else {}

    def restore(self, lane: int, state: Mapping[str, FloatArray]) -> None:
        if state:
            self._of(lane).restore(state)

    def _of(self, lane: int) -> SpotThreshold:
        if lane not in self._lanes:
            self._lanes[lane] = copy.deepcopy(self._fresh)
        return self._lanes[lane]
