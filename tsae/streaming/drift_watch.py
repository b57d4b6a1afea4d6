"""Watches the rows and scores of all entities for drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.distributions import BLOCK, DistributionWatch, Reference
from tsae.alarms.drift import Drift, drifts_of
from tsae.alarms.thresholds import FollowingThreshold
from tsae.model.fitted import FittedModel
from tsae.scoring.rings import Rings

__all__ = ["DriftNotice", "DriftWatch"]

FloatArray = NDArray[np.float64]
LaneNumbers = NDArray[np.intp]


@dataclass(frozen=True)
class DriftNotice:
    """The rows of an entity have come to differ from training."""

    row: int
    """Number of the last settled row."""
    drift: Drift
    entity: str = ""


class DriftWatch:
    """Counts rows as they come in and scores as they settle, and tells of drift once it is there.

    Parameters
    ----------
    scores
        Scores of calibration rows, from `tsae.alarms.drift.score_reference`.
    settled
        The thresholds of settled scores.
    arrays
        Where what is remembered of each entity stands, by its lane.
    """

    def __init__(self, model: FittedModel, scores: Reference, settled: FollowingThreshold, arrays: Rings) -> None:
        self._channels, self._settled, self._arrays = model.channels, settled, arrays
        self._inputs = DistributionWatch(model.inputs, arrays=arrays, name="drift.inputs.")
        self._scores = DistributionWatch(scores, arrays=arrays, name="drift.scores.")
        arrays.add("drift.n_settled", (), np.int64)
        arrays.add("drift.drifts", (), np.bool_)

    def take_row(self, lane: int, values: FloatArray) -> None:
        """The next row `(n_channels,)` of a lane."""
        self._inputs.push_row(values, lane)

    def take_rows(self, lanes: LaneNumbers, values: FloatArray) -> None:
        """The next row of each lane, `(m, n_channels)`; no lane twice."""
        self._inputs.push_rows(lanes, values)

    def take_score(self, lane: int, judged: float) -> Drift | None:
        """The score of the next settled row; returns the drift if there is some that was not there before."""
        self._scores.push_row(judged, lane)
        n_settled = int(self._arrays["drift.n_settled"][lane]) + 1
        self._arrays["drift.n_settled"][lane] = n_settled
        return None if n_settled % BLOCK else self._look(np.array([lane])).get(0)

    def take_scores(self, lanes: LaneNumbers, judged: FloatArray) -> dict[int, Drift]:
        """The same for each lane, `(m,)`; drifts by their place among the lanes."""
        self._scores.push_rows(lanes, judged[:, None])
        n_settled = self._arrays["drift.n_settled"][lanes] + 1
        self._arrays["drift.n_settled"][lanes] = n_settled
        due = np.flatnonzero(n_settled % BLOCK == 0)
        if not len(due):
            return {}
        return {int(due[place]): drift for place, drift in self._look(lanes[due]).items()}

    def drifts(self, lanes: LaneNumbers) -> list[Drift]:
        """Where rows and scores are now."""
        last = self._settled.values(lanes).tolist()
        return drifts_of(self._scores, self._inputs, self._channels, lanes, first=self._settled.first, last=last)

    def n_drifting(self) -> int:
        """Entities whose drift was there when it was looked for last, after every 500 settled rows."""
        return int(self._arrays["drift.drifts"][: self._arrays.n_lanes].sum())

    def _look(self, lanes: LaneNumbers) -> dict[int, Drift]:
        """Look for drift; return what was not there before, by the place of its lane."""
        found = self.drifts(lanes)
        before, now = self._arrays["drift.drifts"][lanes], np.array([bool(drift.verdict) for drift in found])
        self._arrays["drift.drifts"][lanes] = now
        return {place: found[place] for place in np.flatnonzero(now & ~before).tolist()}
