"""What a detector returns for pictures: names, scores and labels that belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.rules import severities

__all__ = ["ImageDetection", "image_detection"]


@dataclass(frozen=True)
class ImageDetection:
    """Names, scores, labels and severities of `n` pictures, in the order they were passed."""

    names: tuple[str, ...]
    """File names, or numbers from "0" on where the pictures had none."""
    scores: NDArray[np.float64]
    """`(n,)`, higher = more anomalous."""
    threshold: float
    """Pictures whose score exceeds it are flagged."""
    labels: NDArray[np.bool_]
    """Whether a picture is flagged, `(n,)`."""
    severities: NDArray[np.float64]
    """0–100, `(n,)`: 50 at the threshold, 75 at three times it, towards 100 far above."""

    @property
    def worst_first(self) -> NDArray[np.intp]:
        """Numbers of the pictures `(n,)`, the highest score first."""
        return np.argsort(-self.scores, kind="stable")


def image_detection(scores: NDArray[np.float64], threshold: float, names: tuple[str, ...]) -> ImageDetection:
    """Scores `(n,)` against a threshold."""
    return ImageDetection(names, scores, threshold, scores > threshold, severities(scores, threshold))
