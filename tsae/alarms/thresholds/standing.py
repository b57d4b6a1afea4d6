"""A threshold that follows nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["StandingThreshold"]

FloatArray = NDArray[np.float64]


class StandingThreshold:
    """The same for all rows of all lanes; see `FollowingThreshold`."""

    def __init__(self, value: float) -> None:
        self.first = value

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
