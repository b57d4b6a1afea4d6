import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.series.reference import loop_sort_rows
from tsae.series.ordering import count_rows, group_rows, sort_rows


@given(st.lists(st.integers(0, 12), min_size=1, max_size=25))
def test_sorting_equals_a_loop(times):
    rows = np.arange(len(times)) * 2 + 5
    order = sort_rows(rows, np.array(times))
    expected, n_duplicates, n_late = loop_sort_rows(times)
    assert order.rows.tolist() == rows[expected].tolist()
    assert (order.n_duplicates, order.n_late) == (n_duplicates, n_late)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=25))
def test_groups_hold_every_row_once_in_the_order_of_the_file(raw):
    codes = np.unique(raw, return_inverse=True)[1]
    groups = group_rows(codes)
    assert [rows.tolist() for rows in groups] == [np.flatnonzero(codes == c).tolist() for c in range(codes.max() + 1)]


def test_a_clock_that_is_set_back_is_told_from_rows_out_of_order():
    set_back = np.array([0, 10, 20, 30, 40, 10, 20, 30, 40, 50])
    assert sort_rows(np.arange(10), set_back).set_backs == (5,)
    assert sort_rows(np.arange(10), set_back).rows.tolist() == [0, 1, 2, 3, 4, 9]
    parts_swapped = np.array([50, 60, 70, 80, 10, 20, 30, 40])
    assert sort_rows(np.arange(8), parts_swapped).set_backs == ()
    repeated_lines = np.array([0, 10, 10, 20, 20, 30, 30])
    assert sort_rows(np.arange(7), repeated_lines).set_backs == ()


def test_only_numbers_that_rise_by_one_step_count_rows():
    groups = {"a": np.array([0, 2, 4]), "b": np.array([1, 3])}
    counted = count_rows(np.array([5.0, 0.0, 7.0, 2.0, 9.0]), groups, "n")
    assert {entity: (list(index), index.name) for entity, index in counted.items()} == {
        "a": ([5, 7, 9], "n"),
        "b": ([0, 2], "n"),
    }
    for values in ([0, 1, 2, 3, 5], [0, 0, 0, 0, 0], [4, 3, 2, 1, 0], [0, 1, np.nan, 3, 4], [0, 0.5, 1, 1.5, 2]):
        assert count_rows(np.array(values, dtype=float), {"": np.arange(5)}, "n") is None
