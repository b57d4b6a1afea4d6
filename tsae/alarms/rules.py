"""When flagged rows make an event, and which events are worth telling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from tsae.alarms import Direction
from tsae.checks import is_number, is_whole
from tsae.errors import ParameterError

__all__ = ["EventRules", "severities", "severity", "severity_band"]

FloatArray = NDArray[np.float64]

_WHOLE = {"merge_gap": 0, "min_duration": 1, "cool_down": 0, "enter_rows": 1, "enter_within": 1, "escalate_after": 1}
_BY_WINDOW = ("merge_gap", "escalate_after")
_SHORTEST_WINDOW = 16  # rows; shorter windows count as this long
_BANDS = ((85.0, "severe"), (65.0, "clear"), (0.0, "slight"))


@dataclass(frozen=True)
class EventRules:
    """When flagged rows belong to one event, and which events are told. Rows outside exclusions and gaps only.

    Raises
    ------
    ParameterError
        If a value is of the wrong kind or out of range.

    Examples
    --------
    >>> EventRules(merge_gap=30, enter_rows=3, enter_within=5).cool_down
    0
    """

    merge_gap: int | None = None
    """An event ends when more than this many rows in a row are quiet; `None` is the model's longest window."""
    min_duration: int = 1
    """Events of fewer rows, from the first alarming to the last one, are not told."""
    cool_down: int = 0
    """Rows after the last alarming row of an event in which no other event begins."""
    enter_rows: int = 1
    """An event begins when so many rows …"""
    enter_within: int = 1
    """… of the last so many exceed the threshold."""
    exit_ratio: float = 1.0
    """It goes on while the score exceeds this part of the threshold (hysteresis), in (0, 1]."""
    direction: Direction = "either"
    """"above" or "below" tells only events whose first sensor lies above or below what was expected."""
    min_severity: float = 0.0
    """Events of less severity are not told, 0 to 100."""
    escalate_after: int | None = None
    """Rows after an alarm from which on its event may alarm again, because scores rise further or another sensor
    joins; `None` is half the model's longest window."""

    def __post_init__(self) -> None:
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            if not is_whole(value, least) and not (value is None and name in _BY_WINDOW):
                raise ParameterError(f"`{name}` (={value!r}) must be a whole number of rows, at least {least}")
        if self.enter_rows > self.enter_within:
            raise ParameterError(
                f"`enter_rows` (={self.enter_rows}) cannot exceed `enter_within` (={self.enter_within}); an event "
                "begins when `enter_rows` of the last `enter_within` rows exceed the threshold"
            )
        if not is_number(self.exit_ratio) or not 0 < self.exit_ratio <= 1:
            raise ParameterError(f"`exit_ratio` (={self.exit_ratio!r}) must lie in (0, 1], such as 0.8")
        if self.direction not in get_args(Direction):
            raise ParameterError(f"`direction` (={self.direction!r}) must be one of {', '.join(get_args(Direction))}")
        if not is_number(self.min_severity) or not 0 <= self.min_severity <= 100:
            raise ParameterError(f"`min_severity` (={self.min_severity!r}) must lie between 0 and 100")

    def for_window(self, window_size: int) -> EventRules:
        """Return the rules with all that depends on the model's longest window stated in rows.

        >>> EventRules().for_window(64).merge_gap
        64
        """
        window = max(window_size, _SHORTEST_WINDOW)
        return replace(
            self,
            merge_gap=window if self.merge_gap is None else self.merge_gap,
            escalate_after=window // 2 if self.escalate_after is None else self.escalate_after,
        )


def severity(score: float, threshold: float) -> float:
    """Severity 0–100 of a score: 50 at the threshold, 75 at three times it, towards 100 far above."""
    if score <= 0:
        return 0.0
    return 100.0 / (1.0 + max(threshold, 0.0) / score)


def severities(scores: FloatArray, thresholds: FloatArray | float) -> FloatArray:
    """`severity` of many scores `(n,)`; NaN stays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        above = 100.0 / (1.0 + np.maximum(thresholds, 0.0) / np.maximum(scores, 0.0))
    return np.asarray(np.where(scores <= 0, 0.0, above), dtype=np.float64)


def severity_band(value: float) -> str:
    """A severity in one word: "slight" (50 is at the threshold), "clear" from 65, "severe" from 85.

    >>> [severity_band(value) for value in (50, 70, 95)]
    ['slight', 'clear', 'severe']
    """
    return next(word for least, word in _BANDS if value >= least)
