"""One member's errors of the newest row and of the row that settles with it, for many lanes, a row each at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.scoring.member import Member
from tsae.scoring.rings import LaneArrays

__all__ = ["LaneMember"]

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]


class LaneMember:
    """See `tsae.scoring.rows.RowErrors` for what is computed.

    A row's settled error is taken when the last window that can cover it is complete, `window_size - 1` rows later.

    Parameters
    ----------
    full
        Whether settled errors are wanted.

    Attributes
    ----------
    name : str
        Of the ring that holds the errors summed over windows.
    """

    def __init__(self, member: Member, arrays: LaneArrays, name: str, *, full: bool) -> None:
        self.member, self._arrays, self._full, self.name = member, arrays, full, f"{name}.sum"
        size = member.window_size
        if full:
            arrays.add_ring(self.name, size, (len(member.settled.levels),), np.float32)

    def step(
        self, part: Any, origin: int, rows: NDArray[np.int64], windows: Array, seen: Mask | None
    ) -> tuple[Array, Array | None]:
        """Errors of rows t, and of rows t - window_size + 1 if they are wanted, `(m, n_channels)`, NaN where missing.

        `windows` end in rows t and may be longer than this member's; so does `seen`, which says what was observed in
        them: `None` if everything was, and in twice as many rows before.
        """
        size = self.member.window_size
        windows = windows[:, -size:]
        starts = rows - size + 1
        whole_ones = _whole(starts, self.member.stride) if self._full else False
        last, whole = self._errors(windows, whole_ones)
        if seen is None:
            n_last = last.shape[1]
            now: Array = np.full(n_last, 1 / n_last, np.float32) @ last
            return now, self._settled(part, origin, starts, whole, whole_ones) if self._full else None
        seen = seen[:, -size:]
        now = _mean_seen(last, seen[:, size - last.shape[1] :])
        if not self._full:
            return now, None
        return now, np.where(seen[:, 0], self._settled(part, origin, starts, whole, whole_ones), np.float32(np.nan))

    def flush(self, lane: int, n_rows: int, window: Array, seen: Mask) -> Array:
        """Settled errors of one lane's last rows, `(min(n_rows, window_size - 1), n_channels)`, NaN where missing."""
        size, stride = self.member.window_size, self.member.stride
        start = n_rows - size
        rows = np.arange(max(0, start + 1), n_rows)
        stop = int(self._arrays["origin"][lane]) + size
        total = self._arrays[self.name][lane, stop - len(rows) : stop].copy()
        counts = self._counts(rows, start)
        if start < 0 or start % stride:  # one more window ends at the last row; it covers what is not settled
            whole = self.member.model.errors(np.ascontiguousarray(window[None, -size:]))[0]
            unsettled = rows >= (start // stride + 1) * stride if start >= 0 else rows >= 0
            total[unsettled] += whole[size - len(rows) :][unsettled]
            counts[unsettled] += 1
        observed = seen[len(seen) - len(rows) :]
        return np.where(observed, total / counts[:, None], np.float32(np.nan))

    def _errors(self, windows: Array, whole_ones: Any) -> tuple[Array, Array | None]:
        """Errors of the last steps of all windows, and of all steps of whole ones."""
        model, n_last = self.member.model, self.member.n_last
        if whole_ones is True:
            whole = model.errors(windows)
            return whole[:, whole.shape[1] - n_last :], whole
        last = model.errors(windows, n_last=n_last)
        return last, None if whole_ones is False else model.errors(windows[whole_ones])

    def _settled(
        self, part: Any, origin: int, starts: NDArray[np.int64], whole: Array | None, whole_ones: Any
    ) -> Array:
        """Add errors of windows to the rows they cover; return the mean of the row that no later one covers."""
        sums = self._arrays[self.name]
        reach = slice(origin, origin + self.member.window_size)
        sums[part, reach.stop - 1] = 0
        total = sums[part, reach]
        if whole_ones is True:
            total += whole
        elif whole is not None:
            total[whole_ones] += whole
        if not isinstance(part, slice):
            sums[part, reach] = total
        mean: Array = total[:, 0] / np.maximum(self._counts(starts, starts), 1)[:, None]
        return mean

    def inner_counts(self) -> list[float]:
        """How many windows cover a row far from a segment's ends, by its number modulo the stride."""
        stride = self.member.stride
        rows = self.member.window_size * stride + np.arange(stride)
        return [float(count) for count in self._counts(rows, rows)]

    def _counts(self, rows: Any, newest: Any) -> Any:
        """How many windows, the last one starting at row `newest` or before, cover each of these rows."""
        stride, size = self.member.stride, self.member.window_size
        first = -(-np.maximum(rows - size + 1, 0) // stride)
        return np.float32(np.maximum(np.minimum(rows, newest) // stride - first + 1, 0))


def _whole(starts: NDArray[np.int64], stride: int) -> Any:
    """Whether whole windows are to be judged that start at these rows: of all lanes, of none, or a mask `(m,)`."""
    mask = (starts >= 0) & (starts % stride == 0)
    return True if mask.all() else mask if mask.any() else False


def _mean_seen(errors: Array, seen: Mask) -> Array:
    """Mean over the steps that were observed, `(m, n_channels)`; NaN where none was."""
    with np.errstate(invalid="ignore"):
        mean: Array = (errors * seen).sum(1) / seen.sum(1, dtype=np.float32)
    return mean
