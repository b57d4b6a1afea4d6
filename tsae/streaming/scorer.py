"""`StreamScorer`: an answer for every row as it comes, and the settled score a little later."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.drift import Drift
from tsae.alarms.rules import EventRules
from tsae.errors import DataError, ParameterError
from tsae.model.fitted import FittedModel, causal_model
from tsae.streaming.batch import Batch, take_in_turns
from tsae.streaming.blocking import Blocking
from tsae.streaming.clock import Arrival, StreamCounts
from tsae.streaming.entity import Entity, Zone
from tsae.streaming.fleet import Fleet
from tsae.streaming.row_scores import Collector, RowScore, StreamScores, objects
from tsae.streaming.rows import Rows, row_numbers, row_values, time_ns

if TYPE_CHECKING:
    from tsae.series.exclusions import Exclusions

__all__ = ["RowScore", "StreamScorer", "StreamScores"]


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
        A fitted detector, or the `FittedModel` of a model file.
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
    exclude
        Times to leave out, as `tsae.Exclusions`: their rows are scored, and never alarm. So are rows in which the plant
        is off, by the condition that `fit` was given.

    Attributes
    ----------
    lag : int
        Rows a settled score may wait for.
    warm_up : int
        Rows at the start of a segment whose immediate scores are not labelled: one less than the longest window.

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
        exclude: Exclusions | None = None,
    ) -> None:
        model = causal_model(detector)
        if lag is not None and lag < 0:
            raise ParameterError(f"`lag` (={lag}) must be 0 or more rows, or None for the detector's own")
        if reorder < 0:
            raise ParameterError(f"`reorder` (={reorder}) must be 0 or more rows")
        self.adapt, self.exclude = adapt, exclude
        self.model, self.reorder, self.max_entities, self.rules = model, reorder, max_entities, rules or EventRules()
        self.rules.check_sensors(model.channels)
        self.lag = model.lag if lag is None else min(lag, model.ensemble.full_lag)
        blocking = Blocking.of(model, exclude)
        self.fleet = Fleet(model, lag=self.lag, reorder=reorder, rules=self.rules, adapt=adapt, blocking=blocking)
        self.channels, self.warm_up = model.channels, self.fleet.warm_up

    @property
    def entities(self) -> dict[str, Entity]:
        """All of them by name."""
        return {entity.name: entity for entity in self.fleet.entities}

    @property
    def counts(self) -> StreamCounts:
        """What happened to the rows of all entities."""
        return self.fleet.counts

    def update(self, row: Any, timestamp: Any = None, entity: str | None = None) -> StreamScores:
        """Take the next row.

        Parameters
        ----------
        row
            A mapping from channel to value, or the values `(n_channels,)` in the order of `channels`, in the units of
            training; `None` and NaN are missing.
        timestamp
            Its time, as a datetime or ISO string: of every row of an entity, or of none. The first one ends the
            segment of the rows without.
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
        numbers, n_absent = row_numbers(row, self.channels)
        times = None if timestamp is None else self._checked_times([timestamp], [name])
        fleet, values = self.fleet, np.array(numbers, dtype=np.float64)
        lane = self._lane(name, has_times=times is not None)
        counts, n_dropped = self.counts, self.counts.n_dropped
        counts.n_absent += n_absent
        is_free = fleet.blocking is None
        if is_free and times is None and fleet.lanes.n_rows(lane):  # it follows the one before
            return fleet.take_one(lane, values, None, timestamp)
        arrival = Arrival(None if times is None else times[0], (values, timestamp))
        admitted = list(fleet.entities[lane].clock.admit(arrival))
        if is_free and len(admitted) == 1 and admitted[0][0] == 1 and fleet.lanes.n_rows(lane):
            ((_, (time, (own, stamp))),) = admitted
            return fleet.take_one(lane, own, time, stamp)
        batch, arrivals, out = Batch(fleet), list[Arrival](), Collector()
        batch.admit(lane, admitted, arrivals)
        batch.score(Rows.admitted(arrivals, len(self.channels)), out)
        return out.scores((0,) if counts.n_dropped > n_dropped else ())

    def update_many(
        self,
        rows: Any,
        timestamps: Sequence[Any] | None = None,
        entities: Sequence[str] | None = None,
        *,
        time_texts: Sequence[Any] | None = None,
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
        time_texts
            Original timestamp strings, `(n,)`, returned unchanged in `RowScore.timestamp`.

        Raises
        ------
        DataError
            If a row or its time cannot be used; none of the rows is taken then.
        """
        values, n_absent = row_values(rows, self.channels)
        n_rows = len(values)
        for name, given in (("timestamps", timestamps), ("entities", entities), ("time_texts", time_texts)):
            if given is not None and len(given) != n_rows:
                raise DataError(f"`{name}` has {len(given)} entries for {n_rows} rows; pass one for each row, or None")
        names = [""] * n_rows if entities is None else entities
        times = None if timestamps is None else self._checked_times(timestamps, names)
        lanes = self._lanes(names, has_times=times is not None)
        self.counts.n_absent += n_absent
        out = Collector()
        blocked = self._blocked(values, times, lanes)
        if times is None and blocked is None:  # every row follows the one before
            take_in_turns(self.fleet, lanes, np.arange(n_rows), Rows.of(values, None, time_texts), out)
            return out.scores()
        stamps: Any = timestamps if time_texts is None else time_texts
        if self.reorder and times is not None:
            rows_and_stamps = zip(values, objects(stamps), strict=True)
            return self._in_order(lanes.tolist(), list(map(Arrival, times, rows_and_stamps)))
        known, batch = self.fleet.entities, Batch(self.fleet)
        steps = [
            known[lane].clock.follow(time)
            for lane, time in zip(lanes.tolist(), times or repeat(None, n_rows), strict=True)
        ]
        flags = repeat(False, n_rows) if blocked is None else blocked.tolist()
        for row, (lane, each, flag) in enumerate(zip(lanes.tolist(), steps, flags, strict=True)):
            if each is not None:
                batch.put(lane, each, row, blocked=flag)
        batch.score(Rows.of(values, times, stamps), out)
        return out.scores([row for row, each in enumerate(steps) if each is None])

    def flush(self, entity: str | None = None) -> StreamScores:
        """End the segment of one or of all entities: settled scores of the rows still waiting.

        A row that follows starts a new segment.
        """
        entities = self.fleet.entities
        return self._drained(entities if entity is None else [entities[self.fleet.lane_of[entity]]], end=True)

    def drain(self) -> StreamScores:
        """Take the rows that still wait to be put in order; segments go on."""
        return self._drained(self.fleet.entities, end=False)

    def drift(self, entity: str = "") -> Drift:
        """How far the rows of an entity have moved from training; what `detect` says of the settled ones.

        Raises
        ------
        DataError
            If there is no such entity.
        """
        known = self.fleet.lane_of
        if entity not in known:
            raise DataError(f"no rows received yet for entity {entity!r}; choose one of {list(known)[:5]}")
        (drift,) = self.fleet.decider.drifts(np.array([known[entity]]))
        return drift

    def with_model(self, model: FittedModel) -> StreamScorer:
        """A scorer without rows that does the same by another model."""
        bounds = {"reorder": self.reorder, "max_entities": self.max_entities}
        return StreamScorer(model, rules=self.rules, adapt=self.adapt, exclude=self.exclude, **bounds)

    @property
    def n_waiting(self) -> int:
        """Rows of all entities that are not settled."""
        n_rows = self.fleet.lanes.rings["n_rows"][: len(self.fleet.entities)]
        return int(np.minimum(n_rows, self.fleet.lanes.delay).sum())

    def _drained(self, entities: Sequence[Entity], *, end: bool) -> StreamScores:
        batch, out = Batch(self.fleet), Collector()
        arrivals: list[Arrival] = []
        for entity in entities:
            batch.admit(entity.lane, entity.clock.drain(), arrivals)
            if end:
                batch.end(entity.lane)
        batch.score(Rows.admitted(arrivals, len(self.channels)), out)
        return out.scores()

    def _in_order(self, lanes: Sequence[int], arrivals: Sequence[Arrival]) -> StreamScores:
        """Rows that wait for earlier ones."""
        batch, out = Batch(self.fleet), Collector()
        dropped: list[int] = []
        admitted: list[Arrival] = []
        for place, (lane, arrival) in enumerate(zip(lanes, arrivals, strict=True)):
            n_dropped = self.counts.n_dropped
            batch.admit(lane, self.fleet.entities[lane].clock.admit(arrival), admitted)
            if self.counts.n_dropped > n_dropped:
                dropped.append(place)
        batch.score(Rows.admitted(admitted, len(self.channels)), out)
        return out.scores(dropped)

    def _blocked(
        self, values: NDArray[np.float64], times: list[int] | None, lanes: NDArray[np.intp]
    ) -> NDArray[np.bool_] | None:
        """Rows that never alarm, `(n,)`; `None` if all may."""
        blocking = self.fleet.blocking
        return (
            None if blocking is None else blocking.mask(values, times, self.fleet.lasting["zone"][lanes] == Zone.ZONED)
        )

    def _checked_times(self, timestamps: Sequence[Any], names: Sequence[str]) -> list[int]:
        """Nanoseconds of all rows."""
        fleet, zones = self.fleet, self.fleet.lasting["zone"]
        times: list[int] = []
        found: dict[str, int] = {}
        fresh: dict[str, int] = {}
        for name, stamp in zip(names, timestamps, strict=True):
            time, zoned = time_ns(stamp)
            zone = Zone.ZONED if zoned else Zone.LOCAL
            if name not in found:
                lane = fleet.lane_of.get(name)
                found[name] = zone if lane is None else int(zones[lane]) or zone
                if lane is None or not zones[lane]:
                    fresh[name] = zone
            if found[name] != zone:
                raise DataError(
                    "some `timestamp` carry a time zone and some do not; pass all of them with a zone, or none"
                )
            times.append(time)
        for each in set(fresh.values()):
            self._check_zone(zoned=each == Zone.ZONED)
        for name, known in fresh.items():
            lane = self._lane(name, has_times=True)
            fleet.lasting["zone"][lane] = known
        return times

    def _check_zone(self, *, zoned: bool | None) -> None:
        """Raise a `DataError` if exclusions and snoozes cannot be held against such times; `None` for rows without."""
        self.rules.check_times(zoned)
        if self.fleet.blocking is not None:
            self.fleet.blocking.check_times(has_times=zoned is not None, zoned=bool(zoned))

    def _lanes(self, names: Sequence[str], *, has_times: bool) -> NDArray[np.intp]:
        """The lanes of entities, `(n,)`; see `_lane`."""
        lanes = np.fromiter(map(self.fleet.lane_of.get, names, repeat(-1)), np.intp, len(names))
        is_known = lanes >= 0
        if not has_times and self.fleet.lasting["zone"][lanes[is_known]].any():
            raise _no_time()
        for place in np.flatnonzero(~is_known).tolist():
            lanes[place] = self._lane(names[place], has_times=has_times)
        return lanes

    def _lane(self, name: str, *, has_times: bool) -> int:
        """The lane of an entity, which may be new."""
        fleet = self.fleet
        lane = fleet.lane_of.get(name)
        if not has_times:
            self._check_zone(zoned=None)
        if lane is not None:
            if not has_times and fleet.lasting["zone"][lane]:
                raise _no_time()
            return lane
        if len(fleet.entities) >= self.max_entities:
            raise DataError(
                f"entity {str(name)[:60]!r} would be one more than `max_entities` (={self.max_entities}); allow "
                "more, or check what the sender takes for an entity"
            )
        return fleet.open(name).lane


def _no_time() -> DataError:
    return DataError("the rows before had one, so `timestamp` must be given for every row or for none")
