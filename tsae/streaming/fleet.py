"""All that a stream remembers of its entities, and what a row of some of them changes.

What every row needs stands in arrays, a lane for each entity, so that a row of each of many entities is taken by
operations on arrays. What few rows need, such as an open event, has an object for each entity. A single row takes
plain numbers from the same arrays: operations on arrays of one cost many times as much.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.drift import Drift, score_reference
from tsae.alarms.events.peak import peak_reach
from tsae.alarms.events.rules import EventRules
from tsae.alarms.events.tracking import join_levels
from tsae.model.fitted import FittedModel
from tsae.scoring.rings import Rings
from tsae.scoring.scorer import Scorer, Step
from tsae.streaming.clock import EntityClock, StreamCounts
from tsae.streaming.collecting import Collector
from tsae.streaming.describing import EventWriter
from tsae.streaming.drift_watch import DriftWatch
from tsae.streaming.entity import Entity
from tsae.streaming.event_watch import EventChange, EventWatch
from tsae.streaming.latest_rows import UNNUMBERED, LatestRows
from tsae.streaming.levels import judged_kinds, make_levels
from tsae.streaming.recent import RecentRows
from tsae.streaming.row_scores import RowScore, ScoreColumns, StreamScores
from tsae.streaming.rows import FILLED, Rows

__all__ = ["Fleet", "Zone"]

FloatArray = NDArray[np.float64]
LaneNumbers = NDArray[np.intp]


class Zone(IntEnum):
    """What is known of an entity's times."""

    NO_TIMES = 0
    """Its rows have none, or it has no rows."""
    LOCAL = 1
    """They carry no time zone."""
    ZONED = 2


