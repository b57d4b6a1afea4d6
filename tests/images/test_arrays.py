"""What arrays of pictures may look like, and what is said about the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tsae.errors import DataError
from tsae.images.reading import ImageScale, as_images, check_images


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float16, np.float32, np.float64, bool])
@pytest.mark.parametrize("shape", [(3, 7, 9), (3, 1, 7, 9), (3, 3, 7, 9), (3, 4, 7, 4)])
def test_shape_and_values_are_kept(dtype, shape) -> None:
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    before = values.copy()
    images = as_images(values)
    assert images.shape == ((3, 1, *shape[1:]) if len(shape) == 3 else shape)
    assert images.dtype == (np.uint8 if dtype == np.uint8 else np.float32)
    np.testing.assert_array_equal(images.reshape(shape), values)
    np.testing.assert_array_equal(values, before)


def test_lists_are_arrays_too() -> None:
    assert as_images([[[0.0, 1.0]], [[2.0, 3.0]]]).tolist() == [[[[0.0, 1.0]]], [[[2.0, 3.0]]]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((5, 64)), r"shape \(5, 64\); pass \(n, height, width\).*reshape"),
        (np.zeros((2, 3, 4, 5, 6)), r"shape \(2, 3, 4, 5, 6\)"),
        (np.float32(3), r"shape \(\)"),
        (np.zeros((0, 8, 8)), r"shape \(0, 8, 8\), which holds no pixel"),
        (np.zeros((2, 3, 0, 8)), "holds no pixel"),
        (np.zeros((2, 32, 32, 3)), r"channels last; pass X.transpose\(0, 3, 1, 2\)"),
        (np.array([[["a"]]]), "<U1, not real numbers"),
        (np.array([[[None]]]), "object, not real numbers"),
        (np.zeros((1, 2, 2), complex), "complex128, not real numbers"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], "differ in size"),
    ],
)
def test_other_arrays_are_refused(values, message) -> None:
    with pytest.raises(DataError, match=message):
        as_images(values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_the_bad_pixel_is_named(bad) -> None:
    images = np.zeros((4, 3, 7, 9))
    images[2, 1, 5, 8] = bad
    with pytest.raises(DataError, match=r"image 2 holds .* at channel 1, row 5, column 8"):
        as_images(images)


def test_bytes_are_scaled_by_their_range_and_floats_by_their_values() -> None:
    assert ImageScale.of(np.array([[[[3, 9]]]], np.uint8)) == ImageScale(0.0, 255.0)
    assert ImageScale.of(np.array([[[[-2.0, 16.0]]]], np.float32)) == ImageScale(-2.0, 16.0)


def test_values_beyond_training_stay_beyond() -> None:
    assert ImageScale(0.0, 16.0).scaled(np.array([-16.0, 8.0, 32.0])).tolist() == [-1.0, 0.5, 2.0]


@given(arrays.arrays(np.float32, (2, 1, 2, 3), elements=st.floats(-1e4, 1e4, width=32)))
def test_scaled_training_images_lie_between_zero_and_one_and_come_back(images) -> None:
    scale = ImageScale.of(images)
    scaled = scale.scaled(images)
    assert scaled.dtype == np.float32
    assert scaled.min() == 0
    assert scaled.max() <= 1 + 1e-6
    np.testing.assert_allclose(
        scale.restored(scaled), images, atol=1e-6 * max(1.0, scale.high - scale.low, abs(scale.low))
    )


def test_images_unlike_those_in_training_are_refused() -> None:
    scale = ImageScale(0.0, 1.0)
    check_images(np.zeros((5, 1, 8, 8)), (1, 8, 8), scale)
    check_images(np.ones((5, 1, 8, 8), np.uint8), (1, 8, 8), scale)
    with pytest.raises(DataError, match=r"3 x 8 x 8 .*, in training they were 1 x 8 x 8.*size=\(8, 8\)"):
        check_images(np.zeros((5, 3, 8, 8)), (1, 8, 8), scale)
    with pytest.raises(DataError, match="bytes up to 200, in training they lay between 0 and 1; divide"):
        check_images(np.full((5, 1, 8, 8), 200, np.uint8), (1, 8, 8), scale)
