"""Events: stretches of anomalous rows, each with its peak, its severity and the sensors behind it.

A stream sees an event's end some rows later, and then knows some more rows, but not all that follow. What is said of
an event therefore depends on the rows known by then only, in a file as in a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.rules import severity, severity_band
from tsae.alarms.tracking import Moment, TrackedEvent
from tsae.scoring.blame import BlameModel
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.rebuilding import expected_values, in_units
from tsae.series.channels import forward_filled
from tsae.series.grid import GridSeries

__all__ = [
    "Event",
    "Naming",
    "PeakRows",
    "PeakView",
    "SensorShare",
    "as_event",
    "event_fields",
    "event_id",
    "peak_reach",
    "peak_rows",
    "state_now",
    "time_number",
    "time_text",
    "view_peak",
]

_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class SensorShare:
    """One sensor's part in an event."""

    sensor: str
    share: float
    """Part of the event that the sensor is to blame for, in [0, 1]; the shares of all sensors sum to one."""
    expected: float | None
    """What should have been measured at the peak, in the sensor's unit; `None` if there is no expectation. Of a sensor
    to blame: what the others, and its own values outside the event, let expect; of others: what the model rebuilt."""
    actual: float | None
    """What was measured at the peak, in the sensor's unit."""
    unit: str = ""

    @property
    def direction(self) -> str:
        """Whether it lay "above" or "below" what was expected at the peak; empty if that is not known."""
        if self.expected is None or self.actual is None or self.expected == self.actual:
            return ""
        return "above" if self.actual > self.expected else "below"


@dataclass(frozen=True)
class Event:
    """A stretch of anomalous rows.

    Times are timestamps where the table has them and row numbers otherwise (in a stream `numpy.datetime64`, in UTC if
    its times carry a zone). `start` and `stop` are the first and
    the last row (inclusive) with an error of at least about a quarter of the event's largest: scores are smoothed, so
    that rows up to about a window beside the cause alarm too.
    """

    event_id: str
    """Entity and time of the first alarming row, or its number without times: "pump 3:2026-03-01T00:10:00". An event
    keeps it while it goes on and once it has ended, and has the same one in a file and in a stream."""
    start: Any
    stop: Any
    n_rows: int
    duration: float | None
    """Seconds from `start` to `stop` plus one sampling period; `None` without a clock."""
    peak: Any
    """The row of the largest error; there expected and actual values are compared."""
    peak_score: float
    """The largest score of the event."""
    p_value: float
    """Tail probability of that score: about the share of normal rows that score higher, in (0, 1]."""
    severity: float
    """0–100, the same for every model: 50 at the threshold, towards 100 far above it."""
    sensors: tuple[SensorShare, ...]
    """Ranked, the most responsible first."""
    pattern: tuple[tuple[str, Any], ...] = ()
    """Sensors and when the error of each first was out of the ordinary, in this order; those where it never was, and
    those with a share below 2 %, are left out."""
    entity: str = ""
    ended: bool = True
    """Whether the event is over; one that goes on in a stream may still change."""
    zoned: bool = False
    """Whether `numpy.datetime64` times are in UTC, because the times of the stream carry a zone."""
    escalates: str = ""
    """Id of the event that this one lies in and makes worse; empty for an event of its own."""
    changed: bool = False
    """Whether scores stayed high when the event ended: a lasting change, the new normal since `start`."""

    @property
    def involved(self) -> tuple[SensorShare, ...]:
        """Of `sensors` those with a share of at least 1 %, and the first one in any case."""
        return self.sensors[:1] + tuple(each for each in self.sensors[1:] if each.share >= _LEAST_SHARE)

    @property
    def band(self) -> str:
        """The severity in one word: "slight", "clear" or "severe"."""
        return severity_band(self.severity)

    @property
    def direction(self) -> str:
        """Whether the first sensor lay "above" or "below" what was expected at the peak; empty if not known."""
        return self.sensors[0].direction if self.sensors else ""


