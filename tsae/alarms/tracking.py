"""From scores to events, row by row: the same for a file, which is tracked from its first row to its last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.rules import EventRules
from tsae.series.channels import ChannelScaler

__all__ = [
    "EventTracker",
    "Evidence",
    "Moment",
    "RowBlock",
    "Tracked",
    "TrackedEvent",
    "join_levels",
]

FloatArray = NDArray[np.float64]
_OCTAVE = 16  # levels of mean errors, so that few of them span a factor of four
_CORE_DEPTH = 2 * _OCTAVE  # a quarter of the largest error
_LEAST_ERROR = 1e-12


class Moment(NamedTuple):
    """A row, by its number, and its time as the caller counts it (nanoseconds, or the number again)."""

    row: int
    time: int


class RowBlock(NamedTuple):
    """Consecutive rows of one segment."""

    times: NDArray[np.int64]
    """`(n,)`; the tracker only hands them on."""
    scores: FloatArray
    """`(n,)`, higher = more anomalous."""
    thresholds: FloatArray
    """`(n,)`; a row is flagged if its score exceeds its threshold."""
    errors: NDArray[np.floating]
    """In usual errors, `(n, n_channels)`, NaN where missing."""
    blocked: NDArray[np.bool_]
    """Rows that must not alarm, `(n,)`."""

    def rows(self, start: int, stop: int | None = None) -> RowBlock:
        """Some of the rows."""
        parts: list[Any] = [part[start:stop] for part in self]
        return RowBlock(*parts)


@dataclass(frozen=True)
class TrackedEvent:
    """An event in numbers; what it meant for the sensors is worked out from its peak."""

    first: Moment
    """The first alarming row; an event's identity, it never changes."""
    start: Moment
    """The first row whose error is at least about a quarter of the event's largest."""
    stop: Moment
    """The last such row, inclusive."""
    last: Moment
    """The last alarming row."""
    peak: Moment
    """The row of the largest error: there expected and actual values are furthest apart."""
    score: float
    """The largest score, relative to the threshold of its row."""
    threshold: float
    """The threshold of that row."""
    excess: FloatArray
    """Error above the usual from `start` to `stop`, summed, `(n_channels,)`."""
    joined: tuple[Moment | None, ...]
    """When each channel's error first was out of the ordinary."""
    escalates: Moment | None = None
    """The first alarming row of the event that it is an escalation of; `None` for an event of its own."""
    changed: bool = False
    """Whether it ended as the new normal: scores stayed high, but were news no more."""
    closing: int = -1
    """Number of the row with which it ended, unless its segment did before."""


