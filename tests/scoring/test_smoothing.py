from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scoring.reference import moving_average
from tsae.scoring.smoothing import (
    immediate_kernels,
    moving_averages,
    settled_kernels,
    smoothing_kernels,
    trailing_kernel,
)

rows = st.lists(st.tuples(st.floats(0, 1e3), st.sampled_from([0.0, 0.5, 1.0])), max_size=40)


@st.composite
def kernels(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """A kernel of positive weights and how far it looks ahead."""
    kernel = np.array(draw(st.lists(st.floats(0.1, 1.0), min_size=1, max_size=9)))
    return kernel, draw(st.integers(0, len(kernel) - 1))


@given(rows=rows, kernel=kernels())
def test_moving_averages_equal_a_loop(rows, kernel):
    values, weights = np.array(rows).reshape(-1, 2).T
    kernels, lookahead = np.stack([kernel[0], kernel[0][::-1]]), kernel[1]
    found = moving_averages(values, weights, kernels, lookahead)
    for column, each in zip(found.T, kernels, strict=True):
        expected = moving_average(values.tolist(), weights.tolist(), each, lookahead)
        np.testing.assert_allclose(column, expected, rtol=1e-9, atol=1e-9)


def test_missing_rows_carry_no_weight_even_if_they_hold_nan():
    out = moving_averages(np.array([1.0, np.nan, 3.0]), np.array([1.0, 0.0, 1.0]), np.ones((1, 3)), lookahead=1)
    assert out[:, 0].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("window_size", [4, 16, 100])
def test_the_last_kernel_of_either_kind_does_not_smooth(window_size):
    for kernels, lookahead in (settled_kernels(window_size), immediate_kernels(window_size)):
        np.testing.assert_allclose(kernels.sum(axis=1), 1)
        assert kernels[-1, kernels.shape[1] - 1 - lookahead] == 1


@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_trailing_kernel_is_flat_and_sums_to_one(length):
    assert trailing_kernel(length).tolist() == pytest.approx([1 / max(1, length)] * max(1, length))


@given(st.integers(4, 200), st.lists(st.floats(0.1, 4), min_size=1, max_size=4))
def test_smoothing_kernels_are_symmetric_hills_of_one_odd_length(window_size, widths):
    kernels = smoothing_kernels(window_size, widths)
    assert len(kernels) == len(widths)
    assert kernels.shape[1] % 2 == 1
    for kernel in kernels:
        assert kernel.sum() == pytest.approx(1)
        np.testing.assert_allclose(kernel, kernel[::-1], atol=1e-12)
        assert (np.diff(kernel[: len(kernel) // 2 + 1]) >= -1e-12).all()


def test_each_smoothing_kernel_is_three_boxes():
    kernels = smoothing_kernels(20, (0.5, 2.0))
    half = kernels.shape[1] // 2
    for width, kernel in zip((0.5, 2.0), kernels, strict=True):
        box = np.ones(2 * round(0.2 * width * 20) + 1)
        box /= box.sum()
        impulse = np.zeros(101)
        impulse[50] = 1.0
        for _ in range(3):
            impulse = np.array([sum(box * impulse[row : row + len(box)]) for row in range(101 - len(box) + 1)])
            impulse = np.pad(impulse, len(box) // 2)
        np.testing.assert_allclose(impulse[50 - half : 51 + half], kernel, atol=1e-12)
