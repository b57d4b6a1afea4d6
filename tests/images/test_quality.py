"""What is said of folders of pictures before a model is fitted."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tsae.errors import DataError
from tsae.images.quality import check_folder


def put(folder, name, pixels) -> None:
    Image.fromarray(pixels).save(folder / name)


def noise(n, shape=(7, 9), seed=0):
    return np.random.default_rng(seed).integers(0, 255, (n, *shape), dtype=np.uint8)


def test_a_sound_folder_needs_no_advice(tmp_path) -> None:
    for number, pixels in enumerate(noise(100)):
        put(tmp_path, f"{number:03}.png", pixels)
    quality = check_folder(tmp_path)
    assert (quality.n_pictures, quality.sizes, quality.modes) == (100, {(7, 9): 100}, {"grey": 100})
    assert not quality.advice


def test_what_is_wrong_is_counted_and_named(tmp_path) -> None:
    for number, pixels in enumerate(noise(22)):
        put(tmp_path, f"{number:03}.png", pixels)
    put(tmp_path, "again.png", noise(22)[3])
    put(tmp_path, "colour.png", noise(1, (7, 9, 3))[0])
    put(tmp_path, "deep.png", noise(1)[0].astype(np.uint16) * 200)
    put(tmp_path, "flat.png", np.full((7, 9), 5, np.uint8))
    put(tmp_path, "small.png", noise(1, (3, 3))[0])
    for name in ("x.png", "y.jpg"):
        (tmp_path / name).write_bytes(b"damaged")
    quality = check_folder(tmp_path)
    assert quality.n_pictures == 27
    assert quality.sizes == {(7, 9): 26, (3, 3): 1}
    assert quality.modes == {"grey": 25, "colour": 1, "deep grey": 1}
    assert set(quality.unreadable) == {"x.png", "y.jpg"}
    assert all(str(tmp_path) not in reason for reason in quality.unreadable.values())
    assert quality.duplicates == (("003.png", "again.png"),)
    assert quality.blank == ("flat.png",)
    advice = " ".join(quality.advice)
    for words in ("x.png, y.jpg", "27 pictures are few", "--size 7x9", "8 bits", "flat.png", "003.png = again.png"):
        assert words in advice


def test_a_handful_is_too_few(tmp_path) -> None:
    put(tmp_path, "a.png", noise(1)[0])
    assert check_folder(tmp_path).advice == ("1 picture cannot show what is normal: collect 100 or more.",)


def test_an_empty_folder_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="holds no picture"):
        check_folder(tmp_path)
