"""What a detector returns for a table, and how it comes to it: scores, labels, errors and events, part by part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.alarms.decider import Decider
from tsae.alarms.drift import Drift
from tsae.alarms.event import Event, Naming, as_event, peak_rows, state_now, view_peak
from tsae.alarms.rules import EventRules, severities
from tsae.alarms.tracking import TrackedEvent, join_levels
from tsae.detection.inputs import Entity
from tsae.model.fitted import FittedModel
from tsae.scoring.whole_series import grid_parts
from tsae.series.grid import GridSeries

__all__ = ["DetectedRows", "Detection", "DetectionRun", "ImageDetection", "image_detection"]


@dataclass(frozen=True)
class Detection:
    """Scores, labels and events of one series; every index equals the index of the scored table."""

    scores: pd.Series
    """Anomaly score per row, `(n_timesteps,)`; higher = more anomalous."""
    threshold: float
    """The static threshold that was learned in fitting."""
    labels: pd.Series
    """Whether a row is flagged, boolean; rows that are excluded, or in which the plant is off, never are."""
    errors: pd.DataFrame
    """Error per row and sensor, `(n_timesteps, n_channels)`, divided by the sensor's normal error: 1 is usual."""
    events: tuple[Event, ...]
    """In time order."""
    entity: str = ""
    judged: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    """The score that is held against the threshold: for budgets of rows the unsmoothed one, otherwise `scores`."""
    thresholds: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    """The threshold of each row; it follows what came before the row, unless adaptation is off."""
    p_values: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    """About the share of normal rows with a higher `judged` score, in (0, 1]."""
    drift: Drift | None = None
    """How far scores and threshold are from those of training."""
    n_uncovered: int = 0
    """Rows that no full window covers, as at the ends of segments; they have scores, but are never flagged."""
    n_held_back: int = 0
    """Events that were not reported because they look like what people called false alarms."""
    n_off: int = 0
    """Rows in which the plant was off, by the condition that `fit` was given; they are scored, and never alarm."""

    @property
    def state(self) -> tuple[str, Any]:
        """State at the last row and since when: "alarm", "changed" (a lasting change ended an event) or "quiet"."""
        return state_now(self.events, is_flagged=len(self.labels) > 0 and bool(self.labels.iloc[-1]))

    @property
    def row_scores(self) -> pd.Series:
        """The score of each row that is held against the threshold, also where only `scores` are known."""
        return self.judged if len(self.judged) else self.scores

    @property
    def row_thresholds(self) -> NDArray[np.float64]:
        """The threshold of each row, `(n_timesteps,)`, also where only the static one is known."""
        if len(self.thresholds):
            return self.thresholds.to_numpy(dtype=np.float64)
        return np.full(len(self.scores), self.threshold)

    @property
    def severities(self) -> pd.Series:
        """0–100 per row, the same for every model and number of sensors: 50 at the row's threshold."""
        scores = self.row_scores
        values = severities(scores.to_numpy(dtype=np.float64), self.row_thresholds)
        return pd.Series(values, index=scores.index, name="severity")


FloatArray = NDArray[np.float64]
_ROWS_AT_ONCE = 65_536  # of the table, compared with training


