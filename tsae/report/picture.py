"""A picture of one event as an SVG: the score above, the sensors behind it below."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.alarms.event import Event, SensorShare
from tsae.detection.detecting import Detection
from tsae.report import wording
from tsae.report.axis import TimeAxis, log_floor, rows_around, thin
from tsae.report.templates import render

__all__ = ["event_picture", "log_ticks", "time_ticks", "value_ticks"]

Floats = NDArray[np.float64]

WIDTH, LEFT, RIGHT, TOP = 960, 80, 24, 112
"""Pixels: the picture, its margins, and the space for its title."""
PANEL, SPACE = 130, 46
"""Pixels: height of a panel, and of the space above it for its title."""
MAX_POINTS = 2000
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
_TIME_STEPS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(SECOND * n for n in (1, 2, 5, 10, 15, 30)),
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR * n for n in (1, 2, 3, 6, 12)),
    *(DAY * n for n in (1, 2, 5, 10, 30, 90, 365)),
)


@dataclass(frozen=True)
class Curves:
    """What one panel shows."""

    title: str
    lines: dict[str, Floats]
    """Values of the rows around the event by style: measured, rebuilt, score or threshold."""
    is_log: bool = False


@dataclass(frozen=True)
class Panel:
    """The same in pixels."""

    title: str
    top: float
    ticks: list[tuple[float, str]]
    paths: dict[str, str]


def event_picture(
    table: pd.DataFrame,
    detection: Detection,
    event: Event,
    *,
    units: Mapping[str, str],
    expected: pd.DataFrame | None = None,
    n_sensors: int = 2,
) -> str:
    """Draw an event with its score, its threshold and its sensors as an SVG that stands on any background.

    Parameters
    ----------
    table
        What was measured, `(n_timesteps, n_channels)`.
    detection
        What was found in this table.
    event
        One of the detection's events.
    units
        Unit by sensor, for those that have one.
    expected
        What the model rebuilt, with the table's index and columns.
    n_sensors
        Sensors to draw at most, the most responsible first.

    Raises
    ------
    DataError
        The event's times are not in the table.
    """
    axis = TimeAxis.of(table.index)
    covered = axis.rows(event)
    around = rows_around(covered, len(table))
    edges = axis.values[covered.start], axis.values[covered.stop - 1] + axis.usual_step()
    shares = [share for share in event.sensors if share.sensor in table.columns][:n_sensors]
    curves = [_score_curves(detection, around)]
    curves += [_sensor_curves(share, units, {"measured": table, "rebuilt": expected}, around) for share in shares]
    shown = axis.part(around)
    left, right = _pixels(np.array(edges), shown)
    return render(
        "picture.svg.j2",
        event=event,
        width=WIDTH,
        height=TOP + len(curves) * (PANEL + SPACE) + 8,
        plot=(LEFT, WIDTH - RIGHT),
        shade=(left, max(right - left, 2)),
        panel_height=PANEL,
        panels=[_panel(TOP + place * (PANEL + SPACE), each, shown) for place, each in enumerate(curves)],
        time_ticks=_time_ticks(shown),
        time_title=shown.title,
    )


def _score_curves(detection: Detection, around: slice) -> Curves:
    scores, thresholds = _values(detection.row_scores, around), detection.row_thresholds[around]
    floor = log_floor(scores, float(np.median(thresholds)))
    lines = {"score": np.maximum(scores, floor or -np.inf), "threshold": thresholds}
    return Curves("Anomaly score", lines, is_log=floor is not None)


def _sensor_curves(
    share: SensorShare, units: Mapping[str, str], tables: Mapping[str, pd.DataFrame | None], around: slice
) -> Curves:
    unit = share.unit or units.get(share.sensor, "")
    name = f"{share.sensor} [{unit}]" if unit else share.sensor
    lines = {
        style: _values(table[share.sensor], around)
        for style, table in tables.items()
        if table is not None and share.sensor in table.columns
    }
    return Curves(f"{name}: {wording.percent(share.share)} of the error", lines)


def _values(column: pd.Series, rows: slice) -> Floats:
    return column.iloc[rows].to_numpy(dtype=np.float64, na_value=np.nan)


def _panel(top: float, curves: Curves, axis: TimeAxis) -> Panel:
    """Scale lines to the panel's height, with a little air above and below."""
    lines = {style: np.log10(line) if curves.is_log else line for style, line in curves.lines.items()}
    seen = np.concatenate([line[np.isfinite(line)] for line in lines.values()])
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    air = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    low, high = low - air, high + air

    def down(values: Floats) -> Floats:
        return top + PANEL * (high - values) / (high - low)

    ticks = log_ticks(low, high) if curves.is_log else value_ticks(low, high)
    places = down(np.array([value for value, _ in ticks]))
    paths = {}
    for style, line in lines.items():
        x, y = thin(axis.values, line, MAX_POINTS)
        paths[style] = _path(_pixels(x, axis), down(y))
    return Panel(curves.title, top, list(zip(places.tolist(), (text for _, text in ticks), strict=True)), paths)


