"""IDX files as they should be, and as they should not."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.evaluation.idx_files import CODES, idx
from tsae.errors import DataError
from tsae.evaluation.image_sets import read_idx

IMAGES = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))

some_array = st.sampled_from(list(CODES)).flatmap(
    lambda name: arrays.arrays(name, arrays.array_shapes(max_dims=4, min_side=0, max_side=4))
)


def read(content: bytes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.idx"
        path.write_bytes(content)
        return read_idx(path)


@given(some_array, st.booleans())
def test_what_was_written_comes_back(array, is_compressed) -> None:
    content = idx(array)
    found = read(gzip.compress(content) if is_compressed else content)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    np.testing.assert_array_equal(found, array)


@given(st.integers(0, len(IMAGES) - 1), st.booleans())
def test_a_truncated_file_is_refused(length, is_compressed) -> None:
    content = gzip.compress(IMAGES[:length]) if is_compressed else IMAGES[:length]
    with pytest.raises(DataError, match=r"x.idx"):
        read(content)


@given(st.integers(1, len(gzip.compress(IMAGES)) - 1))
def test_a_truncated_archive_is_refused(length) -> None:
    with pytest.raises(DataError, match=r"x.idx"):
        read(gzip.compress(IMAGES)[:length])


@given(st.binary(max_size=64))
def test_anything_else_is_refused_or_is_an_array(content) -> None:
    try:
        found = read(content)
    except DataError:
        return
    assert idx(found) == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n", "is not an IDX file"),
        (b"\0\0\x07\x01\0\0\0\0", "is not an IDX file"),
        (b"\0\0\x08\x03\0\0\0\2", "ends within its header"),
        (IMAGES + b"\0", r"says it holds 24 bytes of shape \(2, 3, 4\), but there are 25"),
        (b"\0\0\x08\x02" + b"\xff" * 8, "says it holds"),
    ],
)
def test_the_rule_that_is_broken_is_named(content, message) -> None:
    with pytest.raises(DataError, match=message):
        read(content)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        read_idx(tmp_path / "nowhere")