class DetectedRows(NamedTuple):
    """Consecutive rows of an entity with their scores and labels."""

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
        window = model.ensemble.longest.window_size
        self.n_uncovered = 0
        """Rows so far that no full window covers; they are never flagged."""
        rules.check_sensors(model.channels)
        rules.check_times(entity.index.tz is not None if isinstance(entity.index, pd.DatetimeIndex) else None)
        self._decider = Decider(
            model.thresholds,
            model.calibration,
            inputs=model.inputs,
            channels=model.channels,
            joins=join_levels(model.ensemble.scaler),
            rules=rules.for_window(window),
            window_size=window,
            adapt=adapt,
            lessons=model.lessons,
        )
        self._tail = self._decider.tails["settled"]
        naming = Naming(
            *(model.channels, model.units, model.period, name),
            time_of=lambda moment: entity.index[moment.row],
            p_value_of=self._tail.p_value,
        )
        self._decider.watch(_TableEvents(model, entity, grid, naming))
        self._events: list[Event] = []

    @property
    def index(self) -> pd.Index:
        """Of the rows, `(n_timesteps,)`."""
        return self._entity.index

    def parts(self) -> Iterator[DetectedRows]:
        """All rows in order, none twice; to be gone through once."""
        blocked_rows, is_smoothed = self._entity.excluded, self._decider.judges_smoothed
        for part in grid_parts(self._model.ensemble, self._grid, lag=self._model.lag):
            rows = slice(part.start, part.start + len(part.scores))
            judged = part.scores if is_smoothed else part.unsmoothed
            blocked = ~part.covered
            self.n_uncovered += int(blocked.sum())
            if blocked_rows is not None:
                blocked |= blocked_rows[rows]
            thresholds, labels, changes, _ = self._decider.settle_run(
                *(0, rows.start, np.arange(rows.start, rows.stop), judged, part.errors),
                blocked=blocked,
                ends_segment=part.ends_segment,
            )
            self._events += [change.event for change in changes]
            if len(judged):
                p_values = np.exp(-self._tail(judged))
                yield DetectedRows(rows, part.scores, judged, thresholds, labels, p_values, part.errors)
        for first in range(0, len(self._entity.values), _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE)
            values = self._entity.values[rows]
            self._decider.observe_table(values if blocked_rows is None else values[~blocked_rows[rows]])

    @property
    def events(self) -> tuple[Event, ...]:
        """Of the parts so far, in time order."""
        return tuple(sorted(self._events, key=lambda event: (event.start, event.escalates != "")))

    @property
    def n_held_back(self) -> int:
        """Events so far that were not reported because they look like false alarms."""
        return self._decider.events[0].n_held_back

    @property
    def n_off(self) -> int:
        """Rows in which the plant is off, which never alarm."""
        return 0 if self._entity.off is None else int(self._entity.off.sum())

    @property
    def drift(self) -> Drift:
        """How far the rows are from training, once all parts are there."""
        (drift,) = self._decider.drifts(np.zeros(1, dtype=np.intp))
        return drift

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
        names = {"scores": "score", "judged": "score" if self._decider.judges_smoothed else "unsmoothed_score"}
        names |= {"thresholds": "threshold", "p_values": "p_value"}
        series = {
            name: pd.Series(values, index=self.index, name=names[name], copy=False) for name, values in numbers.items()
        }
        return Detection(
            **series,
            threshold=self._model.thresholds.used.value,
            labels=pd.Series(labels, index=self.index, name="label"),
            errors=pd.DataFrame(errors, index=self.index, columns=list(self._model.channels), copy=False),
            events=self.events,
            entity=self._name,
            drift=self.drift,
            n_uncovered=self.n_uncovered,
            n_held_back=self.n_held_back,
            n_off=self.n_off,
        )


@dataclass(frozen=True)
class _TableEvents:
    """Describes the events of one entity by the rows of its table."""

    model: FittedModel
    entity: Entity
    grid: GridSeries
    naming: Naming

    def hold(self, peaks: list[int]) -> None:
        """All rows are there."""

    def describe(self, event: TrackedEvent, *, ended: bool) -> Event:
        ensemble = self.model.ensemble
        rows = peak_rows(ensemble, self.grid, event, lag=self.model.lag)
        view = view_peak(ensemble, rows, self.entity.values[event.peak.row])
        return as_event(event, self.naming, view, ended=ended)


@dataclass(frozen=True)
class ImageDetection:
    """Names, scores, labels and severities of `n` pictures, in the order they were passed."""

    names: tuple[str, ...]
    """File names, or numbers from "0" on where the pictures had none."""
    scores: NDArray[np.float64]
    """`(n,)`, higher = more anomalous."""
    threshold: float
    """Pictures whose score exceeds it are flagged."""
    labels: NDArray[np.bool_]
    """Whether a picture is flagged, `(n,)`."""
    severities: NDArray[np.float64]
    """0–100, `(n,)`: 50 at the threshold, 75 at three times it, towards 100 far above."""

    @property
    def worst_first(self) -> NDArray[np.intp]:
        """Numbers of the pictures `(n,)`, the highest score first."""
        return np.argsort(-self.scores, kind="stable")


def image_detection(scores: NDArray[np.float64], threshold: float, names: tuple[str, ...]) -> ImageDetection:
    """Scores `(n,)` against a threshold."""
    return ImageDetection(names, scores, threshold, scores > threshold, severities(scores, threshold))