def _pixels(times: Floats, axis: TimeAxis) -> Floats:
    """Horizontal positions of times; a single row stands in the middle."""
    first, last = axis.values[0], axis.values[-1]
    part = (times - first) / (last - first) if last > first else np.full_like(times, 0.5)
    return LEFT + np.minimum(part, 1) * (WIDTH - RIGHT - LEFT)


def _path(x: Floats, y: Floats) -> str:
    """Write an SVG path that is lifted at each NaN; a lone point becomes a dot under a round line end."""
    words, lifted = [], True
    for right, down in zip(x, y, strict=True):
        if not np.isfinite(down):
            lifted = True
            continue
        words.append(f"M{right:.1f} {down:.1f}h0" if lifted else f"L{right:.1f} {down:.1f}")
        lifted = False
    return "".join(words)


def _time_ticks(axis: TimeAxis) -> list[tuple[float, str]]:
    low, high = float(axis.values[0]), float(axis.values[-1])
    if low == high:
        return []
    ticks = time_ticks(low, high) if axis.is_date else value_ticks(low, high, about=6)
    places = _pixels(np.array([value for value, _ in ticks]), axis)
    return list(zip(places.tolist(), (text for _, text in ticks), strict=True))


def value_ticks(low: float, high: float, about: int = 4) -> list[tuple[float, str]]:
    """Round values between `low` and `high`, with how to write them.

    >>> value_ticks(2.7, 5.1)
    [(3.0, '3.0'), (3.5, '3.5'), (4.0, '4.0'), (4.5, '4.5'), (5.0, '5.0')]
    """
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough * 0.8)
    places = np.arange(math.ceil(low / step), math.floor(high / step) + 1)
    digits = max(0, -math.floor(math.log10(step)))
    values = [round(float(place * step), digits) for place in places]
    style = f",.{digits}f" if digits <= 6 and max(abs(low), abs(high)) < 1e9 else "g"
    return [(value, format(value, style).replace("-", "−")) for value in values]


def log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Powers of ten between two decimal logarithms, with how to write them.

    >>> log_ticks(-1.2, 3.1)
    [(-1.0, '0.1'), (0.0, '1'), (1.0, '10'), (2.0, '100'), (3.0, '1,000')]
    """
    powers = range(math.ceil(low), math.floor(high) + 1)
    return [(float(power), f"{10**power:,}") for power in powers]


def time_ticks(low: float, high: float, about: int = 6) -> list[tuple[float, str]]:
    """Round times between two times in milliseconds since 1970, with how to write them.

    The date is written where a day begins and at the first tick.

    >>> night = 1709848800000.0  # 2024-03-07 22:00
    >>> [text for _, text in time_ticks(night, night + 5 * HOUR, about=5)]
    ['7 Mar 22:00', '23:00', '8 Mar 00:00', '01:00', '02:00', '03:00']
    """
    rough = (high - low) / about
    step = next((size for size in _TIME_STEPS if size >= rough * 0.8), _TIME_STEPS[-1])
    times = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
    return [(float(time), _write(float(time), step, first=place == 0)) for place, time in enumerate(times)]


def _write(time: float, step: int, *, first: bool) -> str:
    at = datetime.fromtimestamp(time / 1000, tz=UTC)
    day = f"{at.day} {at:%b}"
    if step >= DAY:
        return f"{day} {at.year}" if first or step > 90 * DAY else day
    clock = f"{at:%H:%M}" if step >= MINUTE else f"{at:%H:%M:%S}"
    if step < SECOND:
        clock += f".{at.microsecond // 1000:03d}"
    return f"{day} {clock}" if first or time % DAY == 0 else clock
