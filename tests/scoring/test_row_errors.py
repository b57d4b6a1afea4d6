from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scoring.reference import immediate_row_errors, settled_row_errors
from tsae.scoring.inputs import FilledRows
from tsae.scoring.rings import Rings
from tsae.scoring.row_errors import RowErrors, WindowErrors, segment_errors


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


def in_blocks(
    segment: Segment, cuts: list[int], size: int, stride: int, n_last: int | None, settled: bool = True
) -> tuple[npt.NDArray, npt.NDArray]:
    """Settled and immediate errors of a segment that comes in blocks, in the second of three lanes."""
    values, observed = segment
    rings = Rings(64)
    rows = FilledRows(rings, values.shape[1], length=size + 3, whole_after=10_000)
    errors = RowErrors(
        *(rings, rows, "some"),
        window_errors=errors_of_windows if settled else None,
        last_errors=None if n_last is None else last_errors(n_last),
        n_last=n_last or 0,
        window_size=size,
        stride=stride,
    )
    for _ in range(3):
        rings.open()
    lanes = np.array([1])
    borders = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    now, done = [], []
    for a, b in pairwise(borders):
        if a == b:
            continue
        place = rings.advance(lanes, b - a)
        rows.take(lanes, place, values[a:b], observed[a:b])
        immediate, known = errors.step(place, np.arange(a, b), whole=False)
        now += [] if immediate is None else [immediate]
        done += [] if known is None else [known[max(0, size - 1 - a) :]]
    if settled:
        done.append(errors.flush(1))
    return np.concatenate(done or [values[:0]]), np.concatenate(now or [values[:0]])


cuts = st.lists(st.integers(0, 30), max_size=6)


@settings(max_examples=60)
@given(segment=segments(), size=st.integers(4, 12), stride=st.sampled_from([1, 2, 3, 4]), cuts=cuts)
def test_settled_errors_equal_a_loop_over_windows(segment, size, stride, cuts):
    settled, immediate = in_blocks(segment, cuts, size, stride, None)
    np.testing.assert_allclose(settled, settled_row_errors(errors_of_one, *segment, size, stride), rtol=1e-4)
    assert len(immediate) == 0


@settings(max_examples=60)
@given(segment=segments(), size=st.integers(4, 12), data=st.data(), cuts=cuts)
def test_immediate_errors_equal_a_loop_over_rows(segment, size, data, cuts):
    n_last = data.draw(st.integers(1, size))
    settled, immediate = in_blocks(segment, cuts, size, 4, n_last, settled=False)
    np.testing.assert_allclose(immediate, immediate_row_errors(errors_of_one, *segment, size, n_last), rtol=1e-4)
    assert len(settled) == 0


@given(segment=segments(), size=st.integers(4, 12), stride=st.sampled_from([1, 4]), cuts=cuts)
def test_one_pass_gives_both_kinds(segment, size, stride, cuts):
    settled, immediate = in_blocks(segment, cuts, size, stride, 2)
    np.testing.assert_allclose(settled, in_blocks(segment, [], size, stride, None)[0], rtol=1e-4)
    np.testing.assert_allclose(immediate, in_blocks(segment, [], size, stride, 2, settled=False)[1], rtol=1e-4)


@settings(max_examples=30)
@given(segment=segments(), size=st.integers(4, 12), stride=st.sampled_from([1, 3]))
def test_a_whole_segment_at_once_is_the_same(segment, size, stride):
    found = segment_errors(
        *segment,
        window_errors=errors_of_windows,
        last_errors=last_errors(2),
        n_last=2,
        window_size=size,
        stride=stride,
    )
    for ours, theirs in zip(found, in_blocks(segment, [3, 5], size, stride, 2), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize("stride", [1, 4])
def test_batches_too_large_for_the_cache_are_split(stride):
    rng = np.random.default_rng(0)
    segment = rng.normal(size=(2600, 64)).astype(np.float32), np.ones((2600, 64), dtype=bool)
    shapes = []

    def window_errors(windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        shapes.append(len(windows))
        return np.square(windows)

    settled, immediate = segment_errors(
        *segment,
        window_errors=window_errors,
        last_errors=lambda windows: window_errors(windows)[:, -8:],
        n_last=8,
        window_size=64,
        stride=stride,
    )
    assert max(shapes) * 64 * 64 * 4 <= 16 * 2**20
    assert sum(shapes) >= 2600
    np.testing.assert_allclose(settled, segment[0] ** 2, rtol=1e-5)
    trailing = np.stack([np.mean(segment[0][max(0, row - 7) : row + 1] ** 2, axis=0) for row in range(2600)])
    np.testing.assert_allclose(immediate, trailing, rtol=1e-4)


def test_a_segment_without_rows_has_no_errors():
    empty = np.empty((0, 2), np.float32), np.empty((0, 2), bool)
    settled, _ = segment_errors(*empty, window_errors=errors_of_windows, window_size=4)
    assert settled.shape == (0, 2)
