"""New calibration scores, and thresholds from them, for a detector that stays as it is otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tsae.detection.detector import AnomalyDetector
from tsae.detection.scoring.whole_series import CalibrationScores, score_grid
from tsae.errors import ParameterError

__all__ = ["recalibrate_detector"]


def recalibrate_detector(
    detector: Any,
    tables: Sequence[Any],
    excluded: Sequence[Any] | None = None,
    *,
    threshold: str = "pot",
    false_alarm_rate: float | str | None = None,
) -> None:
    """Learn all thresholds from the scores of normal rows that the detector has not been trained on.

    Parameters
    ----------
    tables
        Tables `(n_timesteps, n_channels)` of normal operation, in time order each.
    excluded
        Masks of rows to leave out, or `None`, one a table.

    Raises
    ------
    ParameterError
        If the detector is one of images.
    """
    if not isinstance(detector, AnomalyDetector):
        raise ParameterError(f"`detector` (={type(detector).__name__}) scores no series; pass an AnomalyDetector")
    parts: list[list[Any]] = [[] for _ in CalibrationScores._fields]
    for entity in detector._checked(list(tables), None if excluded is None else list(excluded))[0]:
        grid = detector._grid(entity)
        settled, immediate = (score_grid(detector.model_, grid, lag=lag) for lag in (detector.lag_, 0))
        used = slice(None) if entity.excluded is None else ~entity.excluded
        scores = (settled.scores, immediate.scores, settled.unsmoothed, immediate.unsmoothed)
        for part, each in zip(parts, scores, strict=True):
            part.append(each[used])
    detector.calibration_ = CalibrationScores(*map(np.concatenate, parts))
    rate = detector.thresholds_.settled.budget or None if false_alarm_rate is None else false_alarm_rate
    detector.set_threshold(threshold, false_alarm_rate=rate)
