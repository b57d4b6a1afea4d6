"""Folders of pictures as they are found on disks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tsae.errors import DataError, ParameterError
from tsae.images.reading import images_of, read_images

GREY = np.arange(63, dtype=np.uint8).reshape(7, 9)
COLOURED = np.stack([GREY, 2 * GREY, 3 * GREY])


def put(path, pixels, **how) -> None:
    """Save pixels `(height, width)` or `(3, height, width)`."""
    Image.fromarray(pixels if pixels.ndim == 2 else pixels.transpose(1, 2, 0)).save(path, **how)


def test_pictures_come_sorted_by_name(tmp_path) -> None:
    for number, name in enumerate(["b.png", "a.PNG", "c.png"]):
        put(tmp_path / name, GREY + np.uint8(number))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    table = read_images(tmp_path)
    assert table.names == ("a.PNG", "b.png", "c.png")
    assert table.values.dtype == np.uint8
    np.testing.assert_array_equal(table.values[:, 0], [GREY + 1, GREY, GREY + 2])


def test_colours_are_channels(tmp_path) -> None:
    put(tmp_path / "a.png", COLOURED)
    np.testing.assert_array_equal(read_images(str(tmp_path)).values, COLOURED[np.newaxis])


def test_grey_pictures_among_coloured_ones_get_three_channels(tmp_path) -> None:
    put(tmp_path / "a.png", GREY)
    put(tmp_path / "b.png", COLOURED)
    np.testing.assert_array_equal(read_images(tmp_path).values, [[GREY] * 3, COLOURED])


def test_jpeg_is_read(tmp_path) -> None:
    put(tmp_path / "a.jpg", COLOURED, quality=100, subsampling=0)
    np.testing.assert_allclose(read_images(tmp_path).values[0], COLOURED.astype(float), atol=4)


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_grey_or_red_green_blue(tmp_path, mode) -> None:
    ending = "jpg" if mode == "CMYK" else "png"
    Image.fromarray(COLOURED.transpose(1, 2, 0)).convert(mode).save(tmp_path / f"a.{ending}")
    assert read_images(tmp_path).values.shape == (1, 1 if mode in ("1", "LA") else 3, 7, 9)


def test_deep_grey_keeps_its_depth(tmp_path) -> None:
    deep = 1000 * GREY.astype(np.uint16)
    put(tmp_path / "a.png", deep)
    values = read_images(tmp_path).values
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values[0, 0], deep)


def test_pictures_are_turned_upright(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    put(tmp_path / "a.png", GREY, exif=exif)
    np.testing.assert_array_equal(read_images(tmp_path).values[0, 0], np.rot90(GREY, -1))


def test_all_are_resized(tmp_path) -> None:
    put(tmp_path / "a.png", np.full((7, 9), 50, np.uint8))
    put(tmp_path / "b.png", np.full((20, 30), 90, np.uint8))
    values = read_images(tmp_path, size=(4, 5)).values
    assert values.shape == (2, 1, 4, 5)
    assert (values[0] == 50).all()
    assert (values[1] == 90).all()


def test_another_size_is_refused_by_name(tmp_path) -> None:
    put(tmp_path / "a.png", GREY)
    put(tmp_path / "b.png", GREY[:5])
    with pytest.raises(DataError, match=r"b.png' is 5 x 9 pixels .*'a.png' is 7 x 9; pass `size`"):
        read_images(tmp_path)


@pytest.mark.parametrize("damage", [b"", b"no picture at all", "cut"])
def test_an_unreadable_file_is_named(tmp_path, damage) -> None:
    put(tmp_path / "a.png", GREY)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2] if damage == "cut" else damage)
    with pytest.raises(DataError, match=r"cannot read picture .*b.png"):
        read_images(tmp_path)


def test_a_folder_without_pictures_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="holds no picture"):
        read_images(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        read_images(tmp_path / "missing")


@pytest.mark.parametrize("size", [(4,), (0, 4), (4.0, 4), "88"])
def test_a_size_must_be_two_sides(tmp_path, size) -> None:
    with pytest.raises(ParameterError, match="`size`"):
        read_images(tmp_path, size=size)


def test_an_array_a_table_and_a_folder_are_the_same_images(tmp_path) -> None:
    put(tmp_path / "a.png", COLOURED)
    for source in (COLOURED[np.newaxis], read_images(tmp_path), tmp_path, str(tmp_path)):
        np.testing.assert_array_equal(images_of(source), COLOURED[np.newaxis])
