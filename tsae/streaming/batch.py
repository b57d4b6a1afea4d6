"""Rows of many entities, scored together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.scoring.calibration import LogTail
from tsae.streaming.answers import RowScore, StreamScores
from tsae.streaming.clock import StreamCounts
from tsae.streaming.drift_watch import DriftNotice
from tsae.streaming.entity import Entity
from tsae.streaming.event_watch import EventChange
from tsae.streaming.lane_scores import Step
from tsae.streaming.lanes import Lanes

__all__ = ["Answers", "Batch"]

FloatArray = NDArray[np.float64]
_FILLED, _END = -1, -2  # rows of a lane's queue that are none


class Answers:
    """What one call brings, as entities take their scores.

    Parameters
    ----------
    tails
        Judged scores of normal rows, "settled" and "immediate" ones.
    judges_smoothed
        Whether thresholds are for smoothed scores or for those of a row's own error.
    """

    def __init__(self, counts: StreamCounts, tails: Mapping[str, LogTail], *, judges_smoothed: bool) -> None:
        self.counts, self._judges_smoothed = counts, judges_smoothed
        self._tail_now, self._tail = tails["immediate"], tails["settled"]
        self._settled: list[RowScore] = []
        self._events: list[EventChange] = []
        self._drifts: list[DriftNotice] = []

    def scores(self, immediate: list[RowScore], dropped: Sequence[int] = ()) -> StreamScores:
        """All of it."""
        events, drifts = tuple(self._events), tuple(self._drifts)
        return StreamScores(tuple(immediate), tuple(self._settled), tuple(dropped), events, drifts)

    def judged(self, smoothed: list[float], unsmoothed: list[float]) -> list[float]:
        """The scores that thresholds are for."""
        return smoothed if self._judges_smoothed else unsmoothed

    def take(
        self,
        entity: Entity,
        values: FloatArray,
        stamp: Any,
        time: int | None,
        score: float,
        judged: float,
        *,
        warm: bool,
    ) -> RowScore:
        """The immediate score of an entity's next row."""
        number, levels = entity.n_rows, entity.levels
        threshold = levels.immediate(judged) if warm else levels.now
        entity.recent.push(values, number)
        entity.drift.take_row(values)
        entity.waiting.append((number, stamp, time))
        entity.n_rows = number + 1
        self.counts.n_rows += 1
        is_alarm = warm and judged > threshold
        return RowScore(number, stamp, score, is_alarm, judged, threshold, self._tail_now, None, entity.name)

    def settle(self, entity: Entity, score: float, judged: float, errors: FloatArray) -> None:
        """The settled score of the oldest row that waits; errors are `(n_channels,)`."""
        waiting = entity.waiting.popleft()
        if waiting is None:
            return
        row, stamp, time = waiting
        threshold = entity.levels.settled(judged)
        about = judged > threshold, judged, threshold, self._tail
        self._settled.append(RowScore(row, stamp, score, *about, errors, entity.name))
        if (drift := entity.drift.take_score(judged)) is not None:
            self._drifts.append(DriftNotice(row, drift, entity.name))
        self._tell(entity, entity.events.take(row, row if time is None else time, judged, threshold, errors))

    def end(self, entity: Entity, lanes: Lanes) -> None:
        """End an entity's segment: its rows that wait are settled."""
        flushed = lanes.flush(entity.lane)
        judged = self.judged(flushed.settled, flushed.unsmoothed)
        for score, judged_score, errors in zip(flushed.settled, judged, flushed.errors, strict=True):
            self.settle(entity, score, judged_score, errors)
        self._tell(entity, entity.events.end_segment())
        entity.recent.clear()

    def _tell(self, entity: Entity, changes: list[EventChange]) -> None:
        for change in changes:
            self._events.append(replace(change, zoned=True) if entity.clock.zoned else change)


class Batch:
    """Rows of many entities, worked off so that each step takes one row of every entity that has one left."""

    def __init__(self, lanes: Lanes, answers: Answers, *, warm_up: int) -> None:
        self._lanes, self._answers, self._warm_up = lanes, answers, warm_up
        self._queues: dict[int, tuple[Entity, list[int]]] = {}
        self._values: list[FloatArray] = []
        self._stamps: list[tuple[Any, int | None]] = []

    def put(self, entity: Entity, steps: int, values: FloatArray, stamp: Any, time: int | None) -> None:
        """Add a row after `steps - 1` missing ones; 0 begins a segment."""
        queue = self._queue(entity)
        if entity.in_segment and steps == 0:
            queue.append(_END)
            self._answers.counts.n_gaps += 1
        elif entity.in_segment and steps > 1:
            queue += [_FILLED] * (steps - 1)
            self._answers.counts.n_filled += steps - 1
        queue.append(len(self._values))
        entity.in_segment = True
        self._values.append(values)
        self._stamps.append((stamp, time))

    def end(self, entity: Entity) -> None:
        """End the entity's segment after its rows so far."""
        if entity.in_segment:
            self._queue(entity).append(_END)
            entity.in_segment = False

    def scores(self, dropped: Sequence[int] = ()) -> StreamScores:
        """Score everything; `dropped` is told with it."""
        return self._answers.scores(self._run(), dropped)

    def _run(self) -> list[RowScore]:
        """Immediate scores in the order the rows came."""
        if not self._queues:
            return []
        values = np.stack([*self._values, np.full(self._lanes.n_channels, np.nan)])
        immediate: list[RowScore | None] = [None] * len(self._values)
        queues = [self._queues[lane] for lane in sorted(self._queues)]
        place = 0
        while queues:
            for entity, queue in queues:
                while place < len(queue) and queue[place] == _END:
                    self._answers.end(entity, self._lanes)
                    del queue[place]
            queues = [each for each in queues if place < len(each[1])]
            if queues:
                rows = [queue[place] for _, queue in queues]
                self._step([entity for entity, _ in queues], rows, values, immediate)
            place += 1
        return [row for row in immediate if row is not None]

    def _queue(self, entity: Entity) -> list[int]:
        return self._queues.setdefault(entity.lane, (entity, []))[1]

    def _step(self, entities: list[Entity], rows: list[int], values: FloatArray, found: list[RowScore | None]) -> None:
        """One row of each entity; puts its immediate score into `found`."""
        lanes, answers = np.array([entity.lane for entity in entities]), self._answers
        is_warm = (self._lanes.arrays["n_rows"][lanes] >= self._warm_up).tolist()
        step: Step = self._lanes.step(lanes, values[rows])
        judged = answers.judged(step.immediate, step.immediate_unsmoothed)
        for entity, row, score, judged_score, warm in zip(entities, rows, step.immediate, judged, is_warm, strict=True):
            if row == _FILLED:
                entity.waiting.append(None)
                entity.recent.push(values[row])
            else:
                found[row] = answers.take(entity, values[row], *self._stamps[row], score, judged_score, warm=warm)
        judged = answers.judged(step.settled, step.unsmoothed)
        for place, is_settled in enumerate(step.is_settled):
            if is_settled:
                answers.settle(entities[place], step.settled[place], judged[place], step.errors[place])
