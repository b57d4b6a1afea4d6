"""`Decider`: from the scores of lanes to thresholds, labels, events and drift, the same for files and streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.drift import BLOCK, DistributionWatch, Drift, Reference, drifts_of, score_reference
from tsae.alarms.event import Event
from tsae.alarms.lessons import Lessons
from tsae.alarms.reporting import is_reported
from tsae.alarms.rules import EventRules, severity
from tsae.alarms.thresholds import FollowingThreshold, StandingThreshold, ThresholdSet, following_threshold
from tsae.alarms.tracking import EventTracker, RowBlock, TrackedEvent
from tsae.scoring.rings import Rings
from tsae.scoring.tails import LogTail, fit_log_tail
from tsae.scoring.whole_series import CalibrationScores

__all__ = ["Decider", "Decisions", "EventChange", "EventSource", "EventWatch"]

_GROWN = 1.25  # an open event is reported again when its score has grown by this factor


@dataclass(frozen=True)
class EventChange:
    """Something that happened to an event."""

    state: str
    """"opened", "updated" or "closed"."""
    version: int
    """Counts the changes of the event, from 1."""
    first_row: int
    """Number of the event's first alarming row among those of its entity."""
    event: Event
    """As far as it is known; closed, it is the one that `detect` finds in the same rows."""


class EventSource(Protocol):
    """The rows of one lane, and the names to describe its events with."""

    def hold(self, peaks: list[int]) -> None:
        """Keep the rows around these, the peaks of an open event and of its escalation."""

    def describe(self, event: TrackedEvent, *, ended: bool) -> Event:
        """Return the event with its sensors and times."""


class EventWatch:
    """Feeds settled rows to a tracker, which exists only while it has something to remember.

    Parameters
    ----------
    rules
        When flagged rows make an event, and which events are reported.
    joins
        Error from which a channel takes part in an event, `(n_channels,)`, in usual errors.
    source
        Describes the events.
    reports_open
        Whether events are also reported while they go on.
    lessons
        What people said of earlier events.
    """

    def __init__(
        self,
        rules: EventRules,
        joins: NDArray[np.float64],
        source: EventSource,
        *,
        reports_open: bool,
        lessons: Lessons | None = None,
    ) -> None:
        self._rules, self._joins, self._source, self._reports_open = rules, joins, source, reports_open
        self._lessons = lessons or Lessons()
        self.n_held_back = 0
        """Events so far that were not reported because they look like false alarms."""
        self._tracker: EventTracker | None = None
        self._reported: dict[int, tuple[int, float]] = {}  # version and score of open events, by their first rows

    @property
    def is_active(self) -> bool:
        """Whether it must see the next settled row, even a quiet one."""
        return self._tracker is not None

    def take(self, first_row: int, rows: RowBlock) -> list[EventChange]:
        """Take the next settled rows, numbered from `first_row` on."""
        if self._tracker is None:
            if self._rules.enter_within == 1 and not (rows.scores > rows.thresholds).any():
                return []
            self._tracker = EventTracker(self._rules, self._joins, first_row=first_row)
        tracked = self._tracker.push(rows)
        changes = self._closed(tracked.closed)
        if self._reports_open and self._tracker.peaks:
            self._source.hold([peak.row for peak in self._tracker.peaks])
        if self._reports_open:
            changes += [change for event in tracked.open for change in self._open(event)]
        return self._rested(changes)

    def end_segment(self) -> list[EventChange]:
        """End the segment, and with it an open event."""
        return [] if self._tracker is None else self._rested(self._closed(self._tracker.end_segment().closed))

    def state(self) -> dict[str, Any] | None:
        """Return everything it remembers, JSON-able; `None` if that is nothing."""
        if self._tracker is None:
            return None
        reported = [[row, *known] for row, known in self._reported.items()]
        return {"reported": reported, "tracker": _plain(self._tracker.state())}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a `state()`."""
        if state is not None:
            self._reported = {row: (version, score) for row, version, score in state["reported"]}
            self._tracker = EventTracker.from_state(self._rules, self._joins, state["tracker"])

    def _rested(self, changes: list[EventChange]) -> list[EventChange]:
        if self._tracker is not None and self._tracker.is_idle:
            self._tracker = None
        return changes

    def _open(self, event: TrackedEvent) -> list[EventChange]:
        row = event.first.row
        version, score = self._reported.get(row, (0, 0.0))
        is_severe = severity(event.score, event.threshold) >= self._rules.min_severity
        has_woken = version == 0 and self._rules.has_woken(event.stop.time)
        if not is_severe or (row in self._reported and event.score < _GROWN * score and not has_woken):
            return []
        described = self._source.describe(event, ended=False)
        is_news = version > 0 or self._is_reported(described)
        self._reported[row] = (version + is_news, event.score)
        state = "updated" if version else "opened"
        return [EventChange(state, version + 1, row, described)] if is_news else []

    def _closed(self, events: tuple[TrackedEvent, ...]) -> list[EventChange]:
        """An event that was reported while open is also reported when it closes."""
        changes = []
        for event in events:
            version, _ = self._reported.pop(event.first.row, (0, 0.0))
            described = self._source.describe(event, ended=True)
            if version or self._is_reported(described):
                changes.append(EventChange("closed", version + 1, event.first.row, described))
            elif self._lessons.holds_back(described):
                self.n_held_back += 1
        return changes

    def _is_reported(self, event: Event) -> bool:
        return is_reported(event, self._rules) and not self._lessons.holds_back(event)


def _plain(value: Any) -> Any:
    """Arrays become lists."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


