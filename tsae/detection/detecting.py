"""One entity's rows to a `Detection`: scores, labels, errors and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsae.detection.engine import ScoreModel
from tsae.detection.explain import Labels, PeakView, ScoredSeries, make_events
from tsae.detection.inputs import Entity
from tsae.detection.peak import blame_for
from tsae.detection.result import Detection
from tsae.detection.rules import EventRules
from tsae.detection.scoring import expected_at, score_grid
from tsae.detection.tracking import join_levels
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
    blocked = np.zeros(len(scores), dtype=bool) if entity.excluded is None else entity.excluded
    table = pd.DataFrame(errors, index=entity.index, columns=list(facts.channels), copy=False)
    series = ScoredSeries(
        scores=scores,
        thresholds=np.full(len(scores), facts.threshold),
        errors=table.to_numpy(),
        blocked=blocked,
        segments=np.searchsorted(grid.starts, grid.rows, side="right"),
    )
    labels = Labels(facts.channels, facts.units, facts.period, name, time_of=lambda moment: entity.index[moment.row])
    joins = join_levels(facts.model.scaler)
    return Detection(
        scores=pd.Series(scores, index=entity.index, name="score"),
        threshold=facts.threshold,
        labels=pd.Series((scores > facts.threshold) & ~blocked, index=entity.index, name="label"),
        errors=table,
        events=make_events(
            series,
            rules,
            labels,
            joins,
            lambda event: PeakView(
                entity.values[event.peak.row],
                expected_at(facts.model, grid, event.peak.row),
                blame_for(facts.model, grid, event),
            ),
        ),
        entity=name,
    )
