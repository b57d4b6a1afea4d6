from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tsae.series.filling import ForwardFill

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
    fill = ForwardFill()
    borders = [0, *sorted(min(cut, len(values)) for cut in cuts), len(values)]
    parts = [fill.push(values[a:b]) for a, b in pairwise(borders)]
    filled, observed = (np.concatenate(part) for part in zip(*parts, strict=True))
    assert filled.tolist() == loop_fill(values)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(observed, ~np.isnan(values))
    np.testing.assert_array_equal(values, before)


def test_changing_what_was_returned_does_not_change_what_is_remembered():
    fill = ForwardFill()
    values = np.ones((2, 1), dtype=np.float32)
    fill.push(values)[0][:] = 7
    assert fill.push(np.full((1, 1), np.nan, dtype=np.float32))[0].tolist() == [[1.0]]