FloatArray = NDArray[np.float64]
Lanes = NDArray[np.intp]


class Decisions(NamedTuple):
    """Decisions about k settled rows."""

    thresholds: FloatArray
    """`(k,)`."""
    labels: NDArray[np.bool_]
    """Whether rows are flagged, `(k,)`; blocked ones never are."""
    changes: list[EventChange]
    """What happened to events, in the order of the rows."""
    drifts: dict[int, Drift]
    """Lanes of a stream that have come to drift, which is looked for every 500 rows, by their place among the lanes."""


class Decider:
    """Holds the scores of lanes, in time order, against thresholds that follow them.

    A lane is the series of one entity. A file is one lane that brings thousands of rows at a time, a stream is many
    that bring a row each; cutting the rows in another way changes nothing.

    Parameters
    ----------
    thresholds, calibration
        What was learned of every kind of score.
    inputs
        Distributions of the channels in training.
    channels
        Their names.
    joins
        Error from which a channel takes part in an event, `(n_channels,)`, in usual errors.
    rules
        When flagged rows make an event, for this model's windows.
    window_size
        Rows of the model's longest window.
    adapt
        Whether thresholds follow the rows before, unless they were stated.
    arrays
        Where every lane has its place; `None` for a single one, lane 0.
    is_stream
        Whether rows have immediate scores too, and events are reported while they go on.
    full_lag
        Whether settled scores wait as long as the model's; otherwise they are immediate ones of a few rows later.
    lessons
        What people said of earlier events.

    Attributes
    ----------
    judges_smoothed : bool
        Whether the decision score is the smoothed one.
    following, tails : dict
        Thresholds of decision scores, and distributions of normal ones, by "settled" and, in a stream, "immediate".
    settled : FollowingThreshold
        Those of settled scores.
    events : list of EventWatch
        By lane.
    """

    def __init__(
        self,
        thresholds: ThresholdSet,
        calibration: CalibrationScores,
        *,
        inputs: Reference,
        channels: Sequence[str],
        joins: FloatArray,
        rules: EventRules,
        window_size: int,
        adapt: bool,
        arrays: Rings | None = None,
        is_stream: bool = False,
        full_lag: bool = True,
        lessons: Lessons | None = None,
    ) -> None:
        self._channels, self._joins, self._rules, self._is_stream = channels, joins, rules, is_stream
        self._lessons = lessons
        self.judges_smoothed = thresholds.judged == "smoothed"
        immediate = "immediate" if self.judges_smoothed else "immediate_unsmoothed"
        settled = "settled" if self.judges_smoothed else "unsmoothed"
        kinds = {"settled": settled if full_lag else immediate} | ({"immediate": immediate} if is_stream else {})
        self.arrays = Rings() if arrays is None else arrays
        self.tails: dict[str, LogTail] = {}
        self.following: dict[str, FollowingThreshold] = {}
        for name, kind in kinds.items():
            scores = getattr(calibration, kind)
            follows = None
            if adapt:
                follows = following_threshold(thresholds, scores, window_size, arrays=self.arrays, name=f"{name}.")
            self.following[name] = follows or StandingThreshold(getattr(thresholds, kind).value)
            self.tails[name] = fit_log_tail(scores)
        self.settled, self._static = self.following["settled"], thresholds.used.value
        self._inputs = DistributionWatch(inputs, arrays=self.arrays, name="drift.inputs.")
        reference = score_reference(getattr(calibration, kinds["settled"]))
        self._scores = DistributionWatch(reference, arrays=self.arrays, name="drift.scores.")
        self.arrays.add("drift.n_settled", (), np.int64)
        self.arrays.add("drift.drifts", (), np.bool_)
        self.arrays.add("has_event", (), np.bool_)
        self.events: list[EventWatch] = []
        if arrays is None:
            self.arrays.open()

    def watch(self, source: EventSource) -> EventWatch:
        """Add the events of the next lane."""
        watch = EventWatch(self._rules, self._joins, source, reports_open=self._is_stream, lessons=self._lessons)
        self.events.append(watch)
        return self.events[-1]

    def observe(self, lanes: Lanes | int, values: FloatArray) -> None:
        """Take the next input row of each lane `(m, n_channels)`, no lane twice; or of one lane `(n_channels,)`."""
        self._inputs.push_rows(lanes, values)

    def observe_table(self, values: NDArray[np.floating]) -> None:
        """Take the next input rows of lane 0, `(n, n_channels)`."""
        self._inputs.push(values)

    def immediate_thresholds(self, lanes: Lanes, scores: FloatArray, is_warm: NDArray[np.bool_]) -> FloatArray:
        """Return the threshold of the newest row of each lane, `(m,)`, no lane twice.

        `scores` are decision scores `(m,)`, learned afterwards where the lane `is_warm` `(m,)`.
        """
        following = self.following["immediate"]
        if is_warm.all():
            return following.next_of(lanes, scores)
        thresholds = following.values(lanes)
        thresholds[is_warm] = following.next_of(lanes[is_warm], scores[is_warm])
        return thresholds

    def settle_row(
        self, lane: int, row: int, time: int, score: float, errors: FloatArray, *, is_covered: bool
    ) -> tuple[float, list[EventChange], Drift | None]:
        """Decide about one settled row of a lane: `settle_each` in plain numbers, without the label."""
        if not is_covered:
            blocked = _block(time, score, self._static, errors, blocked=True)
            return self._static, self._track(lane, row, blocked) if self.events[lane].is_active else [], None
        threshold, arrays = self.settled.next(score, lane), self.arrays
        self._scores.push_rows(lane, score)
        n_settled = int(arrays["drift.n_settled"][lane]) + 1
        arrays["drift.n_settled"][lane] = n_settled
        drift = None if n_settled % BLOCK else self._new_drifts(np.array([lane])).get(0)
        if score > threshold or self._rules.enter_within > 1 or self.events[lane].is_active:
            return threshold, self._track(lane, row, _block(time, score, threshold, errors)), drift
        return threshold, [], drift

    def settle_each(
        self,
        lanes: Lanes,
        rows: NDArray[np.int64],
        times: NDArray[np.int64],
        scores: FloatArray,
        errors: FloatArray,
        covered: NDArray[np.bool_],
    ) -> Decisions:
        """Decide about the next settled row of each lane, no lane twice.

        Parameters
        ----------
        rows
            Their numbers among those of their entities, `(m,)`.
        times
            Nanoseconds since 1970, or the numbers again, `(m,)`.
        scores
            Decision scores `(m,)`.
        errors
            In usual errors, `(m, n_channels)`, NaN where missing.
        covered
            Whether a full window covers the row, `(m,)`; others are neither flagged nor learned.
        """
        taken = lanes[covered]
        thresholds = np.full(len(lanes), self._static)
        if len(taken):
            thresholds[covered] = self.settled.next_of(taken, scores[covered])
            self._scores.push_rows(taken, scores[covered, None])
            self.arrays["drift.n_settled"][taken] += 1
        labels, changes = (scores > thresholds) & covered, []
        watched = labels | self.arrays["has_event"][lanes] | (self._rules.enter_within > 1)
        for place in np.flatnonzero(watched).tolist():
            one = _block(times[place], scores[place], thresholds[place], errors[place], blocked=not covered[place])
            changes += self._track(int(lanes[place]), int(rows[place]), one)
        places = np.flatnonzero(covered)
        drifts = {int(places[place]): drift for place, drift in self._new_drifts(taken).items()} if len(taken) else {}
        return Decisions(thresholds, labels, changes, drifts)

    def settle_run(
        self,
        lane: int,
        first_row: int,
        times: NDArray[np.int64],
        scores: FloatArray,
        errors: NDArray[np.floating],
        *,
        blocked: NDArray[np.bool_] | None = None,
        ends_segment: bool = False,
    ) -> Decisions:
        """Decide about the next n settled rows of one lane, numbered from `first_row` on; see `settle_each`.

        Blocked rows `(n,)`, which are excluded or covered by no full window, never alarm and are not learned; they are
        held against the threshold that was learned in training.
        """
        blocked = np.zeros(len(scores), dtype=bool) if blocked is None else blocked
        thresholds, known = np.full(len(scores), self._static), scores[~blocked]
        thresholds[~blocked] = self.settled.thresholds(known, lane)
        self._scores.push(known[:, None], lane)
        self.arrays["drift.n_settled"][lane] += len(known)
        block = RowBlock(times, scores, thresholds, errors, blocked)
        changes = self.events[lane].take(first_row, block) if len(scores) else []
        if ends_segment:
            changes += self.events[lane].end_segment()
        self.arrays["has_event"][lane] = self.events[lane].is_active
        drifts = self._new_drifts(np.array([lane]), len(known)) if self._is_stream else {}
        return Decisions(thresholds, (scores > thresholds) & ~blocked, changes, drifts)

    def drifts(self, lanes: Lanes) -> list[Drift]:
        """Return how far the rows of each lane have moved from training."""
        last = self.settled.levels(lanes).tolist()
        return drifts_of(self._scores, self._inputs, self._channels, lanes, first=self.settled.first, last=last)

    def n_alarming(self) -> int:
        """Return the number of lanes with an event that goes on."""
        return int(self.arrays["has_event"][: self.arrays.n_lanes].sum())

    def n_drifting(self) -> int:
        """Return the number of lanes that drifted when last looked at."""
        return int(self.arrays["drift.drifts"][: self.arrays.n_lanes].sum())

    def furthest_moved(self) -> tuple[int, float] | None:
        """Return the lane whose threshold has moved furthest, and by how much; `None` if none has."""
        if not self.arrays.n_lanes:
            return None
        moved = self.settled.levels(np.arange(self.arrays.n_lanes)) - self.settled.first
        lane = int(np.argmax(np.abs(moved)))
        return (lane, float(moved[lane])) if moved.any() else None

    def _new_drifts(self, lanes: Lanes, n_rows: int = 1) -> dict[int, Drift]:
        """Look for drift in lanes that are due, of which `n_rows` have just settled; return what is new, by place."""
        places = np.flatnonzero(self.arrays["drift.n_settled"][lanes] % BLOCK < n_rows)
        if not len(places):
            return {}
        due = lanes[places]
        found = self.drifts(due)
        before, now = self.arrays["drift.drifts"][due], np.array([bool(drift.verdict) for drift in found])
        self.arrays["drift.drifts"][due] = now
        return {int(places[place]): found[place] for place in np.flatnonzero(now & ~before).tolist()}

    def _track(self, lane: int, first_row: int, rows: RowBlock) -> list[EventChange]:
        changes = self.events[lane].take(first_row, rows)
        self.arrays["has_event"][lane] = self.events[lane].is_active
        return changes


def _block(time: int, score: float, threshold: float, errors: FloatArray, *, blocked: bool = False) -> RowBlock:
    """Return a block of one row."""
    return RowBlock(np.array([time]), np.array([score]), np.array([threshold]), errors[None], np.array([blocked]))