class Evidence:
    """Takes the rows of one event, in order and without holes, and knows what they came to at any time.

    Scores are smoothed, so that a run of alarming rows is up to two windows wider than its cause: the event is told
    from the first to the last row whose error is at least a quarter of the largest. The first one may yet move, so
    the rows that it may be are kept: those of a higher level than all before, of which there are few.

    Parameters
    ----------
    first
        The first alarming row.
    joins
        Error from which a channel takes part, `(n_channels,)`.
    """

    def __init__(self, first: Moment, joins: FloatArray) -> None:
        self.first = self._last = first
        self._joins = joins
        self._excess = np.zeros(len(joins))
        self._stop, self._stop_excess = first, self._excess
        self._peak, self._peak_error = first, -1.0
        self._score, self._threshold, self._ratio = -np.inf, np.inf, -np.inf
        self._starts: list[tuple[Moment, int, FloatArray]] = []
        self._joined = np.full((len(joins), 2), -1, dtype=np.int64)

    def absorb(self, first_row: int, block: RowBlock) -> None:
        """Take the next rows, the first of which has this number."""
        if not len(block.scores):
            return
        errors, observed = block.errors, ~np.isnan(block.errors)
        total = np.where(observed, errors, 0.0).sum(axis=1, dtype=np.float64)
        means = total / np.maximum(observed.sum(axis=1), 1)
        above_usual = np.maximum(np.nan_to_num(errors.astype(np.float64), nan=1.0) - 1.0, 0.0)
        cumulated = self._excess + np.cumsum(above_usual, axis=0)
        before = np.concatenate([self._excess[None], cumulated[:-1]])
        moments = [first_row, block.times]
        self._last = _moment(moments, len(means) - 1)
        octaves = np.log2(np.maximum(means, _LEAST_ERROR))
        self._take_core(moments, np.floor(_OCTAVE * octaves).astype(np.int64), before, cumulated)
        self._excess = cumulated[-1]
        top = int(np.argmax(means))
        if means[top] > self._peak_error:
            self._peak, self._peak_error = _moment(moments, top), float(means[top])
        self._take_scores(block)
        beyond = errors >= self._joins  # NaN is not
        for channel in np.flatnonzero((self._joined[:, 0] < 0) & beyond.any(axis=0)).tolist():
            self._joined[channel] = _moment(moments, int(np.argmax(beyond[:, channel])))

    @property
    def peak(self) -> Moment:
        """The row of the largest error so far."""
        return self._peak

    @property
    def has_joined(self) -> NDArray[np.bool_]:
        """Whether each channel's error has been out of the ordinary, `(n_channels,)`."""
        return np.asarray(self._joined[:, 0] >= 0)

    def summary(self) -> TrackedEvent:
        """What it comes to so far."""
        start, _, before = self._starts[0]
        return TrackedEvent(
            first=self.first,
            start=start,
            stop=self._stop,
            last=self._last,
            peak=self._peak,
            score=self._score,
            threshold=self._threshold,
            excess=self._stop_excess - before,
            joined=tuple(_clipped(Moment(*mark), start) for mark in self._joined.tolist()),
        )

    def state(self) -> dict[str, Any]:
        """Everything it knows, as numbers and arrays."""
        return {
            "first": list(self.first),
            "joins": self._joins,
            "excess": self._excess,
            "last": list(self._last),
            "stop": list(self._stop),
            "stop_excess": self._stop_excess,
            "peak": list(self._peak),
            "peak_error": self._peak_error,
            "score": self._score,
            "threshold": self._threshold,
            "ratio": self._ratio,
            "starts": np.array([[*moment, level] for moment, level, _ in self._starts], dtype=np.int64),
            "starts_excess": np.array([before for *_, before in self._starts]),
            "joined": self._joined,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Evidence:
        """The evidence that had this `state()`; arrays may have become lists."""
        evidence = cls(Moment(*state["first"]), np.asarray(state["joins"], dtype=np.float64))
        evidence._excess = np.asarray(state["excess"], dtype=np.float64)
        evidence._last = Moment(*state["last"])
        evidence._stop = Moment(*state["stop"])
        evidence._stop_excess = np.asarray(state["stop_excess"], dtype=np.float64)
        evidence._peak, evidence._peak_error = Moment(*state["peak"]), float(state["peak_error"])
        evidence._score, evidence._threshold = float(state["score"]), float(state["threshold"])
        evidence._ratio = float(state["ratio"])
        starts = np.asarray(state["starts"], dtype=np.int64).reshape(-1, 3).tolist()
        excesses = np.asarray(state["starts_excess"], dtype=np.float64)
        evidence._starts = [
            (Moment(row, time), level, excess) for (row, time, level), excess in zip(starts, excesses, strict=True)
        ]
        evidence._joined = np.asarray(state["joined"], dtype=np.int64).reshape(-1, 2)
        return evidence

    def _take_core(
        self, moments: list[Any], levels: NDArray[np.int64], before: FloatArray, cumulated: FloatArray
    ) -> None:
        highest = self._starts[-1][1] if self._starts else np.iinfo(np.int64).min
        running = np.maximum.accumulate(np.concatenate([[highest], levels]))
        for place in np.flatnonzero(levels > running[:-1]).tolist():
            self._starts.append((_moment(moments, place), int(levels[place]), before[place].copy()))
        self._starts = [entry for entry in self._starts if entry[1] >= int(running[-1]) - _CORE_DEPTH]
        inside = np.flatnonzero(levels >= running[1:] - _CORE_DEPTH)
        if len(inside):
            last = int(inside[-1])
            self._stop, self._stop_excess = _moment(moments, last), cumulated[last].copy()

    def _take_scores(self, block: RowBlock) -> None:
        above = np.maximum(block.scores, 0.0)
        ratios = np.divide(above, block.thresholds, out=np.full(len(above), np.inf), where=block.thresholds > 0)
        top = int(np.lexsort((block.scores, ratios))[-1])
        if (ratios[top], block.scores[top]) > (self._ratio, self._score):
            self._ratio = float(ratios[top])
            self._score, self._threshold = float(block.scores[top]), float(block.thresholds[top])


def _moment(moments: list[Any], place: int) -> Moment:
    first_row, times = moments
    return Moment(first_row + place, int(times[place]))


def _clipped(joined: Moment, start: Moment) -> Moment | None:
    if joined.row < 0:
        return None
    return start if joined.row < start.row else joined


_JOINS = 10.0  # usual errors; about one in a thousand squared normal numbers is larger
_SWITCH_JOINS = 1.0  # a switch's error counts in the largest of training
_RISE = 2.0  # nats above what an event's scores were soon after its latest alarm; more is an escalation


class Tracked(NamedTuple):
    """What one call brought."""

    closed: tuple[TrackedEvent, ...]
    """Events and escalations that ended, in the order in which they did; none changes any more."""
    open: tuple[TrackedEvent, ...]
    """The event that goes on and its latest escalation, as far as they are known; without those that are too short to
    be reported."""


def join_levels(scaler: ChannelScaler) -> FloatArray:
    """The error from which a channel counts as part of an event, `(n_channels,)`."""
    levels = np.full(len(scaler.role), _JOINS)
    levels[scaler.switch_channels] = _SWITCH_JOINS
    return levels


class EventTracker:
    """Finds events in settled scores that come block by block, one segment after the other.

    A row is flagged if its score exceeds its threshold. An event begins when `enter_rows` of the last `enter_within`
    rows are flagged, with the first of these; it goes on while scores exceed `exit_ratio` of the threshold, and over
    quiet stretches of at most `merge_gap` rows that the next beginning ends. It ends with its last alarming row, and at
    the end of its segment; a blocked row ends it too. Then no event begins for `cool_down` rows, if it was long enough
    to be reported. A fault that gets worse within it, or reaches a further channel, is an escalation: an event inside
    the event, which ends with it or with the next escalation.

    Cutting the rows into blocks in another way changes nothing. Memory does not grow with rows or events.

    Parameters
    ----------
    rules
        What makes an event.
    joins
        Error from which a channel counts as part of an event, `(n_channels,)`, in usual errors.
    first_row
        Number of the first row that it takes.

    Examples
    --------
    >>> tracker = EventTracker(EventRules(merge_gap=1), np.array([10.0]))
    >>> scores = np.array([0.0, 5.0, 0.0, 5.0, 0.0])
    >>> rows = RowBlock(np.arange(5), scores, np.full(5, 3.0), 10 * scores[:, None] + 1, np.zeros(5, dtype=bool))
    >>> [event.start.row for event in tracker.push(rows).open]
    [1]
    >>> (event,) = tracker.end_segment().closed
    >>> event.start.row, event.stop.row
    (1, 3)
    """

    def __init__(self, rules: EventRules, joins: FloatArray, *, first_row: int = 0) -> None:
        self.rules = rules
        self._joins = np.asarray(joins, dtype=np.float64)
        self._n_rows = first_row  # the next row's number
        self._active = False  # whether the last row was alarming
        self._last_alarm = self._quiet_until = -1
        self._n_absorbed = 0  # rows before it are part of the evidence, or of no event
        self._evidence: Evidence | None = None
        self._stage: Evidence | None = None  # the latest escalation
        self._began = np.inf  # threshold of the event's first row
        self._alarmed, self._reference = -1, -np.inf  # latest alarm of the event, and the highest score soon after it
        self._kept = self._empty()  # the last rows, as far as they may still become part of an event

    @property
    def is_idle(self) -> bool:
        """Whether the next row would meet a tracker that might as well be a new one."""
        remembers = self._active or self._evidence is not None or self._quiet_until >= self._n_rows
        return not remembers and not len(self._kept.scores)

    @property
    def peaks(self) -> list[Moment]:
        """The rows of the largest errors of the event that goes on and of its latest escalation, reported or not."""
        return [evidence.peak for evidence in (self._evidence, self._stage) if evidence is not None]

    def push(self, block: RowBlock) -> Tracked:
        """Take the next rows of the segment."""
        first = self._n_rows - len(self._kept.scores)
        joined: list[Any] = [np.concatenate(parts) for parts in zip(self._kept, block, strict=True)]
        rows = RowBlock(*joined)
        row, self._n_rows = self._n_rows, self._n_rows + len(block.scores)
        closed: list[TrackedEvent] = []
        signals = _Signals(rows, self.rules, first)
        signals.silence(self._quiet_until)
        while row < self._n_rows:
            row = (self._leave if self._active else self._enter)(signals, row, closed)
        if self._active:
            self._last_alarm = self._n_rows - 1
            self._absorb(signals, closed)
        self._keep(signals)
        return Tracked(tuple(closed), self._reported())

    def end_segment(self) -> Tracked:
        """End the segment and with it an event that was still open."""
        closed = self._close(self._kept.rows(len(self._kept.scores) - max(0, self._n_rows - self._last_alarm - 1)))
        self._active, self._kept = False, self._empty()
        return Tracked(closed, ())

    def state(self) -> dict[str, Any]:
        """Everything it remembers, as plain numbers, arrays and dictionaries of them."""
        return {
            "n_rows": self._n_rows,
            "active": self._active,
            "last_alarm": self._last_alarm,
            "quiet_until": self._quiet_until,
            "n_absorbed": self._n_absorbed,
            "evidence": None if self._evidence is None else self._evidence.state(),
            "stage": None if self._stage is None else self._stage.state(),
            "began": self._began,
            "alarmed": self._alarmed,
            "reference": self._reference,
            "kept": self._kept._asdict(),
        }

    @classmethod
    def from_state(cls, rules: EventRules, joins: FloatArray, state: Mapping[str, Any]) -> EventTracker:
        """The tracker that had this `state()`; arrays may have become lists."""
        tracker = cls(rules, joins)
        tracker._n_rows, tracker._active = int(state["n_rows"]), bool(state["active"])
        tracker._last_alarm, tracker._quiet_until = int(state["last_alarm"]), int(state["quiet_until"])
        tracker._n_absorbed = int(state["n_absorbed"])
        tracker._evidence = None if state["evidence"] is None else Evidence.from_state(state["evidence"])
        tracker._stage = None if state["stage"] is None else Evidence.from_state(state["stage"])
        tracker._began, tracker._alarmed = float(state["began"]), int(state["alarmed"])
        tracker._reference = float(state["reference"])
        like = tracker._empty()._asdict()
        kept = state["kept"]
        parts: dict[str, Any] = {name: np.asarray(kept[name], dtype=empty.dtype) for name, empty in like.items()}
        parts["errors"] = parts["errors"].reshape(-1, len(tracker._joins))
        tracker._kept = RowBlock(**parts)
        return tracker

    def _leave(self, signals: _Signals, row: int, closed: list[TrackedEvent]) -> int:
        """From an alarming row to the next one that is not."""
        quiet = signals.next(signals.quiet, row)
        self._last_alarm = min(quiet, self._n_rows) - 1
        if quiet < self._n_rows:
            self._active = False
            self._absorb(signals, closed)
        return quiet

    def _enter(self, signals: _Signals, row: int, closed: list[TrackedEvent]) -> int:
        """From a quiet row to the next one with which an event begins or goes on, closing what ended before it."""
        entry = signals.next(signals.entries, row)
        if self._evidence is not None:
            end = min(self._last_alarm + (self.rules.merge_gap or 0) + 1, signals.next(signals.blocked, row))
            if end < min(entry, self._n_rows):
                closed += self._close(signals.rows.rows(self._last_alarm + 1 - signals.first, end - signals.first))
                signals.silence(self._quiet_until)
                return max(row, end + 1)
        if entry < self._n_rows:
            self._active, self._last_alarm = True, entry
            if self._evidence is None:
                begin = signals.first_of_entry(entry)
                place = begin - signals.first
                self._evidence = Evidence(Moment(begin, int(signals.rows.times[place])), self._joins)
                self._began = float(signals.rows.thresholds[place])
                self._alarmed, self._reference = begin, -np.inf
                self._n_absorbed = begin
            return entry + 1
        return self._n_rows

    def _absorb(self, signals: _Signals, closed: list[TrackedEvent]) -> None:
        """Take the rows up to the last alarming one into the event and into its escalations."""
        if self._evidence is None:
            return
        first = self._n_absorbed
        rows = signals.rows.rows(first - signals.first, self._last_alarm + 1 - signals.first)
        self._n_absorbed = self._last_alarm + 1
        while len(rows.scores):
            place = self._escalation_in(first, rows)
            before = rows.rows(0, place)
            self._evidence.absorb(first, before)
            if self._stage is not None:
                self._stage.absorb(first, before)
            first, rows = first + len(before.scores), rows.rows(len(before.scores))
            if len(rows.scores):
                closed += [replace(event, closing=first) for event in self._staged()]
                self._stage = Evidence(Moment(first, int(rows.times[0])), self._joins)
                self._alarmed = first

    def _escalation_in(self, first_row: int, rows: RowBlock) -> int | None:
        """Return the place of the first row that alarms again within the event; `None` if there is none.

        Such a row is flagged, lies some rows after the latest alarm, and either exceeds by far what scores were soon
        after it, or has its largest error in a channel that was not out of the ordinary before.
        """
        if self._evidence is None:
            return None
        earliest = max(
            self._alarmed + (self.rules.escalate_after or 1), self._evidence.first.row + self.rules.min_duration - 1
        )
        n_early = min(max(0, earliest - first_row), len(rows.scores))
        self._reference = max(self._reference, float(rows.scores[:n_early].max(initial=-np.inf)))
        late = rows.rows(n_early)
        if not len(late.scores):
            return None
        errors = np.nan_to_num(rows.errors, nan=0.0)
        has_joined = np.logical_or.accumulate(np.vstack([self._evidence.has_joined, errors >= self._joins]))[:-1]
        errors, has_joined = errors[n_early:], has_joined[n_early:]
        leading = np.argmax(errors, axis=1)[:, None]
        joins = np.take_along_axis(errors, leading, axis=1)[:, 0] >= self._joins[leading[:, 0]]
        joins &= ~np.take_along_axis(has_joined, leading, axis=1)[:, 0]
        rises = late.scores > self._reference + _RISE
        again = (rises | joins) & (late.scores > late.thresholds) & ~late.blocked
        return n_early + int(np.argmax(again)) if again.any() else None

    def _staged(self) -> list[TrackedEvent]:
        """Return the latest escalation, if there is one."""
        if self._stage is None or self._evidence is None:
            return []
        return [replace(self._stage.summary(), escalates=self._evidence.first)]

    def _reported(self) -> tuple[TrackedEvent, ...]:
        """Return the event and its latest escalation, as far as they are known; nothing if it is too short."""
        evidence = self._evidence
        if evidence is None or self._last_alarm - evidence.first.row + 1 < self.rules.min_duration:
            return ()
        return evidence.summary(), *self._staged()

    def _close(self, quiet: RowBlock) -> tuple[TrackedEvent, ...]:
        """End the event; `quiet` are the rows after its last alarming one."""
        changed = len(quiet.scores) > 0 and bool(np.median(quiet.scores) > self._began)
        closing = self._last_alarm + (self.rules.merge_gap or 0) + 1
        closed = tuple(replace(event, changed=changed, closing=closing) for event in self._reported())
        self._evidence = self._stage = None
        self._quiet_until = max(self._quiet_until, self._last_alarm)  # its rows begin no other event
        if closed:
            self._quiet_until += self.rules.cool_down
        return closed

    def _keep(self, signals: _Signals) -> None:
        n_pending = 0 if self._evidence is None else self._n_rows - self._last_alarm - 1
        n_kept = min(max(n_pending, self.rules.enter_within - 1), len(signals.rows.scores))
        kept: list[Any] = [part[len(part) - n_kept :].copy() for part in signals.rows]
        self._kept = RowBlock(*kept)

    def _empty(self) -> RowBlock:
        nothing = np.zeros(0)
        errors = np.zeros((0, len(self._joins)))
        return RowBlock(np.zeros(0, dtype=np.int64), nothing, nothing, errors, np.zeros(0, dtype=bool))


class _Signals:
    """Where in a block events may begin and end; rows go by their numbers, `first` is that of the block's first."""

    def __init__(self, rows: RowBlock, rules: EventRules, first: int) -> None:
        self.rows, self._rules, self.first = rows, rules, first
        self._stop = first + len(rows.scores)
        self._flagged = (rows.scores > rows.thresholds) & ~rows.blocked
        leave = rows.thresholds - (1 - rules.exit_ratio) * np.abs(rows.thresholds)
        self.quiet = np.flatnonzero(~(rows.scores > leave) | rows.blocked) + first
        self.blocked = np.flatnonzero(rows.blocked) + first
        self._find_entries()

    def silence(self, until: int) -> None:
        """Let no row up to this one begin an event."""
        if until >= self.first and self._flagged[: until + 1 - self.first].any():
            self._flagged[: until + 1 - self.first] = False
            self._find_entries()

    def next(self, rows: NDArray[np.intp], row: int) -> int:
        """The first of these rows that is not before `row`; the one behind the block if there is none."""
        place = int(np.searchsorted(rows, row))
        return int(rows[place]) if place < len(rows) else self._stop

    def first_of_entry(self, entry: int) -> int:
        """The first flagged row among the last `enter_within` ones."""
        earliest = max(self.first, entry + 1 - self._rules.enter_within)
        return earliest + int(np.argmax(self._flagged[earliest - self.first : entry + 1 - self.first]))

    def _find_entries(self) -> None:
        entering = self._flagged
        within = self._rules.enter_within
        if within > 1:
            counts = np.concatenate([np.zeros(within, dtype=np.int64), np.cumsum(self._flagged)])
            entering = self._flagged & (counts[within:] - counts[:-within] >= self._rules.enter_rows)
        self.entries = np.flatnonzero(entering) + self.first
