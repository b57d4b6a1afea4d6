"""One entity's rows to scores, labels, errors and events, part by part or as a `Detection`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.alarms.distributions import DistributionWatch
from tsae.alarms.drift import Drift, drift_of, score_reference, watch_latest
from tsae.alarms.events.event import Event
from tsae.alarms.events.evidence import RowBlock, TrackedEvent
from tsae.alarms.events.explain import EventFinder, Labels, PeakView
from tsae.alarms.events.peak import peak_rows, view_peak
from tsae.alarms.events.rules import EventRules
from tsae.alarms.events.tracking import join_levels
from tsae.alarms.thresholds import StandingThreshold, adaptive_threshold
from tsae.detection.inputs import Entity
from tsae.detection.result import Detection
from tsae.model.fitted import FittedModel
from tsae.scoring.tails import fit_log_tail
from tsae.scoring.whole_series import grid_parts
from tsae.series.grid import GridSeries

__all__ = ["DetectedRows", "DetectionRun"]

FloatArray = NDArray[np.float64]


class DetectedRows(NamedTuple):
    """Consecutive rows of an entity, scored and judged."""

    rows: slice
    """Which ones."""
    scores: FloatArray
    """`(n,)`, higher = more anomalous."""
    judged: FloatArray
    """The scores that are held against the thresholds, `(n,)`."""
    thresholds: FloatArray
    """`(n,)`."""
    labels: NDArray[np.bool_]
    """Whether rows are flagged, `(n,)`; blocked ones never are."""
    p_values: FloatArray
    """About the share of normal rows with a higher judged score, `(n,)`."""
    errors: NDArray[np.float32]
    """In usual errors, `(n, n_channels)`, NaN where missing."""


class DetectionRun:
    """Works off an entity's rows, laid out on `grid`, part by part: scores, thresholds and events do not look ahead.

    Besides the table itself, memory does not grow with its length, unless the model has a label classifier, which
    looks at whole tables.
    """

    def __init__(
        self, model: FittedModel, entity: Entity, grid: GridSeries, rules: EventRules, *, name: str, adapt: bool
    ) -> None:
        self._model, self._entity, self._grid, self._name = model, entity, grid, name
        self._of_rows = model.thresholds.judged == "unsmoothed"
        calibration = model.thresholds.judged_of(model.calibration)
        self._static, self._tail = model.thresholds.used.value, fit_log_tail(calibration)
        following = adaptive_threshold(model.thresholds, calibration) if adapt else None
        self._following = following or StandingThreshold(self._static)
        self._finder = EventFinder(rules, self._labels(), join_levels(model.ensemble.scaler), self._view(rules))
        self._seen = DistributionWatch(score_reference(calibration))

    @property
    def index(self) -> pd.Index:
        """Of the rows, `(n_timesteps,)`."""
        return self._entity.index

    def parts(self) -> Iterator[DetectedRows]:
        """All rows in order, none twice; to be gone through once."""
        blocked_rows, of_rows = self._entity.excluded, self._of_rows
        for part in grid_parts(self._model.ensemble, self._grid, lag=self._model.lag):
            rows = slice(part.start, part.start + len(part.scores))
            judged = part.unsmoothed if of_rows else part.scores
            blocked = np.zeros(len(judged), dtype=bool) if blocked_rows is None else blocked_rows[rows]
            thresholds = np.full(len(judged), self._static)
            thresholds[~blocked] = self._following.thresholds(judged[~blocked])
            self._seen.push(judged[~blocked, None])
            block = RowBlock(np.arange(rows.start, rows.stop), judged, thresholds, part.errors, blocked)
            self._finder.take(block, ends_segment=part.ends_segment)
            if len(judged):
                labels, p_values = (judged > thresholds) & ~blocked, np.exp(-self._tail(judged))
                yield DetectedRows(rows, part.scores, judged, thresholds, labels, p_values, part.errors)

    @property
    def events(self) -> tuple[Event, ...]:
        """Of the parts so far, in time order."""
        return self._finder.events

    @property
    def drift(self) -> Drift:
        """How far the rows are from training, once all parts are there."""
        following, entity = self._following, self._entity
        return drift_of(
            self._seen,
            watch_latest(self._model.inputs, entity.values, entity.excluded),
            self._model.channels,
            first=following.first,
            last=following.value(),
        )

    def whole(self) -> Detection:
        """All of it."""
        return self.detection(self.parts())

    def detection(self, parts: Iterable[DetectedRows]) -> Detection:
        """All that `parts` gave, together."""
        n_rows = len(self.index)
        numbers = {name: np.empty(n_rows) for name in ("scores", "judged", "thresholds", "p_values")}
        labels = np.empty(n_rows, dtype=bool)
        errors = np.empty((n_rows, len(self._model.channels)), dtype=np.float32)
        for part in parts:
            labels[part.rows], errors[part.rows] = part.labels, part.errors
            for name, values in numbers.items():
                values[part.rows] = getattr(part, name)
        names = {"scores": "score", "judged": "unsmoothed_score" if self._of_rows else "score"}
        names |= {"thresholds": "threshold", "p_values": "p_value"}
        series = {
            name: pd.Series(values, index=self.index, name=names[name], copy=False) for name, values in numbers.items()
        }
        return Detection(
            **series,
            threshold=self._static,
            labels=pd.Series(labels, index=self.index, name="label"),
            errors=pd.DataFrame(errors, index=self.index, columns=list(self._model.channels), copy=False),
            events=self.events,
            entity=self._name,
            drift=self.drift,
        )

    def _labels(self) -> Labels:
        model = self._model
        return Labels(
            *(model.channels, model.units, model.period, self._name),
            time_of=lambda moment: self.index[moment.row],
            p_value_of=self._tail.p_value,
        )

    def _view(self, rules: EventRules) -> Callable[[TrackedEvent], PeakView]:
        model = self._model

        def view(event: TrackedEvent) -> PeakView:
            rows = peak_rows(model.ensemble, self._grid, event, rules=rules, lag=model.lag)
            return view_peak(model.ensemble, rows, self._entity.values[event.peak.row])

        return view
