"""One member's way from rows to calibrated scores, for many lanes, a row each at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.filters import MovingAverage
from tsae.detection.member import Member, MemberScale, channel_mean, immediate_averages, settled_averages
from tsae.streaming.lane_arrays import LaneArrays

__all__ = ["LaneMember"]

FloatArray = NDArray[np.float64]
_LEAST_MASS = 1e-9


class LaneMember:
    """See `tsae.detection.rows.RowErrors` and `tsae.detection.chain.Chain` for what is computed.

    A row's settled error is taken when the last window that can cover it is complete, `window_size - 1` rows later.

    Parameters
    ----------
    shift
        Rows that immediate scores are shifted back to serve as settled ones; `None` for the full lag.

    Attributes
    ----------
    delay, error_delay : int
        Rows until a row's settled views and errors are known.
    """

    def __init__(self, member: Member, arrays: LaneArrays, prefix: str, *, shift: int | None) -> None:
        self._member, self._arrays, self._prefix, self._full = member, arrays, prefix, shift is None
        size, n_channels = member.window_size, len(member.settled.levels)
        self._now = _Filters(member.immediate, immediate_averages(size), arrays, f"{prefix}immediate.")
        arrays.add(f"{prefix}values", (size, n_channels), np.float32)
        arrays.add(f"{prefix}observed", (size, n_channels), np.bool_)
        if shift is None:
            self._settled = _Filters(member.settled, settled_averages(size), arrays, f"{prefix}settled.")
            arrays.add(f"{prefix}sum", (size, n_channels), np.float32)
            self.error_delay = size - 1
            self.delay = size - 1 + self._settled.lookahead
            self.n_views = self._settled.n_views
        else:
            self.delay = self.error_delay = shift
            self.n_views = self._now.n_views
            self._views_before = f"{prefix}newest_views"
            self._errors_before = f"{prefix}newest_errors"
            arrays.add(self._views_before, (self.n_views,))
            arrays.add(self._errors_before, (n_channels,))

    def step(
        self,
        part: Any,
        rows: NDArray[np.int64],
        filled: NDArray[np.float32],
        observed: NDArray[np.bool_],
        apart: FloatArray,
        settled_apart: FloatArray,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Take rows t; return views of rows t, views of rows t - delay, relative errors of rows t - error_delay."""
        member, arrays, prefix = self._member, self._arrays, self._prefix
        is_first = rows == 0
        if is_first.any():
            self._begin(part, is_first, filled)
        windows = arrays.shift_in(f"{prefix}values", part, filled)
        seen = arrays.shift_in(f"{prefix}observed", part, observed)
        starts = rows - member.window_size + 1
        complete = (starts >= 0) & (starts % member.stride == 0) if self._full else np.zeros(len(rows), bool)
        last, whole = self._errors(windows, complete)
        now = self._now.step(part, _mean_seen(last, seen[:, seen.shape[1] - last.shape[1] :]), apart)
        if not self._full:
            arrays[self._views_before][part], arrays[self._errors_before][part] = now
            return now[0], *now
        total = arrays.shift_in(f"{prefix}sum", part, 0)
        if whole is not None:
            total[complete] += whole
            if not isinstance(part, slice):
                arrays[f"{prefix}sum"][part] = total
        counts = np.maximum(self._counts(starts, starts), 1)
        errors = np.where(seen[:, 0], total[:, 0] / counts[:, None], np.nan).astype(np.float64)
        return now[0], *self._settled.step(part, errors, settled_apart, starts >= 0)

    def flush(self, part: slice, n_rows: int, apart_ring: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Views and relative errors of one lane's last rows, at least those that are not known yet."""
        arrays, prefix, size = self._arrays, self._prefix, self._member.window_size
        if not self._full:
            views, errors = arrays[self._views_before][part], arrays[self._errors_before][part]
            return np.repeat(views, self.delay, axis=0), np.repeat(errors, self.delay, axis=0)
        start, stride = n_rows - size, self._member.stride
        rows = np.arange(max(0, start + 1), n_rows)
        total = arrays[f"{prefix}sum"][part][0, -len(rows) :].copy()
        counts = self._counts(rows, start)
        if start < 0 or start % stride:  # one more window ends at the last row; it covers what is not settled
            whole = self._member.model.errors(np.ascontiguousarray(arrays[f"{prefix}values"][part]))[0]
            unsettled = rows >= (start // stride + 1) * stride if start >= 0 else rows >= 0
            total[unsettled] += whole[-len(rows) :][unsettled]
            counts[unsettled] += 1
        seen = arrays[f"{prefix}observed"][part][0, -len(rows) :]
        errors = np.where(seen, total / counts[:, None], np.nan).astype(np.float64)
        return self._settled.flush(part, errors, apart_ring[rows % len(apart_ring)])

    def _begin(self, part: Any, is_first: NDArray[np.bool_], filled: NDArray[np.float32]) -> None:
        """What lies before a segment is filled with its first row, not observed."""
        values = self._arrays[f"{self._prefix}values"]
        lanes = np.arange(part.start, part.stop) if isinstance(part, slice) else part
        values[lanes[is_first]] = filled[is_first, None]

    def _errors(
        self, windows: NDArray[np.float32], complete: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Errors of the last steps of all windows, and of all steps of complete ones."""
        model, n_last = self._member.model, self._member.n_last
        if complete.all():
            whole = model.errors(windows)
            return whole[:, whole.shape[1] - n_last :], whole
        last = model.errors(windows, n_last=n_last)
        return last, model.errors(windows[complete]) if complete.any() else None

    def _counts(self, rows: NDArray[np.int64], newest: Any) -> NDArray[np.float32]:
        """How many windows, the last one starting at row `newest` or before, cover each of these rows."""
        stride, size = self._member.stride, self._member.window_size
        first = -(-np.maximum(rows - size + 1, 0) // stride)
        counts = np.maximum(np.minimum(rows, newest) // stride - first + 1, 0)
        return np.asarray(counts, dtype=np.float32)


class _Filters:
    """Relative errors → mean over channels → moving averages → −log p."""

    def __init__(self, scale: MemberScale, averages: list[MovingAverage], arrays: LaneArrays, prefix: str) -> None:
        self._scale, self._arrays = scale, arrays
        self.lookahead = averages[0].lookahead
        self.n_views = len(averages)
        length = max(len(average.kernel) for average in averages)
        self._kernels = np.stack([np.pad(each.kernel, (length - len(each.kernel), 0)) for each in averages])
        self._means, self._weights = f"{prefix}means", f"{prefix}weights"
        arrays.add(self._means, (length,))
        arrays.add(self._weights, (length,))

    def step(
        self, part: Any, errors: FloatArray, apart: FloatArray, exists: NDArray[np.bool_] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Views `(m, n_views)` of the rows `lookahead` back, and the relative errors of these `(m, n_channels)`."""
        relative = errors / self._scale.levels
        means, weights = channel_mean(relative, apart)
        if exists is not None:
            weights = weights * exists
        means = self._arrays.shift_in(self._means, part, np.where(weights > 0, means, 0.0))
        weights = self._arrays.shift_in(self._weights, part, weights)
        return self._views(means @ self._kernels.T, weights @ self._kernels.T), relative

    def flush(self, part: slice, errors: FloatArray, apart: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same for the last rows of one lane and the rows that are missing behind them."""
        relative = errors / self._scale.levels
        means, weights = channel_mean(relative, apart)
        rest = np.zeros(self.lookahead)
        means = np.concatenate([self._arrays[self._means][part][0, 1:], np.where(weights > 0, means, 0.0), rest])
        weights = np.concatenate([self._arrays[self._weights][part][0, 1:], weights, rest])
        total, mass = (
            np.column_stack([np.correlate(values, kernel, mode="valid") for kernel in self._kernels])
            for values in (means, weights)
        )
        return self._views(total, mass), relative

    def _views(self, total: FloatArray, mass: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            averaged = np.where(mass > _LEAST_MASS, total / mass, np.nan)
        return self._scale.views(list(averaged.T))


def _mean_seen(errors: NDArray[np.float32], seen: NDArray[np.bool_]) -> FloatArray:
    """Mean over the steps that were observed, `(m, n_channels)`; NaN where none was."""
    with np.errstate(invalid="ignore"):
        mean = (errors * seen).sum(1) / seen.sum(1, dtype=np.float32)
    return np.asarray(mean, dtype=np.float64)
