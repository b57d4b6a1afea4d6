"""The rows around an event's peak, looked at more closely than all rows can be: which sensors are to blame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsae.detection.engine import ScoreModel
from tsae.detection.evidence import TrackedEvent
from tsae.series.filling import ForwardFill
from tsae.series.grid import GridSeries

__all__ = ["blame_for"]

FloatArray = NDArray[np.float64]
_REACH = 32  # rows before and after the peak that are looked at


def blame_for(model: ScoreModel, grid: GridSeries, event: TrackedEvent) -> FloatArray | None:
    """How much each channel is to blame for an event, `(n_channels,)`; NaN for those that no network sees.

    Looks at the event's rows near its peak, and at a few beside them if the event is shorter than a window. `None` if
    the model cannot tell or nothing stands out.
    """
    if model.blame is None:
        return None
    start, stop, peak = (int(grid.rows[moment.row]) for moment in (event.start, event.stop, event.peak))
    segment = next(each for each in grid.segments if each[0] <= peak < each[1])
    first, last = max(start, peak - _REACH), min(stop, peak + _REACH) + 1
    lacking = max(0, len(model.blame.centre) - (last - first))
    first = max(segment[0], min(first - lacking // 2, segment[1] - len(model.blame.centre)))
    last = min(segment[1], max(last, first + len(model.blame.centre)))
    if last - first < len(model.blame.centre):
        return None
    network = model.scaler.network_channels
    rows, observed = ForwardFill().push(model.scaler.scaled(grid.values[first:last])[:, network])
    parts = model.blame.parts(rows.astype(np.float64), observed)
    if not parts.any():
        return None
    blame = np.full(len(model.scaler.role), np.nan)
    blame[network] = parts
    return blame
