"""One entity's rows to a `Detection`: scores, labels, errors and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsae.detection.engine import ScoreModel
from tsae.detection.explain import EventRules, ScoredSeries, make_events
from tsae.detection.inputs import Entity
from tsae.detection.result import Detection
from tsae.detection.scoring import expected_at, score_grid
from tsae.series.grid import GridSeries

__all__ = ["DetectorFacts", "detect_entity"]


@dataclass(frozen=True)
class DetectorFacts:
    """What a fitted detector knows that its detections need."""

    model: ScoreModel
    lag: int
    threshold: float
    channels: Sequence[str]
    units: Mapping[str, str]
    period: float | None


def detect_entity(facts: DetectorFacts, entity: Entity, grid: GridSeries, rules: EventRules, *, name: str) -> Detection:
    """Score an entity's rows, laid out on `grid`, flag those above the threshold and group them into events."""
    scores, _, errors = score_grid(facts.model, grid, lag=facts.lag, with_errors=True)
    flags = scores > facts.threshold
    if entity.excluded is not None:
        flags &= ~entity.excluded
    table = pd.DataFrame(errors, index=entity.index, columns=list(facts.channels), copy=False)
    series = ScoredSeries(
        index=entity.index,
        values=entity.values,
        scores=scores,
        errors=table.to_numpy(),
        flags=flags,
        segments=np.searchsorted(grid.starts, grid.rows, side="right"),
        threshold=facts.threshold,
        names=list(facts.channels),
        units=facts.units,
        period=facts.period,
        entity=name,
    )
    return Detection(
        scores=pd.Series(scores, index=entity.index, name="score"),
        threshold=facts.threshold,
        labels=pd.Series(flags, index=entity.index, name="label"),
        errors=table,
        events=make_events(series, rules, lambda row: expected_at(facts.model, grid, row)),
        entity=name,
    )
