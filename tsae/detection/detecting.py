"""One entity's rows to a `Detection`: scores, labels, errors and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsae.detection.distributions import Reference
from tsae.detection.drift import drift_between
from tsae.detection.events.event import Event
from tsae.detection.events.evidence import TrackedEvent
from tsae.detection.events.explain import Labels, PeakView, ScoredSeries, make_events
from tsae.detection.events.peak import peak_rows, view_peak
from tsae.detection.events.rules import EventRules
from tsae.detection.events.tracking import join_levels
from tsae.detection.inputs import Entity
from tsae.detection.result import Detection
from tsae.detection.scoring.calibration import LogTail, fit_log_tail
from tsae.detection.scoring.engine import ScoreModel
from tsae.detection.scoring.whole_series import CalibrationScores, score_grid
from tsae.detection.thresholds import ThresholdSet, adaptive_threshold
from tsae.series.grid import GridSeries

__all__ = ["DetectorFacts", "detect_entity"]


@dataclass(frozen=True)
class DetectorFacts:
    """What a fitted detector knows that its detections need."""

    model: ScoreModel
    lag: int
    thresholds: ThresholdSet
    calibration: CalibrationScores
    channels: Sequence[str]
    units: Mapping[str, str]
    period: float | None
    inputs: Reference | None
    """How the channels were distributed in training."""


def detect_entity(
    facts: DetectorFacts, entity: Entity, grid: GridSeries, rules: EventRules, *, name: str, adapt: bool
) -> Detection:
    """Score an entity's rows, laid out on `grid`, flag those above their threshold and group them into events."""
    scores, unsmoothed, errors = score_grid(facts.model, grid, lag=facts.lag, with_errors=True)
    blocked = np.zeros(len(scores), dtype=bool) if entity.excluded is None else entity.excluded
    of_rows = facts.thresholds.judged == "unsmoothed"
    judged, calibration = (unsmoothed, facts.calibration.unsmoothed) if of_rows else (scores, facts.calibration.settled)
    thresholds = np.full(len(scores), facts.thresholds.used.value)
    adaptive = adaptive_threshold(facts.thresholds, calibration) if adapt else None
    if adaptive is not None:
        thresholds[~blocked] = adaptive.thresholds(judged[~blocked])
    table = pd.DataFrame(errors, index=entity.index, columns=list(facts.channels), copy=False)
    series = ScoredSeries(
        scores=judged,
        thresholds=thresholds,
        errors=table.to_numpy(),
        blocked=blocked,
        segments=np.searchsorted(grid.starts, grid.rows, side="right"),
    )
    tail = fit_log_tail(calibration)
    return Detection(
        scores=pd.Series(scores, index=entity.index, name="score"),
        threshold=facts.thresholds.used.value,
        labels=pd.Series((judged > thresholds) & ~blocked, index=entity.index, name="label"),
        errors=table,
        events=_events(facts, entity, grid, series, rules, name=name, tail=tail),
        entity=name,
        judged=pd.Series(judged, index=entity.index, name="unsmoothed_score" if of_rows else "score"),
        thresholds=pd.Series(thresholds, index=entity.index, name="threshold"),
        p_values=pd.Series(np.exp(-tail(judged)), index=entity.index, name="p_value"),
        drift=drift_between(
            *(judged[~blocked], calibration),
            first=facts.thresholds.used.value if adaptive is None else adaptive.first,
            last=facts.thresholds.used.value if adaptive is None else adaptive.value(),
            values=entity.values[~blocked],
            inputs=facts.inputs,
            channels=facts.channels,
        ),
    )


def _events(
    facts: DetectorFacts,
    entity: Entity,
    grid: GridSeries,
    series: ScoredSeries,
    rules: EventRules,
    *,
    name: str,
    tail: LogTail,
) -> tuple[Event, ...]:
    labels = Labels(
        *(facts.channels, facts.units, facts.period, name),
        time_of=lambda moment: entity.index[moment.row],
        p_value_of=tail.p_value,
    )

    def view(event: TrackedEvent) -> PeakView:
        rows = peak_rows(facts.model, grid, event, rules=rules, lag=facts.lag)
        return view_peak(facts.model, rows, entity.values[event.peak.row])

    return make_events(series, rules, labels, join_levels(facts.model.scaler), view)