class Fleet:
    """See the module.

    Parameters
    ----------
    lag
        Rows a settled score may wait for.
    rules
        What makes an event.
    adapt
        Whether thresholds follow each entity's rows.

    Attributes
    ----------
    lanes : Scorer
        The networks' memory of each entity's segment; `lanes.rings` also hold its latest rows.
    lasting : Rings
        What outlives segments.
    entities : list of Entity
        By lane.
    lane_of : dict
        The lanes of their names.
    warm_up : int
        Rows at the start of a segment whose immediate scores are not labelled.
    """

    def __init__(self, model: FittedModel, *, lag: int, reorder: int, rules: EventRules, adapt: bool) -> None:
        self.model, self._reorder, self._rules = model, reorder, rules
        # A score that waits for less than the full lag is an immediate score of a few rows later.
        kinds = judged_kinds(model, own_lag=lag in (model.lag, model.ensemble.full_lag))
        self.tails = {name: model.tail(kind) for name, kind in kinds.items()}
        self._judges_smoothed = model.thresholds.judged == "smoothed"
        self.warm_up = max(member.window_size for member in model.ensemble.members) - 1
        self.counts = StreamCounts()
        self.lanes, self.lasting = Scorer(model.ensemble, lag=lag), Rings()
        self.levels = make_levels(model, kinds, self.lasting, adapt=adapt)
        scores = score_reference(getattr(model.calibration, kinds["settled"]))
        self.drift = DriftWatch(model, scores, self.levels.settled, self.lasting)
        self.lasting.add("n_rows", (), np.int64)
        self.lasting.add("has_event", (), np.bool_)
        self.lasting.add("zone", (), np.int8)
        self.lasting.add("name", (), np.object_, empty="")
        self._reach, self._joins = peak_reach(model.ensemble), join_levels(model.ensemble.scaler)
        n_pending = max(rules.merge_gap, rules.enter_within) + 1  # settled rows, each after a bridged gap
        waiting = self.lanes.delay + n_pending * (model.max_fill + 1)
        self.rows = LatestRows(
            self.lanes.rings,
            len(model.channels),
            delay=self.lanes.delay,
            length=self._reach + max(self._reach, waiting) + 1,
        )
        self.entities: list[Entity] = []
        self.lane_of: dict[str, int] = {}

    def open(self, name: str) -> Entity:
        """A further entity, without rows."""
        lane = self.lanes.open()
        self.lasting.open()
        return self.adopt(name, lane)

    def adopt(self, name: str, lane: int) -> Entity:
        """The entity of a lane that is there, the next one in order."""
        clock = EntityClock(self.model.period, self.model.max_fill, self._reorder, self.counts)
        recent = RecentRows(self.rows, lane, reach=self._reach)
        writer = EventWriter(self.model, self.tails["settled"], name, clock)
        self.lasting["name"][lane] = name
        entity = Entity(name, lane, clock, EventWatch(self._rules, self._joins, recent, writer), recent)
        self.entities.append(entity)
        self.lane_of[name] = lane
        return entity

    def n_rows(self, lane: int) -> int:
        """Rows of a lane so far that were scored, in all segments."""
        return int(self.lasting["n_rows"][lane])

    def drifts(self, lane: int) -> Drift:
        """How far a lane's rows have moved from training."""
        (drift,) = self.drift.drifts(np.array([lane]))
        return drift

    def take_one(self, lane: int, values: FloatArray, time: int | None, stamp: Any, out: Collector) -> RowScore:
        """Take the next row of one lane, `(n_channels,)`; return its immediate score."""
        is_warm = self.lanes.n_rows(lane) >= self.warm_up
        step = self.lanes.push_row(lane, values)
        number = self.n_rows(lane)
        self.lasting["n_rows"][lane] = number + 1
        self.counts.n_rows += 1
        self.rows.put(lane, values, number, number if time is None else time, stamp)
        self.drift.take_row(lane, values)
        judged = step.immediate if self._judges_smoothed else step.immediate_unsmoothed
        levels, name = self.levels.immediate, self.entities[lane].name
        threshold = levels.next(judged, lane) if is_warm else levels.value(lane)
        if step.is_settled:
            own = step.settled if self._judges_smoothed else step.unsmoothed
            self._settle_one(lane, self.lanes.delay, step.settled, own, step.errors, out)
        is_alarm, tail = is_warm and judged > threshold, self.tails["immediate"]
        return RowScore(number, stamp, step.immediate, is_alarm, judged, threshold, tail, None, name)

    def take_alone(self, lane: int, values: FloatArray, time: int | None, stamp: Any) -> StreamScores:
        """Take the next row of one lane; return all that it brings."""
        out = Collector()
        out.take_one(self.take_one(lane, values, time, stamp, out))
        return out.scores()

    def take(self, lanes: LaneNumbers, rows: Rows, places: NDArray[np.int64], out: Collector) -> None:
        """Take a row of each lane, no lane twice.

        Parameters
        ----------
        places
            Where they stand in `rows`, `(m,)`; `FILLED` for a row where nothing is known.
        """
        is_row = places != FILLED
        is_all = bool(is_row.all())
        n_rows = self.lasting["n_rows"]
        numbers = n_rows[lanes] if is_all else np.where(is_row, n_rows[lanes], UNNUMBERED)
        is_warm = self.lanes.rings["n_rows"][lanes] >= self.warm_up
        step = self.lanes.push(lanes, rows.values[places][:, None])
        self.rows.put_each(lanes, rows.values[places], numbers, rows.times_of(places, numbers), rows.stamps[places])
        chosen = slice(None) if is_all else np.flatnonzero(is_row)
        n_rows[lanes[chosen]] += 1
        self.counts.n_rows += int(is_row.sum())
        judged = step.immediate if self._judges_smoothed else step.immediate_unsmoothed
        self._answer(lanes[chosen], rows, places[chosen], is_warm[chosen], step.immediate[chosen], judged[chosen], out)
        self._settle(lanes, step, out)

    def take_context(self, lanes: LaneNumbers, values: FloatArray) -> None:
        """Take a row of each lane `(m, n_channels)` that only stands before those to be scored."""
        unknown = np.full(len(lanes), UNNUMBERED)
        self.lanes.push(lanes, values[:, None])
        self.rows.put_each(lanes, values, unknown, unknown, np.full(len(lanes), None))

    def end(self, lane: int, out: Collector) -> None:
        """End a lane's segment: its rows that wait are settled."""
        flushed, entity = self.lanes.flush(lane), self.entities[lane]
        judged = flushed.settled if self._judges_smoothed else flushed.unsmoothed
        n_left = len(judged)
        for place, (score, own) in enumerate(zip(flushed.settled.tolist(), judged.tolist(), strict=True)):
            self._settle_one(lane, n_left - 1 - place, score, own, flushed.errors[place], out)
        self._tell(lane, entity.events.end_segment(), out)
        entity.recent.clear()
        self.lanes.restart(lane)

    def _answer(
        self,
        lanes: LaneNumbers,
        rows: Rows,
        places: NDArray[np.int64],
        is_warm: NDArray[np.bool_],
        scores: FloatArray,
        judged: FloatArray,
        out: Collector,
    ) -> None:
        """Immediate scores of the rows just taken."""
        self.drift.take_rows(lanes, rows.values[places])
        levels = self.levels.immediate
        if is_warm.all():
            thresholds = levels.next_of(lanes, judged)
        else:
            thresholds = levels.values(lanes)
            thresholds[is_warm] = levels.next_of(lanes[is_warm], judged[is_warm])
        numbers, names = self.lasting["n_rows"][lanes] - 1, self.lasting["name"][lanes]
        about = (is_warm & (judged > thresholds), judged, thresholds, names, None, self.tails["immediate"])
        out.take(ScoreColumns(numbers, rows.stamps[places], scores, *about), places)

    def _settle(self, lanes: LaneNumbers, step: Step, out: Collector) -> None:
        """Settled scores of the rows of lanes that have waited long enough."""
        numbers, times, stamps = self.rows.settled_each(lanes)
        places = np.flatnonzero(step.is_settled & (numbers != UNNUMBERED))
        if not len(places):
            return
        lanes = lanes[places]
        own = (step.settled if self._judges_smoothed else step.unsmoothed)[places]
        thresholds, names = self.levels.settled.next_of(lanes, own), self.lasting["name"][lanes]
        errors = step.errors[places]
        about = (step.settled[places], own > thresholds, own, thresholds, names, errors)
        found = ScoreColumns(numbers[places], stamps[places], *about, self.tails["settled"])
        out.settle(found)
        for place, drift in self.drift.take_scores(lanes, own).items():
            out.drifts(int(found.row[place]), drift, names[place])
        watched = found.label | self.lasting["has_event"][lanes]
        chosen = np.arange(len(lanes)) if self._rules.enter_within > 1 else np.flatnonzero(watched)
        for place in chosen.tolist():
            lane, row, time = int(lanes[place]), int(found.row[place]), int(times[places[place]])
            self._watch(lane, row, time, float(own[place]), float(thresholds[place]), errors[place], out)

    def _settle_one(
        self, lane: int, n_later: int, score: float, own: float, errors: FloatArray, out: Collector
    ) -> None:
        """The settled score of the row of a lane that so many rows have followed."""
        number, time, stamp = self.rows.settled(lane, n_later)
        if number == UNNUMBERED:
            return
        threshold, name = self.levels.settled.next(own, lane), self.entities[lane].name
        is_alarm, tail = own > threshold, self.tails["settled"]
        out.settle_one(RowScore(number, stamp, score, is_alarm, own, threshold, tail, errors, name))
        if (drift := self.drift.take_score(lane, own)) is not None:
            out.drifts(number, drift, name)
        if is_alarm or self._rules.enter_within > 1 or self.lasting["has_event"][lane]:
            self._watch(lane, number, time, own, threshold, errors, out)

    def _watch(
        self, lane: int, number: int, time: int, own: float, threshold: float, errors: FloatArray, out: Collector
    ) -> None:
        """Hand a settled row to the events of its entity."""
        self._tell(lane, self.entities[lane].events.take(number, time, own, threshold, errors), out)

    def _tell(self, lane: int, changes: list[EventChange], out: Collector) -> None:
        out.tell(changes, zoned=bool(self.lasting["zone"][lane] == Zone.ZONED))
        self.lasting["has_event"][lane] = self.entities[lane].events.is_active
