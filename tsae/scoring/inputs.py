"""What a step takes in: the filled rows that members see, and the errors of channels that were constant in training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.rings import Place, Rings
from tsae.series.channels import forward_filled

__all__ = ["ConstantWatch", "FilledRows"]

FloatArray = NDArray[np.float64]
Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
_ROWS_AT_ONCE = 256


class FilledRows:
    """The latest rows of each lane, scaled and filled, and which of their entries were observed.

    While `n_whole`, the number of rows since a value was missing or the segment began, is at least `whole_after`,
    everything in reach was observed, and nobody looks at the masks.

    Parameters
    ----------
    n_channels
        Channels that networks see.
    length
        Rows that are kept: those of the longest window.
    whole_after
        Rows within reach of any score.
    """

    def __init__(self, rings: Rings, n_channels: int, *, length: int, whole_after: int) -> None:
        self._rings, self.length, self._whole_after = rings, length, whole_after
        self.newest = length - 1
        rings.add("n_rows", (), np.int64)
        rings.add("n_whole", (), np.int64)
        rings.add_ring("window", length, (n_channels,), np.float32)
        rings.add_ring("observed", length, (n_channels,), np.bool_)

    def is_whole(self, lanes: NDArray[np.intp]) -> Mask:
        """Whether nothing is missing within reach, `(m,)`."""
        whole: Mask = self._rings["n_whole"][lanes] >= self._whole_after
        return whole

    def fill(self, place: Place, values: Array) -> tuple[Array, Mask]:
        """Rows `(k, n_channels)` with NaN → filled rows, and which entries were observed."""
        last = self._rings["window"][place.index, place.first + self.newest - 1]
        filled, observed = forward_filled(place.by_lane(values), last)
        return filled.reshape(values.shape), observed.reshape(values.shape)

    def take(self, lanes: NDArray[np.intp], place: Place, filled: Array, observed: Mask | None) -> None:
        """Take rows `(k, n_channels)` without NaN; `observed` is `None` if everything within reach was."""
        rings, n_new = self._rings, place.n_rows or 1
        before = rings["n_rows"][lanes]
        rings["n_rows"][lanes] = before + n_new
        if observed is not None:
            self.recall(lanes)
            is_first = before == 0
            if is_first.any():  # before a segment stands its first row, not observed
                past = rings["window"][:, : place.first + self.newest]
                past[lanes[is_first]] = place.by_lane(filled)[is_first, :1]
            rings["observed"][place.at(self.newest)] = observed
            is_missing = np.asarray(~place.by_lane(observed).all(axis=2))
            n_last = is_missing[:, ::-1].argmax(axis=1)  # complete rows at the end
            rings["n_whole"][lanes] = np.where(is_missing.any(axis=1), n_last, rings["n_whole"][lanes] + n_new)
        rings["window"][place.at(self.newest)] = filled

    def recall(self, lanes: NDArray[np.intp]) -> None:
        """Write down that everything was observed where nobody looked because it was."""
        lanes = lanes[self.is_whole(lanes)]
        if len(lanes):
            self._rings["observed"][lanes] = True
            if "weights" in self._rings:
                self._rings["weights"][lanes] = 1


class ConstantWatch:
    """Errors of constant channels: squared difference between a scaled value and the median of the last ones.

    The median is that of the last `memory` values, the newest included: a new level counts as long as it is news.
    """

    def __init__(self, rings: Rings, n_channels: int, memory: int) -> None:
        self._rings, self._memory = rings, memory
        rings.add_ring("constants", memory, (n_channels,), np.float32, empty=np.nan)

    def step(self, place: Place, values: Array) -> FloatArray:
        """Take scaled values `(k, n_constant)`; return their errors, NaN where missing."""
        ring, memory = self._rings["constants"], self._memory
        ring[place.at(memory - 1)] = values
        errors = values.astype(np.float64)
        if np.nan_to_num(ring[place.index, place.first : place.first + memory - 1 + (place.n_rows or 1)]).any():
            runs = place.runs(ring, memory - 1, memory)
            for first in range(0, len(runs), _ROWS_AT_ONCE):
                part = slice(first, first + _ROWS_AT_ONCE)
                errors[part] = np.square(errors[part] - _medians(runs[part]))
        return errors


def _medians(runs: NDArray[Any]) -> FloatArray:
    """Medians of the known values of runs `(k, length, n_channels)`, `(k, n_channels)`."""
    lowest, highest = np.fmin.reduce(runs, axis=1), np.fmax.reduce(runs, axis=1)
    medians: FloatArray = lowest.astype(np.float64)
    moved = (lowest != highest).any(axis=1)
    ranked: NDArray[Any] = np.sort(runs[moved], axis=1)  # NaN last
    n_known = (~np.isnan(ranked)).sum(axis=1)
    low, high = (n_known - 1).clip(0) // 2, n_known.clip(1) // 2
    middle = [np.take_along_axis(ranked, place[:, None], axis=1)[:, 0].astype(np.float64) for place in (low, high)]
    medians[moved] = (middle[0] + middle[1]) / 2
    return medians
