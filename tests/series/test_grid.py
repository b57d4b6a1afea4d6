from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsae.series.grid import on_grid

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
