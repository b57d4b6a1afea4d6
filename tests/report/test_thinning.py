from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsae.report.axis import binned_max, isolated, thin


def test_a_short_line_is_drawn_as_it_is() -> None:
    x, y = np.arange(50.0), np.sin(np.arange(50.0))
    drawn_x, drawn_y = thin(x, y, limit=100)
    np.testing.assert_array_equal(drawn_x, x)
    np.testing.assert_array_equal(drawn_y, y)


def test_thinning_keeps_one_extreme_row_among_many() -> None:
    y = np.random.default_rng(0).normal(size=200_000)
    y[123_456], y[77_777] = 40.0, -30.0
    drawn_x, drawn_y = thin(np.arange(len(y), dtype=float), y, limit=4000)
    assert len(drawn_y) <= 4000
    assert drawn_y.max() == 40.0
    assert drawn_x[drawn_y.argmax()] == 123_456
    assert drawn_y.min() == -30.0
    assert (drawn_x[0], drawn_x[-1]) == (0, len(y) - 1)


@pytest.mark.parametrize("n_rows", [1000, 100_000], ids=["as it is", "thinned"])
def test_missing_values_stay_a_gap(n_rows: int) -> None:
    y = np.ones(n_rows)
    y[n_rows // 4 : n_rows // 2] = np.nan
    x, drawn = thin(np.arange(n_rows, dtype=float), y, limit=4000)
    (hole,) = np.flatnonzero(np.isnan(drawn))
    assert x[hole - 1] == n_rows // 4 - 1
    assert x[hole + 1] == n_rows // 2


def test_a_jump_of_the_clock_is_a_gap() -> None:
    x = np.concatenate([np.arange(20.0), np.arange(60.0, 80.0)])
    drawn_x, drawn_y = thin(x, np.ones(40), limit=100)
    assert np.flatnonzero(np.isnan(drawn_y)).tolist() == [20]
    assert len(drawn_x) == 41


def test_holes_too_narrow_to_see_do_not_cut_a_thinned_line() -> None:
    y = np.ones(100_000)
    y[::10] = np.nan
    assert not np.isnan(thin(np.arange(1e5), y, limit=4000)[1]).any()


def test_a_line_without_values_has_no_points() -> None:
    x, y = thin(np.arange(9.0), np.full(9, np.nan), limit=100)
    assert len(x) == len(y) == 0


@given(st.lists(st.sampled_from([1.0, np.nan]), max_size=12))
def test_isolated_points_are_those_without_neighbours(values: list[float]) -> None:
    y = np.array(values)
    padded = [np.nan, *values, np.nan]
    expected = [
        not np.isnan(padded[place]) and np.isnan(padded[place - 1]) and np.isnan(padded[place + 1])
        for place in range(1, len(values) + 1)
    ]
    assert isolated(y).tolist() == expected


@given(
    steps=st.lists(st.sampled_from([0.0, 1.0, 7.0, 300.0]), min_size=1, max_size=30),
    n_bins=st.integers(1, 9),
    seed=st.integers(0, 5),
)
def test_binned_max_equals_a_loop(steps: list[float], n_bins: int, seed: int) -> None:
    x = np.cumsum(steps)
    if x[-1] == x[0]:
        n_bins = 1
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((len(x), 2)) < 0.3, np.nan, rng.normal(size=(len(x), 2)))
    edges = np.linspace(x[0], x[-1], n_bins + 1)
    expected = np.full((n_bins, 2), np.nan)
    for row, time in enumerate(x):
        place = max(bin_ for bin_ in range(n_bins) if time >= edges[bin_])
        expected[place] = np.fmax(expected[place], values[row])
    middles, largest = binned_max(x, values, n_bins)
    np.testing.assert_array_equal(largest, expected)
    assert len(middles) == n_bins
