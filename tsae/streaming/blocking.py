"""Rows of a stream that never alarm: those in an exclusion, and those in which the plant is off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.series.running import Running

if TYPE_CHECKING:
    from tsae.model.fitted import FittedModel
    from tsae.series.exclusions import Exclusions

__all__ = ["Blocking"]


@dataclass(frozen=True)
class Blocking:
    """Which rows of a stream never alarm, as `detect` blocks them in a file: their segments are of their own."""

    running: Running | None
    """Condition under which the plant runs; `None` if it always does."""
    exclude: Exclusions | None
    """Times to leave out; `None` for none."""
    channels: Sequence[str]

    @classmethod
    def of(cls, model: FittedModel, exclude: Exclusions | None) -> Blocking | None:
        """Return the rule of a model and of exclusions; `None` if every row may alarm."""
        running = None if model.running is None else Running.parse(model.running)
        return None if running is None and exclude is None else cls(running, exclude, model.channels)

    def check_times(self, *, has_times: bool, zoned: bool = False) -> None:
        """Raise a `DataError` if rows with such times cannot be held against the exclusions."""
        exclude = self.exclude
        if exclude is None:
            return
        if not has_times:
            raise DataError("`exclude` needs rows with times; pass a `timestamp` with each, or leave `exclude` out")
        exclude.check_times(zoned=zoned)

    def mask(self, values: NDArray[np.float64], times: Sequence[int] | None, zoned: Any) -> NDArray[np.bool_]:
        """Return the rows that never alarm, `(n,)`.

        Parameters
        ----------
        values
            `(n, n_channels)`, NaN where missing.
        times
            Nanoseconds since 1970, `(n,)`; `None` for rows without times.
        zoned
            Whether the times are in UTC because they carry a zone, `(n,)`.
        """
        blocked = np.zeros(len(values), dtype=bool)
        if self.running is not None:
            blocked |= self.running.off(values, self.channels)
        if self.exclude is not None and times is not None:
            ns, is_zoned = np.array(times, dtype=np.int64), np.asarray(zoned, dtype=bool)
            for part, zone in ((is_zoned, "UTC"), (~is_zoned, None)):
                if part.any():
                    blocked[part] |= self.exclude.mask_ns(ns[part], zone)
        return blocked
