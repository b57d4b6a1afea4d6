"""Times, durations, amounts and events in words that a person reads without looking anything up."""

from __future__ import annotations

from datetime import datetime, time
from numbers import Integral
from typing import Any

from tsae.alarms.drift import Drift
from tsae.alarms.event import Event, SensorShare

__all__ = [
    "alarm_sentence",
    "amount",
    "comparison",
    "duration",
    "event_sentence",
    "interval",
    "joining_sentence",
    "moment",
    "percent",
    "rows",
    "span",
    "state_sentence",
    "threshold_sentence",
]

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def rows(n_rows: int) -> str:
    """Count rows.

    >>> rows(1), rows(12000)
    ('1 row', '12,000 rows')
    """
    return f"{n_rows:,} row{'' if n_rows == 1 else 's'}"


def duration(seconds: float | None, n_rows: int) -> str:
    """Say a length of time by its two largest units, or the number of rows where there is no clock.

    >>> duration(45, 9), duration(9000, 1800), duration(0.25, 5), duration(183600, 10), duration(None, 12)
    ('45 s', '2 h 30 min', '250 ms', '2 d 3 h', '12 rows')
    """
    if seconds is None:
        return rows(n_rows)
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    left = round(seconds) if seconds >= 10 else round(seconds, 1)
    parts = []
    for size, name in _UNITS:
        whole, left = divmod(left, size) if size > 1 else (left, 0)
        parts.append(f"{whole:g} {name}" if whole else "")
    first = next(place for place, part in enumerate(parts) if part)
    return " ".join(part for part in parts[first : first + 2] if part)


def moment(at: object) -> str:
    """Say a point in time: the date and clock with their offset, or a row number.

    >>> moment(datetime(2024, 3, 5, 14, 30)), moment(1234)
    ('2024-03-05 14:30', 'row 1,234')
    """
    if isinstance(at, datetime):  # pandas timestamps are datetimes
        clock = "%H:%M" if not at.second and not at.microsecond else "%H:%M:%S"
        text = f"{at:%Y-%m-%d} {at.strftime(clock)}"
        if at.microsecond:
            text += f".{at.microsecond:06d}".rstrip("0")
        offset = f"{at:%z}"
        return f"{text} {offset[:3]}:{offset[3:5]}" if offset else text
    return f"row {at:,}" if isinstance(at, Integral) else f"row {at}"


def interval(event: Event) -> str:
    """Say from when to when; a date that does not change is said once.

    >>> one, three = datetime(2024, 3, 5, 1), datetime(2024, 3, 5, 3)
    >>> interval(Event("1", one, three, 3, 7200.0, one, peak_score=9.0, p_value=1e-4, severity=80.0, sensors=()))
    '2024-03-05 01:00 to 03:00'
    """
    return span(event.start, event.stop)


def span(first: object, last: object) -> str:
    """Say from when to when; a date that does not change is said once, and whole days are said without the clock.

    >>> span(datetime(2024, 3, 5), datetime(2024, 3, 6, 23, 59, 59, 999999)), span(110, 120)
    ('2024-03-05 to 2024-03-06', 'row 110 to row 120')
    """
    start, stop = moment(first), moment(last)
    if start == stop:
        return start
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return f"{start} to {stop}"
    if first.time() == time.min and last.time() == time.max:
        return start[:10] if start[:10] == stop[:10] else f"{start[:10]} to {stop[:10]}"
    return f"{start} to {stop[11:]}" if start[:10] == stop[:10] else f"{start} to {stop}"


def amount(value: float | None, unit: str = "") -> str:
    """Say a measured value with four digits and its unit.

    >>> amount(3.14159, "bar"), amount(123456.0), amount(20.0, "%"), amount(None, "bar")
    ('3.142 bar', '123,456', '20 %', 'not observed')
    """
    if value is None or value != value:
        return "not observed"
    number = f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.4g}"
    return f"{number.replace('-', '−')} {unit}".rstrip()


def comparison(sensor: SensorShare, unit: str = "") -> str:
    """Say what was expected of a sensor at the peak and what it measured.

    >>> comparison(SensorShare("pressure", share=0.7, expected=4.6, actual=3.1), "bar")
    '4.6 → 3.1 bar'
    """
    if sensor.expected is None or sensor.actual is None:
        return amount(sensor.actual, unit)
    return f"{amount(sensor.expected)} → {amount(sensor.actual, unit)}"


def percent(share: float) -> str:
    """Say a share in percent, with enough digits for rare things.

    >>> percent(0.62), percent(0.0123), percent(0.00004), percent(0.0), percent(1.0)
    ('62 %', '1.2 %', '0.004 %', '0 %', '100 %')
    """
    number = 100 * share
    if number >= 10 or number == 0:
        return f"{number:.0f} %"
    return f"{number:.1f} %" if number >= 1 else f"{number:.1g} %"


