from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scoring.reference import immediate_row_errors, settled_row_errors
from tsae.scoring.rows import RowErrors, WindowErrors


def errors_of_windows(windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Depend on every row of the window and on the place in it, as a network's errors do."""
    place = np.arange(windows.shape[1], dtype=windows.dtype)[:, None]
    return np.square(windows - windows.mean(1, keepdims=True)) + np.float32(0.1) * place


def last_errors(n_last: int) -> WindowErrors:
    return lambda windows: errors_of_windows(windows)[:, -n_last:]


def errors_of_one(window: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return errors_of_windows(window[None])[0].astype(np.float64)


Segment = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    """Filled values and which were observed: some entries, channels or stretches are missing."""
    n_rows, n_channels = draw(st.integers(1, 30)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    observed = rng.random((n_rows, n_channels)) >= draw(st.sampled_from([0.0, 0.2, 0.9]))
    first = draw(st.integers(0, n_rows))
    observed[first : first + draw(st.integers(0, 12)), draw(st.integers(0, n_channels - 1))] = False
    return rng.normal(size=(n_rows, n_channels)).astype(np.float32), observed


def pushed(rows: RowErrors, segment: Segment, cuts: list[int]) -> tuple[npt.NDArray, npt.NDArray]:
    """Settled and immediate errors of a segment that comes in blocks."""
    values, observed = segment
    borders = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    outputs = [rows.push(values[a:b], observed[a:b]) for a, b in pairwise(borders)]
    settled, immediate = (np.concatenate(parts) for parts in zip(*outputs, strict=True))
    if rows.settled:
        settled = np.concatenate([settled, rows.flush()])
    return settled, immediate


cuts = st.lists(st.integers(0, 30), max_size=6)


@settings(max_examples=60)
@given(segment=segments(), size=st.integers(4, 12), stride=st.sampled_from([1, 2, 3, 4]), cuts=cuts)
def test_settled_errors_equal_a_loop_over_windows(segment, size, stride, cuts):
    rows = RowErrors(errors_of_windows, window_size=size, stride=stride)
    settled, immediate = pushed(rows, segment, cuts)
    np.testing.assert_allclose(settled, settled_row_errors(errors_of_one, *segment, size, stride), rtol=1e-4)
    assert len(immediate) == 0


@settings(max_examples=60)
@given(segment=segments(), size=st.integers(4, 12), data=st.data(), cuts=cuts)
def test_immediate_errors_equal_a_loop_over_rows(segment, size, data, cuts):
    n_last = data.draw(st.integers(1, size))
    rows = RowErrors(None, last_errors(n_last), window_size=size, stride=4)
    settled, immediate = pushed(rows, segment, cuts)
    np.testing.assert_allclose(immediate, immediate_row_errors(errors_of_one, *segment, size, n_last), rtol=1e-4)
    assert len(settled) == 0


@given(segment=segments(), size=st.integers(4, 12), stride=st.sampled_from([1, 4]), cuts=cuts)
def test_one_pass_gives_both_kinds(segment, size, stride, cuts):
    both = RowErrors(errors_of_windows, last_errors(2), window_size=size, stride=stride)
    settled, immediate = pushed(both, segment, cuts)
    only_settled = RowErrors(errors_of_windows, window_size=size, stride=stride)
    only_immediate = RowErrors(None, last_errors(2), window_size=size, stride=stride)
    np.testing.assert_allclose(settled, pushed(only_settled, segment, [])[0], rtol=1e-4)
    np.testing.assert_allclose(immediate, pushed(only_immediate, segment, [])[1], rtol=1e-4)


@given(segment=segments(), size=st.integers(4, 12), stride=st.sampled_from([1, 4]))
def test_a_row_is_settled_once_no_later_window_covers_it(segment, size, stride):
    rows = RowErrors(errors_of_windows, window_size=size, stride=stride)
    n_settled = 0
    for row, (values, observed) in enumerate(zip(*segment, strict=True)):
        n_settled += len(rows.push(values[None], observed[None])[0])
        n_windows = max(0, row - size + 1) // stride + 1 if row >= size - 1 else 0
        assert n_settled == n_windows * stride


@pytest.mark.parametrize("stride", [1, 4])
def test_batches_too_large_for_the_cache_are_split(stride):
    rng = np.random.default_rng(0)
    segment = rng.normal(size=(2600, 64)).astype(np.float32), np.ones((2600, 64), dtype=bool)
    shapes = []

    def window_errors(windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        shapes.append(len(windows))
        return np.square(windows)

    rows = RowErrors(window_errors, lambda windows: window_errors(windows)[:, -8:], window_size=64, stride=stride)
    settled, immediate = pushed(rows, segment, [1500])
    assert max(shapes) * 64 * 64 * 4 <= 16 * 2**20
    assert sum(shapes) >= 2600 + 2500 // stride
    np.testing.assert_allclose(settled, segment[0] ** 2, rtol=1e-5)
    trailing = np.stack([np.mean(segment[0][max(0, row - 7) : row + 1] ** 2, axis=0) for row in range(2600)])
    np.testing.assert_allclose(immediate, trailing, rtol=1e-4)


def test_a_block_without_rows_changes_nothing():
    rows = RowErrors(errors_of_windows, last_errors(1), window_size=4)
    empty = np.empty((0, 2), np.float32), np.empty((0, 2), bool)
    assert [part.shape for part in rows.push(*empty)] == [(0, 2), (0, 2)]
    assert len(rows.flush()) == 0
