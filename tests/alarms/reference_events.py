"""A slow and obvious twin of the event tracker: it sees all rows of a segment at once."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from tsae.alarms.rules import EventRules
from tsae.alarms.tracking import Moment, RowBlock, TrackedEvent

Array = npt.NDArray[Any]


def events_of(rows: RowBlock, rules: EventRules, joins: Array) -> list[TrackedEvent]:
    """Events of one segment: look at every row in turn, and at all rows of an event once it is over."""
    found: list[TrackedEvent] = []
    n_rows = len(rows.scores)
    first = last = None  # first and last alarming row of the open event
    active, quiet_until = False, -1
    for row in range(n_rows + 1):
        over = row == n_rows or rows.blocked[row]
        threshold = 0.0 if over else rows.thresholds[row]
        leave = threshold - (1 - rules.exit_ratio) * abs(threshold)
        recent = [] if over else [at for at in range(row + 1) if at > row - rules.enter_within]
        flagged = [
            at for at in recent if rows.scores[at] > rows.thresholds[at] and not rows.blocked[at] and at > quiet_until
        ]
        enters = row in flagged and len(flagged) >= rules.enter_rows
        active = not over and (rows.scores[row] > leave if active else enters)
        if active:
            first, last = flagged[0] if first is None else first, row
        elif first is not None and (over or row - last > rules.merge_gap):
            quiet_until = last
            if last - first + 1 >= rules.min_duration:
                found += _with_escalations(rows, rules, first, last, row, joins)
                quiet_until += rules.cool_down
            first = None
    return found


def _with_escalations(
    rows: RowBlock, rules: EventRules, first: int, last: int, over: int, joins: Array
) -> list[TrackedEvent]:
    """The event and its escalations, in the order in which they end; rows up to `over` say whether it is lasting."""
    begins, reference, had_joined = [], -math.inf, set()
    alarmed = first
    for row in range(first, last + 1):
        errors = [error if error == error else 0.0 for error in rows.errors[row].tolist()]
        leading = max(range(len(errors)), key=lambda channel: errors[channel])
        joins_now = errors[leading] >= joins[leading] and leading not in had_joined
        is_late = row >= alarmed + rules.escalate_after and row >= first + rules.min_duration - 1
        rises = rows.scores[row] > reference + 2.0
        if is_late and rows.scores[row] > rows.thresholds[row] and (joins_now or rises):
            begins.append(row)
            alarmed, reference = row, max(reference, rows.scores[row])
        elif not is_late:
            reference = max(reference, rows.scores[row])
        had_joined |= {channel for channel, error in enumerate(errors) if error >= joins[channel]}
    quiet = [rows.scores[row] for row in range(last + 1, min(over, last + rules.merge_gap + 1))]
    is_lasting = bool(quiet) and float(np.median(quiet)) > rows.thresholds[first]
    end = {"changed": is_lasting, "closing": last + rules.merge_gap + 1}
    whole = replace(_tracked(rows, first, last, joins), **end)
    stages = []
    for begin, following in pairwise([*begins, None]):
        stop = last if following is None else following - 1
        facts = end if following is None else {"closing": following}
        stages.append(replace(_tracked(rows, begin, stop, joins), escalates=_moment(rows, first), **facts))
    return [*stages[:-1], whole, *stages[-1:]]


def _tracked(rows: RowBlock, first: int, last: int, joins: Array) -> TrackedEvent:
    run = range(first, last + 1)
    n_channels = rows.errors.shape[1]
    means, excess = {}, {}
    for row in run:
        known = [error for error in rows.errors[row].tolist() if error == error]
        means[row] = sum(known) / len(known) if known else 0.0
        excess[row] = [max(error - 1, 0) if error == error else 0.0 for error in rows.errors[row].tolist()]
    level = {row: math.floor(16 * math.log2(max(means[row], 1e-12))) for row in run}
    core = [row for row in run if level[row] >= max(level.values()) - 32]
    start, stop = core[0], core[-1]
    peak = max(run, key=lambda row: means[row])

    def urgency(row: int) -> tuple[float, float]:
        score, threshold = rows.scores[row], rows.thresholds[row]
        return (max(score, 0) / threshold if threshold > 0 else math.inf, score)

    worst = max(run, key=urgency)
    joined = []
    for channel in range(n_channels):
        beyond = [row for row in run if rows.errors[row, channel] >= joins[channel]]
        joined.append(_moment(rows, max(beyond[0], start)) if beyond else None)
    return TrackedEvent(
        first=_moment(rows, first),
        start=_moment(rows, start),
        stop=_moment(rows, stop),
        last=_moment(rows, last),
        peak=_moment(rows, peak),
        score=float(rows.scores[worst]),
        threshold=float(rows.thresholds[worst]),
        excess=np.array([sum(excess[row][channel] for row in range(start, stop + 1)) for channel in range(n_channels)]),
        joined=tuple(joined),
    )


def _moment(rows: RowBlock, row: int) -> Moment:
    return Moment(row, int(rows.times[row]))
