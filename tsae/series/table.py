"""A sensor table after reading: numbers in float columns, time in the index, one frame per entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

__all__ = ["SensorTable"]


@dataclass(frozen=True)
class SensorTable:
    """Sensors of one machine or of a fleet, sorted and checked.

    Examples
    --------
    >>> import pandas as pd
    >>> table = SensorTable({"": pd.DataFrame({"pressure": [1.0, 1.2]})}, units={"pressure": "bar"})
    >>> table.channels, table.n_rows
    (('pressure',), 2)
    """

    frames: Mapping[str, pd.DataFrame]
    """One frame `(n_timesteps, n_channels)` of float64 per entity; the key is "" without an entity column.

    The index is a sorted, unique `DatetimeIndex` (in UTC if the times carried a zone, naive otherwise), or a
    `RangeIndex` if the table has no time. All frames have the same columns.
    """
    units: Mapping[str, str] = field(default_factory=dict)
    """Unit by channel, for the channels that state one."""
    labels: Mapping[str, pd.Series] | None = None
    """The label column by entity, indexed as its frame; `None` unless the caller named one."""
    notes: tuple[str, ...] = ()
    """Sentences on what was found in the file and what was done about it."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the sensors, in the order of the file."""
        return tuple(str(name) for name in next(iter(self.frames.values())).columns)

    @property
    def n_rows(self) -> int:
        """Rows of all entities together."""
        return sum(len(frame) for frame in self.frames.values())
