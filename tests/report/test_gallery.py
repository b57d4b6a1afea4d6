"""Pictures for people: the page and the heatmaps."""

from __future__ import annotations

import base64
import io
import re
from functools import cache

import numpy as np
import pytest
from PIL import Image

from tsae import ImageAnomalyDetector
from tsae.errors import OutputError
from tsae.images.reading import ImageScale, ImageTable
from tsae.report.gallery import MAX_SHOWN, heatmap_png, picture_png, render_gallery, write_heatmaps
from tsae.report.templates import write_page

HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x>.png'
SCALE = ImageScale(0.0, 255.0)


def noise(n, channels=1):
    return np.random.default_rng(0).integers(0, 255, (n, channels, 6, 9), dtype=np.uint8)


@cache
def fitted() -> ImageAnomalyDetector:
    return ImageAnomalyDetector(max_steps=2, random_state=0).fit(noise(12))


def page(n: int, names=None, title="Photos") -> str:
    table = ImageTable(noise(n), names or tuple(f"{number}.png" for number in range(n)))
    return render_gallery(fitted(), table, fitted().detect(table), title=title)


def test_the_page_needs_nothing_but_itself():
    text = page(3)
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(sources) == 9
    for source in sources:
        kind, data = source.split(",", 1)
        assert kind == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (387, 258)
    assert "<script" not in text


def test_the_worst_come_first_and_not_all_are_shown():
    n = MAX_SHOWN + 5
    table = ImageTable(noise(n), tuple(f"{number}.png" for number in range(n)))
    found = fitted().detect(table)
    shown = re.findall(r"<h3>(\d+).png</h3>", page(n))
    assert [int(number) for number in shown] == found.worst_first[:MAX_SHOWN].tolist()
    assert f"{MAX_SHOWN} highest scores" in page(n)


def test_names_are_text():
    text = page(1, (HOSTILE,), title=HOSTILE)
    assert "<script" not in text
    assert "<img src=http" not in text


def test_files_are_written_whole_or_not_at_all(tmp_path):
    table = ImageTable(noise(2), ("a.png", "b.jpg"))
    paths = write_heatmaps(tmp_path, fitted(), table)
    assert [path.name for path in paths] == ["a.png.png", "b.jpg.png"]
    assert all(Image.open(io.BytesIO(path.read_bytes())).size == (387, 258) for path in paths)
    with pytest.raises(OutputError, match="nowhere"):
        write_page(tmp_path / "nowhere" / "r.html", page(2))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_picture_is_shown_as_it_is(channels):
    (pixels,) = noise(1, channels)
    shown = np.asarray(Image.open(io.BytesIO(picture_png(pixels, SCALE))))
    expected = pixels if channels == 3 else np.rint(pixels.mean(axis=0, keepdims=True)).repeat(3, axis=0)
    np.testing.assert_allclose(shown[21::43, 21::43].transpose(2, 0, 1), expected, atol=1)


def test_colour_starts_at_the_level_and_ends_in_red():
    grey = np.full((1, 8, 8), 100, np.uint8)
    heat = np.full((8, 8), 2.0)
    heat[:, 4:] = 40.0
    shown = np.asarray(Image.open(io.BytesIO(heatmap_png(grey, heat, 3.0, SCALE)))).astype(int)
    assert (shown[:, :64] == 100).all()
    red, green, blue = shown[128, -1]
    assert red > 180
    assert max(green, blue) < 60
