"""Pictures for people: as they are, and with what is unusual in them in colour."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tsae.detection.images.detector import ImageAnomalyDetector
from tsae.images.reading import ImageScale, ImageTable
from tsae.store import write_atomically

__all__ = ["heatmap_png", "picture_png", "write_heatmaps"]

Pixels = NDArray[Any]
_SHORTEST_SIDE = 256
_SLIGHT, _SEVERE = np.array([255, 214, 0], np.float32), np.array([216, 0, 32], np.float32)
_SEVERE_HEAT = 10.0  # times the level


def write_heatmaps(folder: str | os.PathLike[str], detector: ImageAnomalyDetector, pictures: ImageTable) -> list[Path]:
    """Write each picture's heatmap as `NAME.png` into a folder that exists; the paths, in the pictures' order.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    paths = []
    for number, name in enumerate(pictures.names):
        picture = pictures.values[number : number + 1]
        heat = detector.heatmaps(picture)[0]
        paths.append(Path(folder) / f"{name}.png")
        write_atomically(paths[-1], heatmap_png(picture[0], heat, detector.heat_level_, detector.model_.network.scale))
    return paths


def picture_png(picture: Pixels, scale: ImageScale) -> bytes:
    """A picture `(channels, height, width)` as a PNG with its shorter side at least 256 pixels long."""
    return _png(_enlarged(_bytes(picture, scale), Image.Resampling.NEAREST))


def heatmap_png(picture: Pixels, heat: Pixels, level: float, scale: ImageScale) -> bytes:
    """A picture in grey with its heat `(height, width)` over it, as a PNG of the same size as `picture_png`.

    Nothing is laid over places up to `level`; above it yellow turns to red, which is reached at ten times `level`.
    """
    grey = _enlarged(_bytes(picture, scale), Image.Resampling.NEAREST).convert("L")
    base = np.asarray(grey, dtype=np.float32)[:, :, np.newaxis].repeat(3, axis=2)
    excess = np.log(np.maximum(heat, 1e-12) / level) / math.log(_SEVERE_HEAT)
    wide = np.asarray(Image.fromarray(np.float32(excess)).resize(grey.size, Image.Resampling.BILINEAR))
    strength = np.clip(wide, 0, 1)[:, :, np.newaxis]
    colour = _SLIGHT + strength * (_SEVERE - _SLIGHT)
    opacity = np.where(wide[:, :, np.newaxis] > 0, 0.35 + 0.45 * strength, 0)
    return _png(Image.fromarray(np.rint(base + opacity * (colour - base)).astype(np.uint8)))


def _bytes(picture: Pixels, scale: ImageScale) -> Pixels:
    """`(height, width, 3)`: red, green and blue, or the mean over channels thrice."""
    scaled = scale.scaled(picture)
    if len(scaled) != 3:
        scaled = scaled.mean(axis=0, keepdims=True).repeat(3, axis=0)
    return np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8).transpose(1, 2, 0)


def _enlarged(pixels: Pixels, resampling: Image.Resampling) -> Image.Image:
    height, width = pixels.shape[:2]
    factor = math.ceil(_SHORTEST_SIDE / min(height, width))
    return Image.fromarray(pixels).resize((width * factor, height * factor), resampling)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