def state_now(events: Sequence[Event], *, is_flagged: bool) -> tuple[str, Any]:
    """Return "alarm", "changed" or "quiet", and the start of the event behind it (`None` if it is quiet).

    Parameters
    ----------
    events
        Events of one entity, in time order.
    is_flagged
        Whether its last row is flagged.
    """
    own = [event for event in events if not event.escalates]
    if own and (is_flagged or own[-1].changed):
        return "alarm" if is_flagged else "changed", own[-1].start
    return "quiet", None


def time_text(time: Any, *, zoned: bool = False) -> str | int:
    """Return a time in ISO 8601, in UTC with a Z if it is `zoned` or carries a zone itself; a row number stays one.

    >>> time_text(np.datetime64("2026-03-01T00:10:00.500", "ns")), time_text(datetime(2026, 3, 1, tzinfo=UTC))
    ('2026-03-01T00:10:00.5', '2026-03-01T00:00:00Z')
    """
    if isinstance(time, datetime):  # pandas timestamps are datetimes
        zoned = time.tzinfo is not None
        text = (time.astimezone(UTC).replace(tzinfo=None) if zoned else time).isoformat()
    elif isinstance(time, np.datetime64):
        text = str(time)
    else:
        return int(time) if isinstance(time, Integral) else str(time)
    return (text.rstrip("0").rstrip(".") if "." in text else text) + ("Z" if zoned else "")


def time_number(time: Any) -> int:
    """Return a time in nanoseconds since 1970, in UTC if it carries a zone; a row number stays one.

    >>> time_number(np.datetime64("1970-01-01T00:00:01")), time_number(7)
    (1000000000, 7)
    """
    if isinstance(time, datetime):  # pandas timestamps are datetimes
        time = np.datetime64(time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo is not None else time)
    return int(time.astype("datetime64[ns]").astype(np.int64)) if isinstance(time, np.datetime64) else int(time)


def event_id(entity: str, first: Any, *, zoned: bool = False) -> str:
    """Return the name of the event of an entity that begins with this time or row.

    >>> event_id("pump 3", 110), event_id("", np.datetime64("2026-03-01", "ns"), zoned=True)
    ('pump 3:110', '2026-03-01T00:00:00Z')
    """
    text = time_text(first, zoned=zoned)
    return f"{entity}:{text}" if entity else str(text)


def event_fields(event: Event) -> dict[str, Any]:
    """Return the fields of an event as every result names them, JSON-able.

    Times are in ISO 8601 (in UTC with a Z, if zoned) or row numbers. `entity` is only there if it has a name;
    `escalates` only for an escalation; `sensors` are those with a share of at least 1 %.
    """

    def time(moment: Any) -> str | int:
        return time_text(moment, zoned=event.zoned)

    return {
        "event_id": event.event_id,
        **({"entity": event.entity} if event.entity else {}),
        **({"escalates": event.escalates} if event.escalates else {}),
        "start": time(event.start),
        "stop": time(event.stop),
        "duration_s": event.duration,
        "n_rows": event.n_rows,
        "changed": event.changed,
        "peak": time(event.peak),
        "peak_score": float(f"{event.peak_score:.7g}"),
        "p_value": float(f"{event.p_value:.3g}"),
        "severity": round(event.severity, 1),
        "band": event.band,
        "direction": event.direction,
        "sensors": [_sensor(each) for each in event.involved],
        "pattern": [{"sensor": sensor, "joined": time(joined)} for sensor, joined in event.pattern],
    }


def _sensor(share: SensorShare) -> dict[str, Any]:
    numbers = {"expected": share.expected, "actual": share.actual}
    rounded = {name: None if value is None else float(f"{value:.7g}") for name, value in numbers.items()}
    return {
        "sensor": share.sensor,
        "share": round(share.share, 4),
        **rounded,
        "unit": share.unit,
        "direction": share.direction,
    }


FloatArray = NDArray[np.float64]
_LEAST_PART = 0.02  # of the blame; a sensor with less did not take part, its error is a reflection of others


