"""One entity of a stream: its clock, its latest rows, and those around the peak of its open event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.event import Event, Naming, PeakRows, PeakView, as_event, view_peak
from tsae.alarms.tracking import Moment, TrackedEvent
from tsae.model.fitted import FittedModel
from tsae.scoring.rings import BoundArrays, Rings
from tsae.streaming.clock import EntityClock

__all__ = ["UNNUMBERED", "Entity", "LatestRows", "RecentRows", "Zone"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LaneNumbers = NDArray[np.intp]
_PREFIX = "rows."
UNNUMBERED = -1
"""In place of the number of a row that was filled in, or that was only handed on as context."""


class _Rings(NamedTuple):
    values: FloatArray
    numbers: IntArray
    times: IntArray
    stamps: NDArray[np.object_]


class LatestRows:
    """Rings beside those of `Lanes`, and of the same segments: to be written right after its step.

    Parameters
    ----------
    delay
        Rows until a row is settled.
    length
        Rows that are kept, more than `delay`.
    """

    def __init__(self, arrays: Rings, n_channels: int, *, delay: int, length: int) -> None:
        self._arrays, self.delay, self.length = arrays, delay, length
        self._bound = BoundArrays(arrays, _Rings, _PREFIX)
        arrays.add_ring(f"{_PREFIX}values", length, (n_channels,))
        arrays.add_ring(f"{_PREFIX}numbers", length, (), np.int64)
        arrays.add_ring(f"{_PREFIX}times", delay + 1, (), np.int64)
        arrays.add_ring(f"{_PREFIX}stamps", delay + 1, (), np.object_)

    def put(self, lanes: LaneNumbers | int, values: FloatArray, numbers: Any, times: Any, stamps: Any) -> None:
        """Put down the newest row of each lane `(m,)`, or of one.

        Parameters
        ----------
        values
            `(m, n_channels)`.
        numbers
            Those among their entities' rows, `(m,)`, or `UNNUMBERED`.
        times
            Nanoseconds since 1970, or the numbers of rows without times, `(m,)`.
        stamps
            Times as they were handed in, `(m,)` objects.
        """
        rings, origins = self._bound(), self._arrays["origin"][lanes]
        newest = origins + (self.length - 1)
        rings.values[lanes, newest] = values
        rings.numbers[lanes, newest] = numbers
        newest = origins + self.delay
        rings.times[lanes, newest] = times
        rings.stamps[lanes, newest] = stamps

    def settled(self, lanes: LaneNumbers | int) -> tuple[Any, Any, Any]:
        """Return numbers, times and stamps `(m,)` of the rows `delay` rows ago, or those of one lane."""
        rings, origins = self._bound(), self._arrays["origin"][lanes]
        numbers = rings.numbers[lanes, origins + (self.length - 1 - self.delay)]
        return numbers, rings.times[lanes, origins], rings.stamps[lanes, origins]

    def waiting(self, lane: int) -> tuple[IntArray, IntArray, NDArray[Any]]:
        """Return numbers, times and stamps `(n,)` of the rows of one lane that wait to be settled, oldest first."""
        rings, n_rows = self._bound(), min(self.n_there(lane), self.delay)
        stop = int(self._arrays["origin"][lane])
        part = slice(stop + self.delay + 1 - n_rows, stop + self.delay + 1)
        numbers = rings.numbers[lane, stop + self.length - n_rows : stop + self.length]
        return numbers, rings.times[lane, part], rings.stamps[lane, part]

    def there(self, lane: int) -> tuple[FloatArray, IntArray]:
        """Values and numbers of the rows of the segment that are still there, oldest first."""
        rings, n_rows = self._bound(), self.n_there(lane)
        stop = int(self._arrays["origin"][lane]) + self.length
        part = slice(stop - n_rows, stop)
        return rings.values[lane, part], rings.numbers[lane, part]

    def n_there(self, lane: int) -> int:
        """How many those are."""
        return min(int(self._arrays["n_rows"][lane]), self.length)


class _Part(NamedTuple):
    """Rows around a peak."""

    peak: int
    """Its number."""
    values: FloatArray
    """`(n, n_channels)`."""
    numbers: NDArray[np.int64]
    """`(n,)`."""


class RecentRows:
    """What is still there of the rows of one lane's segment, and what was kept of them.

    Parameters
    ----------
    reach
        Rows before and after a peak that are kept.
    """

    def __init__(self, rows: LatestRows, lane: int, *, reach: int) -> None:
        self._rows, self._lane, self._reach = rows, lane, reach
        self._held: dict[int, _Part] = {}  # by their peaks, once all of them is there

    def clear(self) -> None:
        """The segment is over."""
        self._held = {}

    def hold(self, numbers: list[int]) -> None:
        """Keep what is around these rows, the peaks of an open event and of its escalation, before it goes."""
        self._held = {number: part for number, part in self._held.items() if number in numbers}
        for number in numbers:
            part, n_later = (None, 0) if number in self._held else self._around(number)
            if part is not None and n_later >= self._reach:
                self._held[number] = part._replace(values=part.values.copy(), numbers=part.numbers.copy())

    def around(self, event: TrackedEvent) -> PeakRows | None:
        """The rows around an event's peak as far as they are there."""
        start, stop, peak = event.start.row, event.stop.row, event.peak.row
        part = self._held.get(peak)
        if part is None:
            part, _ = self._around(peak)
        if part is None:
            return None
        numbers = part.numbers
        return PeakRows(
            part.values,
            peak=int(np.argmax(numbers == peak)),
            start=int(np.argmax(numbers >= start)),
            stop=int(np.argmax(numbers == stop)) if stop in numbers else len(numbers) - 1,
        )

    def state(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What was kept, under names that begin with `prefix`; nothing if that is nothing."""
        return {
            f"{prefix}{place}.{name}": np.asarray(each)
            for place, part in enumerate(self._held.values())
            for name, each in part._asdict().items()
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
        """Take up a state."""
        for place in range(2):
            if f"{prefix}{place}.peak" in arrays:
                peak, values, numbers = (arrays[f"{prefix}{place}.{name}"] for name in _Part._fields)
                self._held[int(peak)] = _Part(int(peak), np.array(values), np.array(numbers))

    def _around(self, number: int) -> tuple[_Part | None, int]:
        """The rows around one, if it is still there, and how many came after it."""
        values, numbers = self._rows.there(self._lane)
        found = np.flatnonzero(numbers == number)
        if not len(found):
            return None, 0
        place = int(found[0])
        part = slice(max(0, place - self._reach), place + self._reach + 1)
        return _Part(number, values[part], numbers[part]), len(numbers) - 1 - place


class Zone(IntEnum):
    """What is known of an entity's times."""

    NO_TIMES = 0
    """Its rows have none, or it has no rows."""
    LOCAL = 1
    """They carry no time zone."""
    ZONED = 2


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity, which describes its events in the words of a file's."""

    name: str
    lane: int
    clock: EntityClock
    recent: RecentRows
    model: FittedModel
    lasting: Rings
    p_value_of: Callable[[float], float]

    def hold(self, peaks: list[int]) -> None:
        """Keep the rows around these."""
        self.recent.hold(peaks)

    def describe(self, event: TrackedEvent, *, ended: bool) -> Event:
        """Return the event; what the sensors looked like at its peak is unknown if those rows are gone."""
        model, rows = self.model, self.recent.around(event)
        naming = Naming(
            *(model.channels, model.units, model.period, self.name),
            time_of=self._time_of,
            p_value_of=self.p_value_of,
            zoned=bool(self.lasting["zone"][self.lane] == Zone.ZONED),
        )
        unknown = np.full(len(model.channels), np.nan)
        view = PeakView(unknown, unknown) if rows is None else view_peak(model.ensemble, rows)
        return as_event(event, naming, view, ended=ended)

    def _time_of(self, moment: Moment) -> Any:
        return moment.time if self.clock.newest is None else np.datetime64(moment.time, "ns")
