"""`StreamScorer`: an answer for every row as it comes, and the settled score a little later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.drift import Drift, score_reference
from tsae.detection.events.peak import peak_reach
from tsae.detection.events.rules import EventRules
from tsae.detection.events.tracking import join_levels
from tsae.detection.stream_model import StreamModel
from tsae.errors import DataError, ParameterError
from tsae.streaming.answers import RowScore, StreamScores
from tsae.streaming.batch import Answers, Batch
from tsae.streaming.clock import Arrival, EntityClock, StreamCounts
from tsae.streaming.describing import EventWriter
from tsae.streaming.drift_watch import DriftWatch
from tsae.streaming.entity import Entity
from tsae.streaming.event_watch import EventWatch
from tsae.streaming.lanes import Lanes
from tsae.streaming.levels import Levels, judged_kinds
from tsae.streaming.recent import RecentRows
from tsae.streaming.rows import row_values, time_ns

__all__ = ["RowScore", "StreamScorer", "StreamScores"]

FloatArray = NDArray[np.float64]


class StreamScorer:
    """Scores of rows that keep arriving, equal to those of the whole file.

    Every row gets an immediate score, which depends on this row and earlier ones, and at most `lag` rows later a
    settled score, the one of `detector.score_samples` (with the sign turned: higher = more anomalous). Each entity
    (machine) is a stream of its own, in memory of fixed size.

    After the start and after a long gap the first rows have no full window behind them. Their immediate scores are
    rough and far too often high, so they are not labelled; their settled scores are as good as any.

    Rows with timestamps are laid out on the detector's clock: a gap of up to `detector.max_fill` rows is bridged
    with missing rows, a longer one ends the segment, which settles all rows before it. Of rows of the same time the
    first wins, a row that is late is dropped; 16 rising late rows in a row, at times not seen before, say that the
    clock was set back, and a new segment begins with the last of them.

    Parameters
    ----------
    detector
        A fitted detector, or the `StreamModel` of a model file.
    lag
        Rows a settled score may wait for, at least 0; `None` takes `detector.lag_`.
    reorder
        Rows of an entity that wait for earlier ones that come late, at least 0; they delay every answer.
    max_entities
        Most entities; rows of further ones are refused, so that no sender can fill the memory.
    rules
        What makes an event.
    adapt
        Whether thresholds follow each entity's rows, as `detector.detect` does it.

    Attributes
    ----------
    lag : int
        Rows a settled score may wait for.
    warm_up : int
        Rows at the start of a segment whose immediate scores are not labelled: one less than the longest window.
    counts : StreamCounts
        What happened to the rows of all entities.

    Examples
    --------
    >>> import numpy as np
    >>> from tsae import AnomalyDetector, StreamScorer
    >>> normal = np.sin(np.arange(500) / 5)[:, None]
    >>> detector = AnomalyDetector(window_size=16, max_steps=20, random_state=0).fit(normal[:400])
    >>> stream = StreamScorer(detector)
    >>> now = [stream.update(row).immediate[0].score for row in normal[400:]]
    >>> rest = stream.flush().settled
    >>> len(now), rest[-1].row
    (100, 99)
    """

    def __init__(
        self,
        detector: Any,
        *,
        lag: int | None = None,
        reorder: int = 0,
        max_entities: int = 10_000,
        rules: EventRules | None = None,
        adapt: bool = True,
    ) -> None:
        model = StreamModel.of(detector)
        if lag is not None and lag < 0:
            raise ParameterError(f"`lag` (={lag}) must be 0 or more rows, or None for the detector's own")
        if reorder < 0:
            raise ParameterError(f"`reorder` (={reorder}) must be 0 or more rows")
        full_lag = model.score_model.full_lag
        self.model = model
        self.lag = model.lag if lag is None else min(lag, full_lag)
        # A score that waits for less than the full lag is an immediate score of a few rows later.
        self._kinds = judged_kinds(model, own_lag=self.lag in (model.lag, full_lag))
        self.tails, self.adapt = {name: model.tail(kind) for name, kind in self._kinds.items()}, adapt
        self.judges_smoothed = model.thresholds.judged == "smoothed"
        self.warm_up = max(member.window_size for member in model.score_model.members) - 1
        self.channels = model.channels
        self.reorder, self.max_entities = reorder, max_entities
        self.rules = rules or EventRules()
        self._joins = join_levels(model.score_model.scaler)
        self._normal = score_reference(model.calibration[self._kinds["settled"]])
        self.counts = StreamCounts()
        self.lanes = Lanes(model.score_model, lag=self.lag)
        self.entities: dict[str, Entity] = {}

    def update(self, row: Any, timestamp: Any = None, entity: str | None = None) -> StreamScores:
        """Take the next row.

        Parameters
        ----------
        row
            A mapping from channel to value, or the values `(n_channels,)` in the order of `channels`, in the units of
            training; `None` and NaN are missing.
        timestamp
            Its time, as a datetime or ISO string: of every row of an entity, or of none.
        entity
            The machine it is from, if there are several.

        Returns
        -------
        StreamScores
            This row's immediate score, settled scores of rows up to `lag` back (higher = more anomalous, in units of
            −log p), and what happened to events. A late or repeated row is dropped and has none.

        Raises
        ------
        DataError
            If the row or its time cannot be used; the scorer then is as it was before.
        """
        name = "" if entity is None else entity
        values, n_absent = row_values([row], self.channels)
        (time,) = self._checked_times(None if timestamp is None else [timestamp], [name])
        sender = self._entity(name)
        self.counts.n_absent += n_absent
        n_dropped = self.counts.n_dropped
        arrival = Arrival(time, sender.n_arrived, (values[0], timestamp, time))
        sender.n_arrived += 1
        admitted = list(sender.clock.admit(arrival))
        if len(admitted) == 1 and admitted[0][0] == 1 and sender.in_segment:
            return self._follow(sender, *admitted[0][1].row)
        batch = self._batch()
        for steps, each in admitted:
            batch.put(sender, steps, *each.row)
        return batch.scores((0,) if self.counts.n_dropped > n_dropped else ())

    def update_many(
        self,
        rows: Any,
        timestamps: Sequence[Any] | None = None,
        entities: Sequence[str] | None = None,
        *,
        labels: Sequence[Any] | None = None,
    ) -> StreamScores:
        """Take the next rows; those of many entities are scored together, which is much faster than one by one.

        Parameters
        ----------
        rows
            Array `(n, n_channels)`, or a sequence of rows as `update` takes them.
        timestamps
            Their times, `(n,)`; `None` for a stream without.
        entities
            The machines they are from, `(n,)`; `None` if there is one.
        labels
            What `RowScore.timestamp` gives back in place of the times, such as their spelling, `(n,)`.

        Raises
        ------
        DataError
            If a row or its time cannot be used; none of the rows is taken then.
        """
        values, n_absent = row_values(rows, self.channels)
        n_rows = len(values)
        for name, given in (("timestamps", timestamps), ("entities", entities), ("labels", labels)):
            if given is not None and len(given) != n_rows:
                raise DataError(f"`{name}` has {len(given)} entries for {n_rows} rows; pass one for each row, or None")
        names = [""] * n_rows if entities is None else entities
        times = self._checked_times(timestamps, names)
        taken = [self._entity(name) for name in names]
        self.counts.n_absent += n_absent
        batch = self._batch()
        stamps = labels if labels is not None else [None] * n_rows if timestamps is None else timestamps
        dropped = []
        for row, (entity, time, stamp) in enumerate(zip(taken, times, stamps, strict=True)):
            n_dropped = self.counts.n_dropped
            for steps, arrival in entity.clock.admit(Arrival(time, entity.n_arrived, (values[row], stamp, time))):
                batch.put(entity, steps, *arrival.row)
            entity.n_arrived += 1
            if self.counts.n_dropped > n_dropped:
                dropped.append(row)
        return batch.scores(dropped)

    def flush(self, entity: str | None = None) -> StreamScores:
        """End the segment of one or of all entities: settled scores of the rows still waiting.

        A row that follows starts a new segment.
        """
        batch = self._batch()
        for each in self.entities.values() if entity is None else [self.entities[entity]]:
            for steps, arrival in each.clock.drain():
                batch.put(each, steps, *arrival.row)
            batch.end(each)
        return batch.scores()

    def drain(self) -> StreamScores:
        """Take the rows that still wait to be put in order; segments go on."""
        batch = self._batch()
        for each in self.entities.values():
            for steps, arrival in each.clock.drain():
                batch.put(each, steps, *arrival.row)
        return batch.scores()

    def drift(self, entity: str = "") -> Drift:
        """How far the rows of an entity have moved from training; what `detect` says of the settled ones.

        Raises
        ------
        DataError
            If there is no such entity.
        """
        if entity not in self.entities:
            raise DataError(f"`entity` (={entity!r}) has sent no row; choose one of {list(self.entities)[:5]}")
        return self.entities[entity].drift.drift()

    def with_model(self, model: StreamModel) -> StreamScorer:
        """A scorer without rows that does the same by another model."""
        bounds = {"reorder": self.reorder, "max_entities": self.max_entities}
        return StreamScorer(model, rules=self.rules, adapt=self.adapt, **bounds)

    def _follow(self, sender: Entity, values: FloatArray, stamp: Any, time: int | None) -> StreamScores:
        """Score one row that follows the one before; `Batch` would do the same at twice the cost."""
        answers = self._answers()
        is_warm = self.lanes.n_rows(sender.lane) >= self.warm_up
        step = self.lanes.step_one(sender.lane, values)
        (judged,) = answers.judged(step.immediate, step.immediate_unsmoothed)
        now = answers.take(sender, values, stamp, time, step.immediate[0], judged, warm=is_warm)
        if step.is_settled[0]:
            (judged,) = answers.judged(step.settled, step.unsmoothed)
            answers.settle(sender, step.settled[0], judged, step.errors[0])
        return answers.scores([now])

    def _answers(self) -> Answers:
        return Answers(self.counts, self.tails, judges_smoothed=self.judges_smoothed)

    def _batch(self) -> Batch:
        return Batch(self.lanes, self._answers(), warm_up=self.warm_up)

    def _checked_times(self, timestamps: Sequence[Any] | None, names: Sequence[str]) -> list[int | None]:
        """Nanoseconds of all rows, `None` for a stream without."""
        if timestamps is None:
            for name in names:
                known = self.entities.get(name)
                if known is not None and known.clock.zoned is not None:
                    raise DataError("the rows before had one, so `timestamp` must be given for every row or for none")
            return [None] * len(names)
        times: list[int | None] = []
        zones: dict[str, bool] = {}
        for name, stamp in zip(names, timestamps, strict=True):
            ns, zoned = time_ns(stamp)
            known = self.entities.get(name)
            if known is not None and known.n_arrived and known.clock.zoned is None:
                raise DataError("the rows before had none, so `timestamp` must be given for every row or for none")
            before = None if known is None else known.clock.zoned
            if zones.setdefault(name, zoned if before is None else before) is not zoned:
                raise DataError(
                    "some `timestamp` carry a time zone and some do not; pass all of them with a zone, or none"
                )
            times.append(ns)
        for name, zoned in zones.items():
            self._entity(name).clock.zoned = zoned
        return times

    def _entity(self, name: str) -> Entity:
        entity = self.entities.get(name)
        if entity is None:
            if len(self.entities) >= self.max_entities:
                raise DataError(
                    f"entity {str(name)[:60]!r} would be one more than `max_entities` (={self.max_entities}); allow "
                    "more, or check what the sender takes for an entity"
                )
            entity = self.entities[name] = self.new_entity(name, self.lanes.open())
        return entity

    def new_entity(self, name: str, lane: int) -> Entity:
        """An entity without rows."""
        clock = EntityClock(self.model.period, self.model.max_fill, self.reorder, self.counts)
        levels = Levels(self.model, self._kinds, adapt=self.adapt)
        n_pending = max(self.rules.merge_gap, self.rules.enter_within) + 1  # settled rows, each after a bridged gap
        recent = RecentRows(
            len(self.channels),
            reach=peak_reach(self.model.score_model),
            waiting=self.lanes.delay + n_pending * (self.model.max_fill + 1),
        )
        writer = EventWriter(self.model, self.tails["settled"], name, clock)
        events = EventWatch(self.rules, self._joins, recent, writer)
        return Entity(name, lane, clock, events, levels, recent, DriftWatch(self.model, self._normal, levels))