class PeakView(NamedTuple):
    """What the sensors looked like at an event's peak, each `(n_channels,)` in the sensors' units."""

    actual: FloatArray
    """NaN where nothing was measured."""
    expected: FloatArray
    """NaN where there is no expectation."""
    blame: FloatArray | None = None
    """How much each channel is to blame, NaN for those that are judged by their errors alone; `None` for all."""


@dataclass(frozen=True)
class Naming:
    """Channel names, units and clock of one entity, which its events are described with."""

    names: Sequence[str]
    """Names of the channels."""
    units: Mapping[str, str]
    period: float | None
    """Seconds between rows; `None` without a clock."""
    entity: str
    time_of: Callable[[Moment], Any]
    """The timestamp of a row, or what stands for it."""
    p_value_of: Callable[[float], float]
    """Score → about the share of normal rows that score higher."""
    zoned: bool = False
    """Whether `numpy.datetime64` times are in UTC."""


def as_event(tracked: TrackedEvent, naming: Naming, view: PeakView, *, ended: bool = True) -> Event:
    """Return a tracked event with the names and times of its entity."""
    first, start, stop = (naming.time_of(moment) for moment in (tracked.first, tracked.start, tracked.stop))
    has_clock = isinstance(start, datetime | np.datetime64)
    shares = _shares(tracked.excess, view.blame)
    return Event(
        event_id=event_id(naming.entity, first, zoned=naming.zoned),
        start=start,
        stop=stop,
        n_rows=tracked.stop.row - tracked.start.row + 1,
        duration=float((stop - start) / np.timedelta64(1, "s")) + (naming.period or 0.0) if has_clock else None,
        peak=naming.time_of(tracked.peak),
        peak_score=tracked.score,
        p_value=naming.p_value_of(tracked.score),
        severity=severity(tracked.score, tracked.threshold),
        sensors=_ranked(shares, naming, view),
        pattern=_pattern(tracked, naming, shares),
        entity=naming.entity,
        ended=ended,
        zoned=naming.zoned,
        escalates=""
        if tracked.escalates is None
        else event_id(naming.entity, naming.time_of(tracked.escalates), zoned=naming.zoned),
        changed=tracked.changed,
    )


def _shares(excess: FloatArray, blame: FloatArray | None) -> FloatArray:
    """Parts `(n_channels,)` that sum to one: of the errors above the usual, redistributed as `blame` says."""
    parts = excess.copy()
    if blame is not None:
        known = ~np.isnan(blame)
        whole = float(excess[known].sum()) or 1.0
        parts[known] = whole * blame[known] / blame[known].sum()
    total = float(parts.sum())
    return parts / total if total > 0 else np.full(len(parts), 1 / len(parts))


def _pattern(tracked: TrackedEvent, naming: Naming, shares: FloatArray) -> tuple[tuple[str, Any], ...]:
    joined = [
        (moment, channel)
        for channel, moment in enumerate(tracked.joined)
        if moment is not None and shares[channel] >= _LEAST_PART
    ]
    joined.sort(key=lambda pair: (pair[0].row, -shares[pair[1]]))
    return tuple((naming.names[channel], naming.time_of(moment)) for moment, channel in joined)


