"""Rows as passed to a stream, checked: values become float arrays, times become nanoseconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.streaming.clock import Arrival
from tsae.streaming.row_scores import objects

__all__ = ["FILLED", "Rows", "row_numbers", "row_values", "time_ns"]

FloatArray = NDArray[np.float64]
_PLAIN = {float}
_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_FARTHEST = 2**62  # nanoseconds from 1970: a step between two times is an int64 too
FILLED = -1
"""Index of the row of unknown values in `Rows`."""


class Rows(NamedTuple):
    """Values, times and original timestamps of n rows, and a last row of unknown values, at `FILLED`."""

    values: FloatArray
    """`(n + 1, n_channels)`, NaN where missing."""
    times: NDArray[np.int64] | None
    """Nanoseconds since 1970, `(n + 1,)`; `None` for rows without times."""
    stamps: NDArray[np.object_]
    """Times as they were passed, `(n + 1,)`."""

    @classmethod
    def of(cls, values: FloatArray, times: list[int] | None, stamps: Any) -> Rows:
        """Make rows of values `(n, n_channels)`, times and stamps `(n,)`; either may be `None`."""
        given = objects([None] * (len(values) + 1) if stamps is None else [*stamps, None])
        unknown = np.full((1, values.shape[1]), np.nan)
        ns = None if times is None else np.array([*times, 0], dtype=np.int64)
        return cls(np.concatenate([values, unknown]), ns, given)

    @classmethod
    def admitted(cls, arrivals: list[Arrival], n_channels: int) -> Rows:
        """Make rows of admitted arrivals, all with times or all without."""
        values = np.empty((len(arrivals), n_channels))
        for place, arrival in enumerate(arrivals):
            values[place] = arrival.row[0]
        times = [arrival.time for arrival in arrivals if arrival.time is not None]
        return cls.of(values, times if len(times) == len(arrivals) else None, [each.row[1] for each in arrivals])

    def times_of(self, places: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return nanoseconds of rows, or their numbers if they have no times."""
        return numbers if self.times is None else self.times[places]


def row_values(rows: Any, channels: Sequence[str]) -> tuple[FloatArray, int]:
    """Convert rows into one array.

    Parameters
    ----------
    rows
        Array `(n, n_channels)`, or a sequence of rows: each a mapping from channel to value, or a sequence of
        values in the order of the channels. `None` and NaN are missing.
    channels
        Names of the channels; other names in a mapping are ignored.

    Returns
    -------
    values
        `(n, n_channels)`, NaN where missing.
    n_absent
        Channels that mappings did not name, summed over the rows.

    Raises
    ------
    DataError
        If a row has another number of values, or a value is infinite or not a number.

    Examples
    --------
    >>> row_values([{"flow": 1.5, "colour": "red"}, [2, None]], ["flow", "level"])
    (array([[1.5, nan], [2. , nan]]), 1)
    """
    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind in "fiub" and rows.shape[1] == len(channels):
        values = rows.astype(np.float64)
        if np.isinf(values).any():
            row, channel = np.argwhere(np.isinf(values))[0]
            raise _not_finite(values[row, channel], channels[channel])
        return values, 0
    values, n_absent = np.empty((len(rows), len(channels))), 0
    for place, row in enumerate(rows):
        values[place], n_missing = row_numbers(row, channels)
        n_absent += n_missing
    return values, n_absent


def row_numbers(row: Any, channels: Sequence[str]) -> tuple[Sequence[float], int]:
    """Return the values of a single row as plain numbers, and the number of channels that it does not name."""
    if type(row) is np.ndarray and row.ndim == 1 and row.dtype.kind == "f":
        row = row.tolist()
    if type(row) is list and len(row) == len(channels) and set(map(type, row)) == _PLAIN and math.isfinite(sum(row)):
        return row, 0
    n_absent = 0
    is_row_of_table = hasattr(row, "keys") and any(name in row for name in channels)  # of pandas
    if isinstance(row, Mapping) or is_row_of_table:
        n_absent = sum(name not in row for name in channels)
        row = [row.get(name) for name in channels]
    if not isinstance(row, Sequence | np.ndarray) or isinstance(row, str | bytes) or len(row) != len(channels):
        raise DataError(
            f"a row must be a mapping from channel to value, or the {len(channels)} values of "
            f"{', '.join(channels)} in this order; got {_shortened(row)}"
        )
    return [_number(value, name) for value, name in zip(row, channels, strict=True)], n_absent


def _number(value: Any, channel: str) -> float:
    if type(value) is not float:
        if value is None or type(value).__name__ == "NAType":  # of pandas, which a stream does not import
            return math.nan
        if not isinstance(value, Real | np.bool_):
            raise DataError(
                f"channel {channel!r} has the value {_shortened(value)}, which is not a number; pass a number, or None "
                "if nothing was measured"
            )
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise _not_finite(value, channel)
    return number


def _not_finite(value: Any, channel: str) -> DataError:
    return DataError(
        f"channel {channel!r} has the value {_shortened(value)}, which is not finite; pass what was measured, or None "
        "if nothing was"
    )


def time_ns(time: Any) -> tuple[int, bool]:
    """Return a time in nanoseconds since 1970, and whether it has a time zone.

    Parameters
    ----------
    time
        A `datetime`, `pandas.Timestamp`, `numpy.datetime64` or ISO 8601 string. A number is refused, because
        nothing says whether it counts seconds or something else.

    Raises
    ------
    DataError
        If it is not such a time, or lies before 1824 or after 2115.

    Examples
    --------
    >>> time_ns("1970-01-01T00:00:01.5")
    (1500000000, False)
    """
    found = _read(time)
    if found is None:
        raise DataError(
            f"`timestamp` (={_shortened(time)}) is not a valid time; pass a datetime or an ISO string such as "
            "'2026-11-24T10:00:00'"
        )
    if not -_FARTHEST < found[0] < _FARTHEST:
        raise DataError(f"`timestamp` (={_shortened(time)}) lies before 1824 or after 2115; repair the sender's clock")
    return found


def _read(time: Any) -> tuple[int, bool] | None:
    try:
        if isinstance(time, datetime) and time == time:  # NaT is not
            return _of_datetime(time)
        if (isinstance(time, str) and len(time) <= 26) or (isinstance(time, str) and "." not in time):
            return _of_datetime(datetime.fromisoformat(time))
        if isinstance(time, str):  # finer than microseconds
            import pandas as pd

            return _of_datetime(pd.Timestamp(time).as_unit("ns"))
        if isinstance(time, np.datetime64) and not np.isnat(time):
            return int(time.astype("datetime64[ns]").astype(np.int64)), False
    except (ValueError, TypeError, OverflowError):
        pass
    return None


def _of_datetime(time: datetime) -> tuple[int, bool]:
    ns = getattr(time, "value", None)  # of pandas
    zoned = time.tzinfo is not None
    if ns is None:
        since = time - (_EPOCH_UTC if zoned else _EPOCH)
        ns = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
    return int(ns), zoned


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
