"""Round numbers and round times to write beside an axis."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np

__all__ = ["log_ticks", "time_ticks", "value_ticks"]

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
_TIME_STEPS = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(SECOND * n for n in (1, 2, 5, 10, 15, 30)),
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR * n for n in (1, 2, 3, 6, 12)),
    *(DAY * n for n in (1, 2, 5, 10, 30, 90, 365)),
)


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