def _ranked(shares: FloatArray, naming: Naming, view: PeakView) -> tuple[SensorShare, ...]:
    return tuple(
        SensorShare(
            sensor=naming.names[channel],
            share=float(shares[channel]),
            expected=_number(view.expected[channel]),
            actual=_number(view.actual[channel]),
            unit=naming.units.get(naming.names[channel], ""),
        )
        for channel in np.argsort(-shares, kind="stable").tolist()
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


_REACH = 32  # rows before and after the peak that blame looks at
_LONGEST_BLAME = 16  # rows of its windows, at most
_MOST_SUSPECTS = 10  # sensors whose values are put aside to say what was expected of them
_LEAST_SUSPECT = 0.1  # of the largest part of the blame


class PeakRows(NamedTuple):
    """Rows of one segment around an event's peak."""

    values: NDArray[np.floating]
    """At most `peak_reach` rows before and after the peak `(n, n_channels)`, in the sensors' units."""
    peak: int
    """Place of the peak in them."""
    start: int
    """Place of the event's first row, 0 if it lies before them."""
    stop: int
    """Place of its last row, the last one if it lies behind them."""


def peak_reach(model: Ensemble) -> int:
    """Rows before and after a peak that are looked at."""
    return max(model.longest.window_size, _REACH + _LONGEST_BLAME)


def peak_rows(model: Ensemble, grid: GridSeries, event: TrackedEvent, *, lag: int) -> PeakRows:
    """The rows of an entity around the peak of an event, as far as a stream with this lag knows them at its end."""
    start, stop, peak = (int(grid.rows[moment.row]) for moment in (event.start, event.stop, event.peak))
    begin, end = next(segment for segment in grid.segments if segment[0] <= peak < segment[1])
    known = int(grid.rows[event.closing]) + model.delay(lag) + 1 if event.closing < len(grid.rows) else end
    reach = peak_reach(model)
    first, last = max(begin, peak - reach), min(end, known, peak + reach + 1)
    return PeakRows(grid.values[first:last], peak - first, max(0, start - first), min(stop, last - 1) - first)


def view_peak(model: Ensemble, rows: PeakRows, actual: NDArray[np.floating] | None = None) -> PeakView:
    """What the sensors looked like at the peak, and which are to blame.

    Parameters
    ----------
    actual
        What was measured at the peak `(n_channels,)`, if it is more exact than `rows`.
    """
    member = model.longest
    first = max(0, rows.peak - member.window_size)
    near = rows.values[first : rows.peak + member.window_size]
    rebuilt = expected_values(model, member, near)[rows.peak - first]
    measured = np.asarray(rows.values[rows.peak] if actual is None else actual, dtype=np.float64)
    blame = _blame(model, rows)
    if model.blame is None or blame is None:
        return PeakView(measured, rebuilt)
    return PeakView(measured, _expected(model, model.blame, rows, rebuilt, blame), blame)


def _expected(
    model: Ensemble, gaussian: BlameModel, rows: PeakRows, rebuilt: FloatArray, blame: FloatArray
) -> FloatArray:
    """What was expected at the peak `(n_channels,)`: of sensors to blame what the others, and they before, let expect.

    A network has seen their faulty values, and rebuilds them in part: what it made of them is no expectation.
    """
    size, network = len(gaussian.centre), model.scaler.network_channels
    first = max(0, min(rows.peak - size // 2, len(rows.values) - size))
    filled, observed = forward_filled(model.scaler.scaled(rows.values[first : first + size])[:, network])
    parts = blame[network]
    suspects = np.argsort(-parts, kind="stable")[:_MOST_SUSPECTS]
    suspects = suspects[parts[suspects] >= _LEAST_SUSPECT * parts[suspects[0]]]
    hidden = ~observed
    hidden[max(0, rows.start - first) : rows.stop + 1 - first, suspects] = True
    window = gaussian.expected(filled.astype(np.float64), hidden)
    out = rebuilt.copy()
    out[network[suspects]] = in_units(model, window[rows.peak - first])[network[suspects]]
    return out


def _blame(model: Ensemble, rows: PeakRows) -> FloatArray | None:
    """How much each channel is to blame, `(n_channels,)`; NaN for those that no network sees.

    Looks at the event's rows near its peak, and at a few beside them if the event is shorter than a window. `None` if
    the model cannot tell or nothing stands out.
    """
    blame: BlameModel | None = model.blame
    if blame is None:
        return None
    size, n_rows = len(blame.centre), len(rows.values)
    first, last = max(rows.start, rows.peak - _REACH), min(rows.stop, rows.peak + _REACH) + 1
    lacking = max(0, size - (last - first))
    first = max(0, min(first - lacking // 2, n_rows - size))
    last = min(n_rows, max(last, first + size))
    if last - first < size:
        return None
    network = model.scaler.network_channels
    filled, observed = forward_filled(model.scaler.scaled(rows.values[first:last])[:, network])
    parts = blame.parts(filled.astype(np.float64), observed)
    if not parts.any():
        return None
    out = np.full(len(model.scaler.role), np.nan)
    out[network] = parts
    return out
