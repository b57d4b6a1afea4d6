"""What keeps a threshold that follows the scores from learning an anomaly."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tsae.alarms.thresholds.threshold import Target

__all__ = ["Guards", "guards_for"]

_MEMORY = {"rows": 2000, "episodes": 3000}
_FINEST = 3.0  # the feedback aims at no less than a third of a row in memory: beyond, the tail is guesswork
_SURE = 1500.0  # feedback of an alarm over its budgeted rate: at a fine budget most alarms there are will be true
_MOST_SURE = 0.75


@dataclass(frozen=True)
class Guards:
    """What keeps a rolling threshold from learning an anomaly. One setting for all series."""

    memory: int
    """Latest learned rows that the threshold is taken from."""
    tail: float
    """Share of the memory that an exponential tail is fitted to."""
    feedback: float
    """By how much one false alarm more or less than the budget moves the log rate that is aimed at, or, for budgets
    of episodes, the threshold in mean excesses of the tail (which is the same if the tail is exponential)."""
    forget: float
    """Rows after which the feedback has faded to 1/e."""
    lowest: float
    highest: float
    """Bounds of the feedback."""
    hysteresis: float
    """How much lower than it began an alarm has to get to end, in nats; at most a quarter of the threshold."""
    held: int = 0
    """Rows for which an alarm is judged by no higher threshold than the one that it began with."""
    learned: int = 24
    """Rows learned from one alarm. What comes after them waits until the alarm ends, or is as long as the memory:
    then it is the new normal."""
    delay: int = 0
    """Rows wait so long to be learned; those still waiting when an alarm begins are left out, as they led up to it."""
    counted: int = 10
    """Flagged rows of one alarm that the feedback counts, for budgets of rows."""
    winsor: float = 0.3
    """Learned rows of an alarm are cut to the threshold plus this, in nats."""
    reach: float = 1.0
    """The tail is extrapolated at most so far beyond the largest score in memory, in nats: rows of an alarm in memory
    make it look heavy."""
    quiet: int = 16
    """Rows without a flag that end an alarm."""


def guards_for(target: Target) -> Guards:
    """The guards of row budgets, on unsmoothed scores, and of episode budgets, on smoothed ones.

    Where the budget allows less than one false alarm in the rows that are remembered, no row of an alarm is learned:
    a few true alarms would look like drift, and raise the threshold far above the next ones.
    """
    memory = _MEMORY[target.counts]
    is_rare = target.rate * memory < 1
    learned = 0 if is_rare else 24
    if target.counts == "rows":
        highest = max(1.0, math.log(_FINEST * memory * target.rate))
        delay = 16 if is_rare else 0
        return Guards(memory, 0.02, 0.4, 5 / target.rate, -1.0, highest, hysteresis=0.3, learned=learned, delay=delay)
    feedback = min(_MOST_SURE, _SURE * target.rate)
    return Guards(
        memory, 0.05, feedback, 1.5 / target.rate, -0.5, 4.0, hysteresis=1.0, held=300, learned=learned, delay=16
    )
