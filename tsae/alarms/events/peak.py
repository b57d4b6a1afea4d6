"""The rows around an event's peak, looked at more closely than all rows can be: what was expected, who is to blame.

A stream sees an event's end some rows later, and then knows some more rows, but not all that follow. What is said of
an event therefore depends on the rows known by then only, in a file as in a stream.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.events.evidence import TrackedEvent
from tsae.alarms.events.explain import PeakView
from tsae.alarms.events.rules import EventRules
from tsae.scoring.blame import BlameModel
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.rebuilding import expected_values, in_units
from tsae.series.channels import forward_filled
from tsae.series.grid import GridSeries

__all__ = ["PeakRows", "peak_reach", "peak_rows", "view_peak"]

FloatArray = NDArray[np.float64]
_REACH = 32  # rows before and after the peak that blame looks at
_LONGEST_BLAME = 16  # rows of its windows, at most
_MOST_SUSPECTS = 10  # sensors whose values are put aside to say what was expected of them
_LEAST_SUSPECT = 0.1  # of the largest part of the blame


class PeakRows(NamedTuple):
    """Rows of one segment around an event's peak."""

    values: NDArray[np.floating]
    """At most `peak_reach` rows before and after the peak `(n, n_channels)`, in the sensors' units."""
    peak: int
    """Place of the peak in them."""
    start: int
    """Place of the event's first row, 0 if it lies before them."""
    stop: int
    """Place of its last row, the last one if it lies behind them."""


def peak_reach(model: Ensemble) -> int:
    """Rows before and after a peak that are looked at."""
    return max(model.longest.window_size, _REACH + _LONGEST_BLAME)


def peak_rows(model: Ensemble, grid: GridSeries, event: TrackedEvent, *, rules: EventRules, lag: int) -> PeakRows:
    """The rows of an entity around the peak of an event, as far as a stream with this lag knows them at its end."""
    start, stop, peak = (int(grid.rows[moment.row]) for moment in (event.start, event.stop, event.peak))
    begin, end = next(segment for segment in grid.segments if segment[0] <= peak < segment[1])
    closing = event.last.row + rules.merge_gap + 1
    known = int(grid.rows[closing]) + model.delay(lag) + 1 if closing < len(grid.rows) else end
    reach = peak_reach(model)
    first, last = max(begin, peak - reach), min(end, known, peak + reach + 1)
    return PeakRows(grid.values[first:last], peak - first, max(0, start - first), min(stop, last - 1) - first)


def view_peak(model: Ensemble, rows: PeakRows, actual: NDArray[np.floating] | None = None) -> PeakView:
    """What the sensors looked like at the peak, and which are to blame.

    Parameters
    ----------
    actual
        What was measured at the peak `(n_channels,)`, if it is more exact than `rows`.
    """
    member = model.longest
    first = max(0, rows.peak - member.window_size)
    near = rows.values[first : rows.peak + member.window_size]
    rebuilt = expected_values(model, member, near)[rows.peak - first]
    measured = np.asarray(rows.values[rows.peak] if actual is None else actual, dtype=np.float64)
    blame = _blame(model, rows)
    if model.blame is None or blame is None:
        return PeakView(measured, rebuilt)
    return PeakView(measured, _expected(model, model.blame, rows, rebuilt, blame), blame)


def _expected(
    model: Ensemble, gaussian: BlameModel, rows: PeakRows, rebuilt: FloatArray, blame: FloatArray
) -> FloatArray:
    """What was expected at the peak `(n_channels,)`: of sensors to blame what the others, and they before, let expect.

    A network has seen their faulty values, and rebuilds them in part: what it made of them is no expectation.
    """
    size, network = len(gaussian.centre), model.scaler.network_channels
    first = max(0, min(rows.peak - size // 2, len(rows.values) - size))
    filled, observed = forward_filled(model.scaler.scaled(rows.values[first : first + size])[:, network])
    parts = blame[network]
    suspects = np.argsort(-parts, kind="stable")[:_MOST_SUSPECTS]
    suspects = suspects[parts[suspects] >= _LEAST_SUSPECT * parts[suspects[0]]]
    hidden = ~observed
    hidden[max(0, rows.start - first) : rows.stop + 1 - first, suspects] = True
    window = gaussian.expected(filled.astype(np.float64), hidden)
    out = rebuilt.copy()
    out[network[suspects]] = in_units(model, window[rows.peak - first])[network[suspects]]
    return out


def _blame(model: Ensemble, rows: PeakRows) -> FloatArray | None:
    """How much each channel is to blame, `(n_channels,)`; NaN for those that no network sees.

    Looks at the event's rows near its peak, and at a few beside them if the event is shorter than a window. `None` if
    the model cannot tell or nothing stands out.
    """
    blame: BlameModel | None = model.blame
    if blame is None:
        return None
    size, n_rows = len(blame.centre), len(rows.values)
    first, last = max(rows.start, rows.peak - _REACH), min(rows.stop, rows.peak + _REACH) + 1
    lacking = max(0, size - (last - first))
    first = max(0, min(first - lacking // 2, n_rows - size))
    last = min(n_rows, max(last, first + size))
    if last - first < size:
        return None
    network = model.scaler.network_channels
    filled, observed = forward_filled(model.scaler.scaled(rows.values[first:last])[:, network])
    parts = blame.parts(filled.astype(np.float64), observed)
    if not parts.any():
        return None
    out = np.full(len(model.scaler.role), np.nan)
    out[network] = parts
    return out
