"""Small pictures, and a detector for each way to put one together."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from tests.detection.kinds import LINES
from tsae import ImageAnomalyDetector

Array = NDArray[Any]

KINDS = {line.name: line.parameters("images") for line in LINES if line.only != "series"}
SIZES = ("digits", "odd", "coloured")


def pictures(size: str, n: int = 40, *, seed: int = 0) -> Array:
    """Normal pictures: zeros of 8 x 8 pixels up to 16; 7 x 9 floats; 3 x 8 x 6 bytes."""
    if size == "digits":
        digits = load_digits()
        return digits.images[digits.target == 0][seed : seed + n]
    rng = np.random.default_rng(seed)
    channels, height, width = (1, 7, 9) if size == "odd" else (3, 8, 6)
    rows, columns = np.arange(height)[:, np.newaxis], np.arange(width)
    phases = rng.uniform(0, np.pi, (n, channels, 1, 1))
    waves = np.sin(0.8 * rows + 0.5 * columns + phases) + 0.05 * rng.normal(size=(n, channels, height, width))
    return waves[:, 0] if channels == 1 else np.uint8(np.clip(127 + 80 * waves, 0, 255))


def parameters(kind: str) -> dict[str, Any]:
    return dict(KINDS[kind])


@cache
def fitted(kind: str, size: str) -> ImageAnomalyDetector:
    """Not to be changed: tests share it."""
    return ImageAnomalyDetector(**parameters(kind)).fit(pictures(size))
