"""One entity of a stream besides its lane's arrays: its clock, and the rows around the peak of its open event."""

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
from tsae.scoring.rings import Rings
from tsae.streaming.clock import EntityClock
from tsae.streaming.latest_rows import LatestRows

__all__ = ["Entity", "RecentRows", "Zone"]

FloatArray = NDArray[np.float64]


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
        self._held: _Part | None = None  # once all of it is there

    def clear(self) -> None:
        """The segment is over."""
        self._held = None

    def hold(self, number: int) -> None:
        """Keep what is around this row, the peak of an open event, before it goes."""
        if self._held is not None and self._held.peak == number:
            return
        part, n_later = self._around(number)
        if part is not None and n_later >= self._reach:
            self._held = part._replace(values=part.values.copy(), numbers=part.numbers.copy())

    def around(self, event: TrackedEvent) -> PeakRows | None:
        """The rows around an event's peak as far as they are there."""
        start, stop, peak = event.start.row, event.stop.row, event.peak.row
        part = self._held
        if part is None or part.peak != peak:
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
        held = {} if self._held is None else self._held._asdict()
        return {f"{prefix}{name}": np.asarray(each) for name, each in held.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]], prefix: str) -> None:
        """Take up a state."""
        if f"{prefix}peak" in arrays:
            peak, values, numbers = (arrays[f"{prefix}{name}"] for name in _Part._fields)
            self._held = _Part(int(peak), np.array(values), np.array(numbers))

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

    def hold(self, peak: int) -> None:
        """Keep the rows around this one."""
        self.recent.hold(peak)

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
