"""What a stream answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.detection.events.rules import severity
from tsae.detection.scoring.calibration import LogTail
from tsae.streaming.drift_watch import DriftNotice
from tsae.streaming.event_watch import EventChange

__all__ = ["RowScore", "StreamScores"]


@dataclass(slots=True)
class RowScore:
    """One row's score."""

    row: int
    """Number of the row among those of its entity, from 0; dropped rows do not count."""
    timestamp: Any
    """Its time as it was handed in."""
    score: float
    """Higher = more anomalous, in units of −log p."""
    label: bool
    """Whether the score exceeds its threshold; false for immediate scores while the entity warms up."""
    judged: float
    """The score that is held against the threshold: for budgets of rows the unsmoothed one, otherwise `score`."""
    threshold: float
    """That of the row, which may follow the rows before."""
    tail: LogTail = field(compare=False, repr=False)
    """`judged` scores of normal rows."""
    errors: NDArray[np.float64] | None = field(default=None, compare=False)
    """Of a settled score: error of each channel in usual errors, `(n_channels,)`, NaN where missing."""
    entity: str = ""

    @property
    def p_value(self) -> float:
        """About the share of normal rows with a higher `judged` score, in (0, 1]."""
        return self.tail.p_value(self.judged)

    @property
    def severity(self) -> float:
        """0–100, the same for every model and number of sensors: 50 at the threshold."""
        return severity(self.judged, self.threshold)


class StreamScores(NamedTuple):
    """What one call brought."""

    immediate: tuple[RowScore, ...] = ()
    """Scores at lag 0 of the rows just taken, in their order; a dropped row has none, one that waits to be put in
    order gets it later."""
    settled: tuple[RowScore, ...] = ()
    """Scores of the oldest rows not yet returned; of each entity no row comes twice, none is left out."""
    dropped: tuple[int, ...] = ()
    """Places of rows among those handed in that were dropped, because they were late or repeated."""
    events: tuple[EventChange, ...] = ()
    """What happened to events, which are made of settled rows."""
    drifts: tuple[DriftNotice, ...] = ()
    """Entities that have come to differ from training, told once until they no longer do."""
