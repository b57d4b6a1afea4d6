"""When flagged rows make an event, and which events are reported."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from tsae.alarms import Direction
from tsae.checks import is_number, is_whole
from tsae.errors import DataError, ParameterError

__all__ = ["EventRules", "Snooze", "severities", "severity", "severity_band"]

FloatArray = NDArray[np.float64]
Pairs = tuple[tuple[str, Any], ...]
"""Pairs of a sensor, or "*" for all others, and its value."""

_WHOLE = {"merge_gap": 0, "min_duration": 1, "cool_down": 0, "enter_rows": 1, "enter_within": 1, "escalate_after": 1}
_BY_WINDOW = ("merge_gap", "escalate_after")
_SHORTEST_WINDOW = 16  # rows; shorter windows count as this long
_BANDS = ((85.0, "severe"), (65.0, "clear"), (0.0, "slight"))
_OTHERS = "*"
_PERCENT = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*%\s*")


@dataclass(frozen=True)
class Snooze:
    """A pause of the events of one entity, or of those that one sensor leads.

    Events that end before `until` are not reported; an event that goes on after it is. The time is that of the rows, so
    that a file and a stream agree.

    Raises
    ------
    ParameterError
        If `until` is not a time.

    Examples
    --------
    >>> Snooze("2026-12-01T08:00", entity="pump 3")
    Snooze(until='2026-12-01T08:00:00', entity='pump 3', sensor=None)
    """

    until: str
    """Time in ISO 8601, or a `datetime`; with a time zone if the times of the rows carry one."""
    entity: str | None = None
    """Name of the entity; `None` for all."""
    sensor: str | None = None
    """Name of the sensor with the largest share of the event; `None` for all."""

    def __post_init__(self) -> None:
        until: Any = self.until
        try:
            time = until if isinstance(until, datetime) else datetime.fromisoformat(until)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"`until` (={until!r}) must be a time in ISO 8601; write '2026-12-01T08:00', or "
                "'2026-12-01T08:00+01:00' with a time zone"
            ) from error
        object.__setattr__(self, "until", time.isoformat())

    @property
    def zoned(self) -> bool:
        """Whether `until` carries a time zone."""
        return datetime.fromisoformat(self.until).tzinfo is not None

    @property
    def until_ns(self) -> int:
        """`until` in nanoseconds since 1970, in UTC if it carries a time zone."""
        time = datetime.fromisoformat(self.until)
        since = (time if self.zoned else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


@dataclass(frozen=True)
class EventRules:
    """When flagged rows belong to one event, and which events are reported. Rows outside exclusions and gaps only.

    A stream holds an event against the rules when it opens, by what is known of it then. It also closes what it opened,
    even if a file, which knows the whole event, does not report it.

    Raises
    ------
    ParameterError
        If a value is of the wrong kind or out of range.

    Examples
    --------
    >>> EventRules(merge_gap=30, enter_rows=3, enter_within=5).cool_down
    0
    >>> EventRules(least_deviation={"temperature": 0.5, "*": "2%"}).least_deviation
    (('*', '2%'), ('temperature', 0.5))
    """

    merge_gap: int | None = None
    """An event ends when more than this many rows in a row are quiet; `None` is the model's longest window."""
    min_duration: int = 1
    """Events of fewer rows, from the first alarming to the last one, are not reported."""
    cool_down: int = 0
    """Rows after the last alarming row of an event in which no other event begins."""
    enter_rows: int = 1
    """Number of rows above the threshold that begin an event …"""
    enter_within: int = 1
    """… among this number of latest rows."""
    exit_ratio: float = 1.0
    """An event goes on while the score exceeds this part of the threshold (hysteresis), in (0, 1]."""
    direction: Direction | Mapping[str, Direction] | Pairs = "either"
    """"above" or "below" reports only events whose first sensor lies above or below the expected value. A mapping from
    sensor to direction states it by sensor, "*" for all others; it is kept as pairs."""
    min_severity: float = 0.0
    """Events of less severity are not reported, 0 to 100."""
    escalate_after: int | None = None
    """Rows after an alarm from which on its event may alarm again, because scores rise further or another sensor
    joins; `None` is half the model's longest window."""
    least_deviation: float | str | Mapping[str, float | str] | Pairs = ()
    """Smallest deviation from the expected value that is worth an event, in the sensor's unit (0.5) or as a part of the
    expected value ("5%"): one for all sensors, or a mapping from sensor to deviation, "*" for all others; it is kept as
    pairs. An event is not reported if its first sensor, and each other one with a share of at least 10 %, deviates less
    at the peak. A sensor without a least deviation, a measured or an expected value counts as deviating enough."""
    snoozes: tuple[Snooze, ...] = ()
    """Pauses of entities or sensors."""

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
        if not is_number(self.min_severity) or not 0 <= self.min_severity <= 100:
            raise ParameterError(f"`min_severity` (={self.min_severity!r}) must lie between 0 and 100")
        if not isinstance(self.direction, str):
            object.__setattr__(self, "direction", _pairs("direction", self.direction))
        for side in [self.direction] if isinstance(self.direction, str) else dict(self.direction).values():
            if side not in get_args(Direction):
                raise ParameterError(
                    f"`direction` (={side!r}) must be one of {', '.join(map(repr, get_args(Direction)))}"
                )
        self._keep_least_deviation()
        self._keep_snoozes()

    def direction_of(self, sensor: str) -> str:
        """Return the direction in which events are reported that this sensor leads."""
        if isinstance(self.direction, str):
            return self.direction
        sides = dict(self.direction)
        return str(sides.get(sensor, sides.get(_OTHERS, "either")))

    def least_deviation_of(self, sensor: str, expected: float) -> float | None:
        """Return the smallest deviation of a sensor that counts, in its unit; `None` if every one does."""
        assert isinstance(self.least_deviation, tuple)
        limits = dict(self.least_deviation)
        limit = limits.get(sensor, limits.get(_OTHERS))
        if isinstance(limit, str):
            return float(limit.removesuffix("%")) / 100 * abs(expected)
        return None if limit is None else float(limit)

    def has_woken(self, time: int) -> bool:
        """Return whether a snooze is over at a time in nanoseconds since 1970."""
        return any(snooze.until_ns <= time for snooze in self.snoozes)

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

    def check_sensors(self, channels: Sequence[str]) -> None:
        """Raise a `ParameterError` if a rule names a sensor that is not among the channels."""
        named = {"snoozes": [each.sensor for each in self.snoozes if each.sensor is not None]}
        for name in ("direction", "least_deviation"):
            value = getattr(self, name)
            named[name] = [] if isinstance(value, str) else [sensor for sensor, _ in value if sensor != _OTHERS]
        for name, sensors in named.items():
            for sensor in sensors:
                if sensor not in channels:
                    raise ParameterError(
                        f"`{name}` names {sensor!r}, which is not a channel; choose one of "
                        f"{', '.join(map(str, channels))}"
                    )

    def check_times(self, zoned: bool | None) -> None:
        """Raise a `DataError` if snoozes cannot be held against rows whose times are `zoned`; `None` for no times."""
        for snooze in self.snoozes:
            if zoned is None:
                raise DataError(
                    f"`snoozes` (until {snooze.until}) need rows with times, but these have numbers; name the column "
                    "of the time, or leave `snoozes` out"
                )
            if snooze.zoned != zoned:
                own, others = ("a", "none") if snooze.zoned else ("no", "one")
                raise DataError(
                    f"`snoozes` (until {snooze.until}) carry {own} time zone, but the times of the rows carry {others}"
                    f"; write {snooze.until[:16]}{'' if snooze.zoned else '+01:00'}"
                )

    def _keep_least_deviation(self) -> None:
        given = self.least_deviation
        pairs = ((_OTHERS, given),) if isinstance(given, str | int | float) else _pairs("least_deviation", given)
        object.__setattr__(self, "least_deviation", tuple((sensor, _deviation(*each)) for sensor, *each in pairs))

    def _keep_snoozes(self) -> None:
        given: Any = [self.snoozes] if isinstance(self.snoozes, Snooze) else self.snoozes
        if not isinstance(given, Iterable) or not all(isinstance(each, Snooze | Mapping) for each in given):
            raise ParameterError(f"`snoozes` (={given!r}) must be Snooze objects; write (Snooze('2026-12-01T08:00'),)")
        kept = tuple(each if isinstance(each, Snooze) else Snooze(**each) for each in given)
        object.__setattr__(self, "snoozes", kept)


def _pairs(name: str, given: Any) -> Pairs:
    """Return a mapping, or pairs from JSON, as sorted pairs, which can be hashed."""
    try:
        return tuple(sorted((str(sensor), value) for sensor, value in dict(given).items()))
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"`{name}` (={given!r}) must be one value for all sensors, or a mapping from sensor to value; use '*' for "
            "all other sensors"
        ) from error


def _deviation(value: Any) -> float | str:
    """Return a least deviation as a number, or as a part of the expected value such as "5%"."""
    share = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if share is not None:
        return f"{share[1]}%"
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise ParameterError(
            f"`least_deviation` (={value!r}) must be a number of at least 0 in the sensor's unit, or a part of the "
            "expected value; write 0.5 or '5%'"
        )
    return number


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
