from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tsae.series.filling import forward_filled

tables = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 20), st.integers(1, 3)), elements=st.sampled_from([np.nan, -1.5, 0.0, 2.0])
)


def loop_fill(values: np.ndarray) -> list[list[float]]:
    latest = [0.0] * values.shape[1]
    filled = []
    for row in values.tolist():
        latest = [old if np.isnan(new) else new for old, new in zip(latest, row, strict=True)]
        filled.append(latest)
    return filled


@given(values=tables, cuts=st.lists(st.integers(0, 20), max_size=5))
def test_filling_equals_a_loop_whatever_the_blocks(values, cuts):
    before = values.copy()
    borders = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    parts, last = [], None
    for a, b in pairwise(borders):
        parts.append(forward_filled(values[a:b], last))
        last = parts[-1][0][-1] if b > a else last
    filled, observed = (np.concatenate(part) for part in zip(*parts, strict=True))
    assert filled.tolist() == loop_fill(values)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(observed, ~np.isnan(values))
    np.testing.assert_array_equal(values, before)


def test_many_series_are_filled_side_by_side():
    values = np.array([[[1.0], [np.nan]], [[np.nan], [3.0]]])
    filled, _ = forward_filled(values, np.array([[7.0], [8.0]]))
    assert filled[..., 0].tolist() == [[1.0, 1.0], [8.0, 3.0]]
