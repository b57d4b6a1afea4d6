"""Folders of small pictures: discs at varying places, the last ones with a spot that does not belong there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 16
SPOT = (slice(1, 4), slice(11, 14))
"""Rows and columns."""
QUICK = ["--max-steps", "120", "--threshold", "12"]


def discs(n: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Grey pictures `(n, 16, 16)`."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    centres = 7.5 + rng.uniform(-1, 1, (2, n, 1, 1))
    distance = np.hypot(rows - centres[0], columns - centres[1])
    values = 60 + 120 / (1 + np.exp(distance - 4)) + rng.normal(0, 4, (n, SIDE, SIDE))
    return np.clip(values, 0, 255).astype(np.uint8)


def spotted(n: int) -> NDArray[np.uint8]:
    pictures = discs(n, seed=9)
    pictures[:, *SPOT] = 250
    return pictures


def put(folder: Path, pictures: NDArray[np.uint8], *, prefix: str = "", ending: str = "png") -> Path:
    """Write pictures `(n, height, width)` or `(n, height, width, 3)` as 000.png, 001.png, …"""
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{prefix}{number:03}.{ending}")
    return folder
