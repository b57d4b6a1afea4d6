"""All that a stream remembers of its entities, and what a row of some of them changes.

What every row needs stands in arrays, a lane for each entity, so that a row of each of many entities is taken by
operations on arrays. What few rows need, such as an open event, has an object for each entity. A single row takes
plain numbers from the same arrays: operations on arrays of one cost many times as much.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.decider import Decider
from tsae.alarms.event import peak_reach
from tsae.alarms.rules import EventRules
from tsae.alarms.tracking import join_levels
from tsae.model.fitted import FittedModel
from tsae.scoring.rings import Rings
from tsae.scoring.scorer import Scorer, Step
from tsae.streaming.blocking import Blocking
from tsae.streaming.clock import Arrival, EntityClock, StreamCounts
from tsae.streaming.entity import UNNUMBERED, Entity, LatestRows, RecentRows, Zone
from tsae.streaming.row_scores import Collector, DriftNotice, RowScore, RowScores, ScoreColumns, StreamScores
from tsae.streaming.rows import FILLED, Rows

__all__ = ["Fleet"]

FloatArray = NDArray[np.float64]
LaneNumbers = NDArray[np.intp]


class Fleet:
    """Arrays and objects of all entities of a stream, and what a row of some of them changes.

    Parameters
    ----------
    lag
        Rows a settled score may wait for.
    reorder
        Rows of an entity that wait for earlier ones.
    rules
        When flagged rows make an event.
    adapt
        Whether thresholds follow each entity's rows.
    blocking
        Which rows never alarm; `None` if all may.

    Attributes
    ----------
    lanes : Scorer
        The networks' memory of each entity's segment; `lanes.rings` also hold its latest rows.
    lasting : Rings
        What outlives segments.
    decider : Decider
        Thresholds, events and drift of each entity.
    entities : list of Entity
        By lane.
    lane_of : dict
        The lanes of their names.
    warm_up : int
        Rows at the start of a segment whose immediate scores are not labelled.
    window_size : int
        Rows that a segment must have before settled scores are labelled.
    """

    def __init__(
        self,
        model: FittedModel,
        *,
        lag: int,
        reorder: int,
        rules: EventRules,
        adapt: bool,
        blocking: Blocking | None = None,
    ) -> None:
        self.blocking = blocking
        self.model, self._reorder, ensemble = model, reorder, model.ensemble
        self.warm_up = max(member.window_size for member in ensemble.members) - 1
        self.window_size = ensemble.longest.window_size
        rules = rules.for_window(self.window_size)
        self.counts = StreamCounts()
        self.lanes, self.lasting = Scorer(ensemble, lag=lag), Rings()
        self.decider = Decider(
            model.thresholds,
            model.calibration,
            inputs=model.inputs,
            channels=model.channels,
            joins=join_levels(ensemble.scaler),
            rules=rules,
            window_size=self.window_size,
            adapt=adapt,
            arrays=self.lasting,
            is_stream=True,
            full_lag=lag in (model.lag, ensemble.full_lag),
            lessons=model.lessons,
        )
        self.lasting.add("n_rows", (), np.int64)
        self.lasting.add("zone", (), np.int8)
        self.lasting.add("blocked", (), np.bool_)
        self.lasting.add("name", (), np.object_, empty="")
        self._reach = peak_reach(ensemble)
        n_pending = max(rules.merge_gap or 0, rules.enter_within) + 1  # settled rows, each after a bridged gap
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
        """Add an entity, without rows."""
        lane = self.lanes.open()
        self.lasting.open()
        return self.adopt(name, lane)

    def adopt(self, name: str, lane: int) -> Entity:
        """Add the entity of a lane that is there, the next one in order."""
        clock = EntityClock(self.model.period, self.model.max_fill, self._reorder, self.counts)
        recent = RecentRows(self.rows, lane, reach=self._reach)
        p_value_of = self.decider.tails["settled"].p_value
        entity = Entity(name, lane, clock, recent, self.model, self.lasting, p_value_of)
        self.lasting["name"][lane] = name
        self.decider.watch(entity)
        self.entities.append(entity)
        self.lane_of[name] = lane
        return entity

    def is_blocked(self, lane: int, arrival: Arrival) -> bool:
        """Return whether a row that arrives never alarms."""
        if self.blocking is None:
            return False
        times = None if arrival.time is None else [arrival.time]
        zoned = self.lasting["zone"][lane] == Zone.ZONED
        return bool(self.blocking.mask(arrival.row[0][None], times, [zoned])[0])

    def take_one(self, lane: int, values: FloatArray, time: int | None, stamp: Any) -> StreamScores:
        """Take the next row of one lane, `(n_channels,)`: `take` in plain numbers, several times as fast."""
        n_before = self.lanes.n_rows(lane)
        is_free = self.blocking is None or not self.lasting["blocked"][lane]
        is_warm, is_covered = n_before >= self.warm_up and is_free, n_before + 1 >= self.window_size and is_free
        step, decider, name = self.lanes.push_row(lane, values), self.decider, self.entities[lane].name
        number = int(self.lasting["n_rows"][lane])
        self.lasting["n_rows"][lane] = number + 1
        self.counts.n_rows += 1
        self.rows.put(lane, values, number, number if time is None else time, stamp)
        if not is_free:
            self.counts.n_blocked += 1
        else:
            decider.observe(lane, values)
        judged, own = step.immediate, step.settled
        if not decider.judges_smoothed:
            judged, own = step.immediate_unsmoothed, step.unsmoothed
        following, tail = decider.following["immediate"], decider.tails["immediate"]
        threshold = following.next(judged, lane) if is_warm else float(following.values(np.array([lane]))[0])
        is_alarm = is_warm and judged > threshold
        now = RowScores((RowScore(number, stamp, step.immediate, is_alarm, judged, threshold, tail, None, name),))
        number, time, stamp = self.rows.settled(lane) if step.is_settled else (UNNUMBERED, 0, None)
        if number == UNNUMBERED:
            return StreamScores(now)
        number = int(number)
        threshold, changes, drift = decider.settle_row(lane, number, int(time), own, step.errors, is_covered=is_covered)
        tail, is_alarm = decider.tails["settled"], is_covered and own > threshold
        settled = RowScore(number, stamp, step.settled, is_alarm, own, threshold, tail, step.errors, name)
        notices = () if drift is None else (DriftNotice(number, drift, name),)
        return StreamScores(now, RowScores((settled,)), (), tuple(changes), notices)

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
        n_before, is_free = self.lanes.rings["n_rows"][lanes], ~self._blocked(lanes)
        is_warm, is_covered = (n_before >= self.warm_up) & is_free, (n_before + 1 >= self.window_size) & is_free
        step = self.lanes.push(lanes, rows.values[places][:, None])
        self.rows.put(lanes, rows.values[places], numbers, rows.times_of(places, numbers), rows.stamps[places])
        chosen = slice(None) if is_all else np.flatnonzero(is_row)
        n_rows[lanes[chosen]] += 1
        self.counts.n_rows += int(is_row.sum())
        judged = step.immediate if self.decider.judges_smoothed else step.immediate_unsmoothed
        self._answer(lanes[chosen], rows, places[chosen], is_warm[chosen], step.immediate[chosen], judged[chosen], out)
        self._settle(lanes, step, is_covered, out)

    def take_context(self, lanes: LaneNumbers, values: FloatArray) -> None:
        """Take a row of each lane `(m, n_channels)` that only stands before those to be scored."""
        unknown = np.full(len(lanes), UNNUMBERED)
        self.lanes.push(lanes, values[:, None])
        self.rows.put(lanes, values, unknown, unknown, np.full(len(lanes), None))

    def end(self, lane: int, out: Collector) -> None:
        """End a lane's segment: its rows that wait are settled."""
        n_rows, flushed, entity = self.lanes.n_rows(lane), self.lanes.flush(lane), self.entities[lane]
        numbers, times, stamps = self.rows.waiting(lane)
        known = numbers != UNNUMBERED
        numbers, times, stamps, settled, errors = (
            each[known] for each in (numbers, times, stamps, flushed.settled, flushed.errors)
        )
        own = settled if self.decider.judges_smoothed else flushed.unsmoothed[known]
        first = int(numbers[0]) if len(numbers) else 0
        blocked = np.full(len(numbers), n_rows < self.window_size or self._blocked(np.array([lane]))[0])
        thresholds, labels, changes, drifts = self.decider.settle_run(
            lane, first, times, own, errors, blocked=blocked, ends_segment=True
        )
        names = np.full(len(numbers), entity.name, dtype=np.object_)
        about = (labels, own, thresholds, names, errors, self.decider.tails["settled"])
        out.settle(ScoreColumns(numbers, stamps, settled, *about), changes)
        out.notice([DriftNotice(int(numbers[-1]), drift, entity.name) for drift in drifts.values()])
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
        free = ~self._blocked(lanes)
        self.counts.n_blocked += int((~free).sum())
        if free.any():
            self.decider.observe(lanes[free], rows.values[places[free]])
        thresholds = self.decider.immediate_thresholds(lanes, judged, is_warm)
        numbers, names = self.lasting["n_rows"][lanes] - 1, self.lasting["name"][lanes]
        about = (is_warm & (judged > thresholds), judged, thresholds, names, None, self.decider.tails["immediate"])
        out.take(ScoreColumns(numbers, rows.stamps[places], scores, *about), places)

    def _settle(self, lanes: LaneNumbers, step: Step, is_covered: NDArray[np.bool_], out: Collector) -> None:
        """Settled scores of the rows of lanes that have waited long enough."""
        numbers, times, stamps = self.rows.settled(lanes)
        places = np.flatnonzero(step.is_settled & (numbers != UNNUMBERED))
        if not len(places):
            return
        lanes, numbers = lanes[places], numbers[places]
        settled, errors = step.settled[places], step.errors[places]
        own = settled if self.decider.judges_smoothed else step.unsmoothed[places]
        thresholds, labels, changes, drifts = self.decider.settle_each(
            lanes, numbers, times[places], own, errors, is_covered[places]
        )
        names = self.lasting["name"][lanes]
        about = (labels, own, thresholds, names, errors, self.decider.tails["settled"])
        out.settle(ScoreColumns(numbers, stamps[places], settled, *about), changes)
        out.notice([DriftNotice(int(numbers[place]), drift, names[place]) for place, drift in drifts.items()])

    def _blocked(self, lanes: LaneNumbers) -> NDArray[np.bool_]:
        """Return the lanes whose segment never alarms, `(m,)`."""
        blocked: NDArray[np.bool_] = self.lasting["blocked"][lanes]
        return blocked
