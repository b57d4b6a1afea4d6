"""What the rows of one event add up to, in memory that does not grow with the event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evidence", "Moment", "RowBlock", "TrackedEvent", "error_levels", "excess_errors"]

FloatArray = NDArray[np.float64]
_OCTAVE = 16  # levels
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


def excess_errors(errors: NDArray[np.floating]) -> FloatArray:
    """Errors above the usual `(n, n_channels)`; 0 where missing."""
    return np.maximum(np.nan_to_num(np.asarray(errors, dtype=np.float64), nan=1.0) - 1.0, 0.0)


def mean_errors(errors: NDArray[np.floating]) -> FloatArray:
    """Mean over the observed channels, `(n,)`; 0 where there is none."""
    observed = ~np.isnan(errors)
    total = np.where(observed, errors, 0.0).sum(axis=1, dtype=np.float64)
    return np.asarray(total / np.maximum(observed.sum(axis=1), 1))


def error_levels(means: FloatArray) -> NDArray[np.int64]:
    """Mean errors `(n,)` in steps of a sixteenth of an octave, so that few levels span a factor of four."""
    return np.asarray(np.floor(_OCTAVE * np.log2(np.maximum(means, _LEAST_ERROR))), dtype=np.int64)


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
        means = mean_errors(block.errors)
        cumulated = self._excess + np.cumsum(excess_errors(block.errors), axis=0)
        before = np.concatenate([self._excess[None], cumulated[:-1]])
        moments = [first_row, block.times]
        self._last = _moment(moments, len(means) - 1)
        self._take_core(moments, error_levels(means), before, cumulated)
        self._excess = cumulated[-1]
        top = int(np.argmax(means))
        if means[top] > self._peak_error:
            self._peak, self._peak_error = _moment(moments, top), float(means[top])
        self._take_scores(block)
        self._take_joined(moments, block.errors)

    @property
    def peak(self) -> Moment:
        """The row of the largest error so far."""
        return self._peak

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

    def _take_joined(self, moments: list[Any], errors: NDArray[np.floating]) -> None:
        beyond = errors >= self._joins  # NaN is not
        fresh = np.flatnonzero((self._joined[:, 0] < 0) & beyond.any(axis=0))
        for channel in fresh.tolist():
            self._joined[channel] = _moment(moments, int(np.argmax(beyond[:, channel])))


def _moment(moments: list[Any], place: int) -> Moment:
    first_row, times = moments
    return Moment(first_row + place, int(times[place]))


def _clipped(joined: Moment, start: Moment) -> Moment | None:
    if joined.row < 0:
        return None
    return start if joined.row < start.row else joined
