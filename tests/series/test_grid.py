from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.series.reference import loop_grid_steps
from tsae.errors import ParameterError
from tsae.series.grid import Clock, grid_steps, infer_clock, on_grid, timestamps_ns

steps_of_rows = st.lists(st.integers(0, 4), min_size=1, max_size=20)


def loop_on_grid(values: list[list[float]], steps: list[int]) -> tuple[list[list[float]], list[int], list[int]]:
    """Append row after row, rows of NaN for what is missing between two of them."""
    grid: list[list[float]] = []
    rows: list[int] = []
    starts: list[int] = []
    for number, (row, step) in enumerate(zip(values, steps, strict=True)):
        if number == 0 or step == 0:
            starts.append(len(grid))
        else:
            grid += [[np.nan] * len(row)] * (step - 1)
        rows.append(len(grid))
        grid.append(row)
    return grid, rows, starts


@given(steps=steps_of_rows, n_channels=st.integers(1, 3))
def test_grid_equals_a_loop_over_rows(steps, n_channels):
    values = np.arange(len(steps) * n_channels, dtype=float).reshape(len(steps), n_channels)
    grid = on_grid(values, np.array(steps))
    expected, rows, starts = loop_on_grid(values.tolist(), steps)
    np.testing.assert_array_equal(grid.values, expected)
    assert grid.rows.tolist() == rows
    assert grid.starts.tolist() == starts


@given(steps=steps_of_rows)
def test_every_row_is_found_again_and_lies_in_one_segment(steps):
    values = np.arange(len(steps), dtype=np.float32)[:, None]
    grid = on_grid(values, np.array(steps))
    assert grid.values.dtype == np.float32
    assert grid.values[grid.rows].tolist() == values.tolist()
    assert np.isnan(np.delete(grid.values, grid.rows, axis=0)).all()
    covered = [position for start, stop in grid.segments for position in range(start, stop)]
    assert covered == list(range(len(grid.values)))


def test_rows_without_gaps_are_not_copied():
    values = np.zeros((5, 2))
    for steps in (None, np.array([0, 1, 1, 1, 1]), np.array([0, 1, 0, 1, 1])):
        assert on_grid(values, steps).values is values


@pytest.mark.parametrize("steps", [None, np.empty(0, dtype=np.int64)])
def test_a_table_without_rows_has_no_segment(steps):
    grid = on_grid(np.empty((0, 2)), steps)
    assert grid.segments == []
    assert len(grid.rows) == 0


SECOND = 10**9


@given(
    steps=st.lists(st.integers(-3 * SECOND, 20 * SECOND), max_size=30),
    period=st.sampled_from([None, 1e-9, 0.1, 1 / 3, 1.0, 2.5]),
    max_fill=st.integers(0, 8),
)
def test_grid_steps_equal_a_loop_over_rows(steps, period, max_fill):
    times = np.cumsum([1_790_000_000 * SECOND, *steps])
    expected = loop_grid_steps(times.tolist(), period, max_fill)
    assert grid_steps(times, period, max_fill).tolist() == expected


@given(st.lists(st.integers(-2 * SECOND, 9 * SECOND), min_size=1, max_size=20))
def test_grid_steps_of_pairs_equal_those_of_the_whole(steps):
    times = np.cumsum([0, *steps])
    whole = grid_steps(times, 1.0, 3)
    pairs = [grid_steps(times[row - 1 : row + 1], 1.0, 3)[1] for row in range(1, len(times))]
    assert whole[1:].tolist() == pairs


@pytest.mark.parametrize("period", [0.1, 1 / 3, 1.0, 60.0, 86_400.0])
@pytest.mark.parametrize("whole", [1, 2, 7, 1_000])
def test_half_a_period_more_does_not_count(period, whole):
    length = round(period * SECOND)
    half = whole * length + length // 2
    times = np.array([0, half])
    assert grid_steps(times, period, 2_000)[1] == whole
    assert grid_steps(np.array([0, half + 1]), period, 2_000)[1] == whole + 1


def test_grid_steps_split_at_long_gaps_only():
    times = np.array([0, 1, 4, 8, 9]) * SECOND
    assert grid_steps(times, 1.0, 2).tolist() == [0, 1, 3, 0, 1]
    assert grid_steps(times, 1.0, 0).tolist() == [0, 1, 0, 0, 1]


def test_grid_steps_without_a_period_or_rows():
    assert grid_steps(np.array([5, 3, 900]) * SECOND, None, 0).tolist() == [0, 1, 1]
    assert grid_steps(np.array([], dtype=np.int64), 1.0, 0).tolist() == []


def test_grid_steps_survive_a_gap_of_centuries():
    times = np.array([np.iinfo(np.int64).min // 2 + 1, np.iinfo(np.int64).max // 2])
    assert grid_steps(times, 1.0, 5).tolist() == [0, 0]


def test_grid_steps_refuse_nonsense():
    with pytest.raises(ParameterError, match=r"`max_fill` \(=-1\) must be at least 0"):
        grid_steps(np.array([0]), 1.0, -1)
    with pytest.raises(ParameterError, match=r"`period` \(=0\.0\) must be at least 1e-9"):
        grid_steps(np.array([0, 1]), 0.0, 1)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_the_resolution_and_zone_of_an_index_do_not_matter(unit, zone):
    index = pd.date_range("2026-11-24", periods=5, freq="10min", tz=zone).as_unit(unit)
    assert np.diff(timestamps_ns(index)).tolist() == [600 * SECOND] * 4
    assert timestamps_ns(index)[0] == index[0].timestamp() * SECOND
    assert infer_clock(index) == Clock(600.0, 1.0, 0)


def test_a_jittery_clock_with_gaps_keeps_its_period():
    rng = np.random.default_rng(0)
    times = np.arange(1_000) * 60 * SECOND + rng.integers(-5 * SECOND, 5 * SECOND, 1_000)
    times[400:] += 3_600 * SECOND
    times[700:] += 90 * SECOND
    clock = infer_clock(pd.DatetimeIndex(times.view("datetime64[ns]")))
    assert clock.period == pytest.approx(60, abs=0.5)
    assert clock.n_gaps == 2
    assert clock.regularity == pytest.approx(997 / 999)
    assert "with 2 gaps" in str(clock)


def test_events_have_no_clock():
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.exponential(60 * SECOND, 500)).astype(np.int64)
    clock = infer_clock(pd.DatetimeIndex(times.view("datetime64[ns]")))
    assert clock.period is None
    assert 0 < clock.regularity < 0.8
    assert str(clock) == "no regular clock"


@pytest.mark.parametrize("index", [pd.RangeIndex(9), pd.Index([1.5, 2.5]), pd.DatetimeIndex(["2026-11-24"])])
def test_an_index_without_steps_in_time_has_no_clock(index):
    assert infer_clock(index) == Clock(None, 0.0, 0)
