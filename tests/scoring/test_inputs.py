from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scoring.reference import constant_errors
from tsae.scoring.inputs import ConstantWatch
from tsae.scoring.rings import Rings


def watched(values: np.ndarray, cuts: list[int]) -> np.ndarray:
    """Errors of rows that come in blocks."""
    rings = Rings(300)
    watch, lanes = ConstantWatch(rings, values.shape[1], 100), np.array([rings.open()])
    borders = [0, *sorted(cuts), len(values)]
    blocks = [values[a:b] for a, b in pairwise(borders) if b > a]
    return np.concatenate([watch.step(rings.advance(lanes, len(block)), block) for block in blocks])


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    missing=st.sampled_from([0.0, 0.3, 1.0]),
    levels=st.integers(1, 5),
    cuts=st.lists(st.integers(0, 230), max_size=5),
)
def test_errors_equal_a_loop_over_rows_whatever_the_blocks(seed, missing, levels, cuts):
    rng = np.random.default_rng(seed)
    values = np.repeat(rng.integers(0, levels, size=23), 10).astype(np.float32)[:, None]
    values[rng.random(values.shape) < missing] = np.nan
    errors = watched(values, cuts)
    np.testing.assert_allclose(errors[:, 0], constant_errors(values[:, 0]), rtol=1e-6)


def test_a_new_level_counts_as_long_as_it_is_news():
    values = np.zeros((300, 1), dtype=np.float32)
    values[100:] = 4
    errors = watched(values, [])[:, 0]
    assert (errors[:100] == 0).all()
    assert (errors[100:149] == 16).all()
    assert (errors[151:] == 0).all()
