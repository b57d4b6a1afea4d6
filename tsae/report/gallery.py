"""Which pictures are unusual, and where: heatmaps, and one HTML file that opens without a network, and prints."""

from __future__ import annotations

import base64
import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tsae.detection.detecting import ImageDetection
from tsae.detection.images.detector import ImageAnomalyDetector
from tsae.images.reading import ImageScale, ImageTable
from tsae.report.templates import render
from tsae.report.wording import amount, percent
from tsae.store import write_atomically

__all__ = ["heatmap_png", "picture_png", "render_gallery", "write_heatmaps"]

Pixels = NDArray[Any]
MAX_SHOWN = 40
_SHORTEST_SIDE = 256
_SLIGHT, _SEVERE = np.array([255, 214, 0], np.float32), np.array([216, 0, 32], np.float32)
_SEVERE_HEAT = 10.0  # times the level


def render_gallery(detector: ImageAnomalyDetector, pictures: ImageTable, found: ImageDetection, *, title: str) -> str:
    """Show the pictures with the highest scores: as they are, as they were rebuilt, and with their heatmap.

    Parameters
    ----------
    detector
        Has scored the pictures.
    pictures, found
        The pictures, and what was found in them.
    title
        Headline.
    """
    threshold = detector.learned_threshold_
    facts = {
        "threshold": amount(found.threshold),
        "learned from": f"{threshold.n_rows:,} held-out pictures" if threshold.n_rows else "as stated",
        "false alarms": "as stated"
        if threshold.false_alarm_rate is None
        else f"{percent(threshold.false_alarm_rate)} of normal pictures may be flagged",
    }
    exhibits = [_exhibit(detector, pictures, found, int(number)) for number in found.worst_first[:MAX_SHOWN]]
    n, n_flagged = len(found.names), int(found.labels.sum())
    return render("gallery.html.j2", title=title, facts=facts, exhibits=exhibits, n=n, n_flagged=n_flagged)


def _exhibit(
    detector: ImageAnomalyDetector, pictures: ImageTable, found: ImageDetection, number: int
) -> dict[str, Any]:
    picture, scale = pictures.values[number : number + 1], detector.model_.network.scale
    heat = detector.heatmaps(picture)[0]
    return {
        "name": found.names[number],
        "score": float(found.scores[number]),
        "is_flagged": bool(found.labels[number]),
        "severity": float(found.severities[number]),
        "picture": _uri(picture_png(picture[0], scale)),
        "rebuilt": _uri(picture_png(detector.reconstruct(picture)[0], scale)),
        "heatmap": _uri(heatmap_png(picture[0], heat, detector.heat_level_, scale)),
    }


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


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
    return _png(_enlarged(picture, scale))


def heatmap_png(picture: Pixels, heat: Pixels, level: float, scale: ImageScale) -> bytes:
    """A picture in grey with its heat `(height, width)` over it, as a PNG of the same size as `picture_png`.

    Nothing is laid over places up to `level`; above it yellow turns to red, which is reached at ten times `level`.
    """
    grey = _enlarged(picture, scale).convert("L")
    base = np.asarray(grey, dtype=np.float32)[:, :, np.newaxis].repeat(3, axis=2)
    excess = np.log(np.maximum(heat, 1e-12) / level) / math.log(_SEVERE_HEAT)
    wide = np.asarray(Image.fromarray(np.float32(excess)).resize(grey.size, Image.Resampling.BILINEAR))
    strength = np.clip(wide, 0, 1)[:, :, np.newaxis]
    colour = _SLIGHT + strength * (_SEVERE - _SLIGHT)
    opacity = np.where(wide[:, :, np.newaxis] > 0, 0.35 + 0.45 * strength, 0)
    return _png(Image.fromarray(np.rint(base + opacity * (colour - base)).astype(np.uint8)))


def _enlarged(picture: Pixels, scale: ImageScale) -> Image.Image:
    """Return a picture in red, green and blue, or the mean over channels thrice, enlarged by a whole factor."""
    scaled = scale.scaled(picture)
    if len(scaled) != 3:
        scaled = scaled.mean(axis=0, keepdims=True).repeat(3, axis=0)
    image = Image.fromarray(np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8).transpose(1, 2, 0))
    factor = math.ceil(_SHORTEST_SIDE / min(image.size))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