def threshold_sentence(drift: Drift) -> str:
    """Say how far the threshold has moved; empty if it stood still.

    >>> threshold_sentence(Drift(0.3, first_threshold=6.5, last_threshold=7.25, n_rows=2000))
    'the threshold has followed the scores from 6.5 to 7.25'
    """
    if not drift.moved:
        return ""
    return f"the threshold has followed the scores from {drift.first_threshold:.3g} to {drift.last_threshold:.3g}"


def alarm_sentence(n_rows: int, n_flagged: int, n_alarms: int, period: float | None) -> str:
    """Say how much of the time was under alarm, and how often alarms came.

    Parameters
    ----------
    period
        Seconds from row to row; `None` without a clock.

    >>> alarm_sentence(20_160, 60, 3, 60.0)
    'alarm time 0.30 % of the rows (1 h), 1.5 alarms a week'
    >>> alarm_sentence(20_000, 60, 3, None)
    'alarm time 0.30 % of the rows (60 rows), 1.5 alarms in 10,000 rows'
    """
    share = 100 * n_flagged / n_rows if n_rows else 0.0
    if period is None:
        rate = f"{n_alarms / n_rows * 10_000 if n_rows else 0.0:.2g} alarms in 10,000 rows"
        return f"alarm time {share:.2f} % of the rows ({rows(n_flagged)}), {rate}"
    weeks = n_rows * period / (7 * 86_400)
    time = duration(n_flagged * period, n_flagged) if n_flagged else "none"
    return f"alarm time {share:.2f} % of the rows ({time}), {n_alarms / weeks if weeks else 0.0:.2g} alarms a week"


def state_sentence(entity: str, name: str, since: Any) -> str:
    """Say the state at the last row: quiet, in alarm, or changed.

    >>> state_sentence("", "quiet", None), state_sentence("pump 3", "changed", 110)
    ('state at the last row: quiet', 'state at the last row of pump 3: changed since row 110, the new normal')
    """
    of = f" of {entity}" if entity else ""
    words = {"quiet": "quiet", "alarm": "alarm since {}", "changed": "changed since {}, the new normal"}[name]
    return f"state at the last row{of}: {words.format(moment(since))}"


def event_sentence(event: Event) -> str:
    """Say what was measured at the peak of an event and what was expected instead.

    >>> sensor = SensorShare("pressure", share=0.7, expected=4.6, actual=3.1, unit="bar")
    >>> event = Event("1", 10, 19, 10, None, 14, peak_score=9.0, p_value=1e-4, severity=80.0, sensors=(sensor,))
    >>> event_sentence(event)
    'At row 14, pressure was 3.1 bar where 4.6 bar was expected (70 % of the error).'
    """
    at = f"At {moment(event.peak)}, "
    if not event.sensors:
        return f"{at}the score was {amount(event.peak_score)}."
    return f"{at}{_sensor_clause(event.sensors[0])}."


def _sensor_clause(sensor: SensorShare) -> str:
    share = f"({percent(sensor.share)} of the error)"
    if sensor.actual is None:
        return f"{sensor.sensor} was not observed {share}"
    measured = f"{sensor.sensor} was {amount(sensor.actual, sensor.unit)}"
    if sensor.expected is None:
        return f"{measured} {share}"
    return f"{measured} where {amount(sensor.expected, sensor.unit)} was expected {share}"


def joining_sentence(event: Event, n_sensors: int = 6) -> str:
    """Say in which order sensors came to stand out in an event, the first one with its time.

    >>> pattern = (("pressure", 10), ("flow", 12))
    >>> facts = {"peak_score": 9.0, "p_value": 1e-4, "severity": 80.0}
    >>> event = Event("10", 10, 19, 10, None, 14, sensors=(), pattern=pattern, **facts)
    >>> joining_sentence(event)
    'First to stand out was pressure at row 10, then flow (2 rows later).'
    """
    (first, start), *others = event.pattern
    told = [f"{sensor} ({_later(start, joined)})" for sensor, joined in others[: n_sensors - 1]]
    rest = len(others) - len(told)
    more = f", and {rest} more" if rest else ""
    then = f", then {', '.join(told)}{more}" if told else ""
    return f"First to stand out was {first} at {moment(start)}{then}."


def _later(start: Any, joined: Any) -> str:
    if start == joined:
        return "at once"
    if isinstance(start, datetime):
        return f"{duration((joined - start).total_seconds(), 0)} later"
    return f"{rows(joined - start)} later" if isinstance(joined, Integral) else moment(joined)
