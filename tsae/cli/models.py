"""Model files as the commands take them: of tables, or of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from tsae.errors import ParameterError

if TYPE_CHECKING:
    from tsae.detection.detector import AnomalyDetector
    from tsae.detection.images.detector import ImageAnomalyDetector

__all__ = ["image_detector", "is_image_model", "table_detector"]


def is_image_model(path: Path) -> bool:
    """Whether a model file is one of pictures, found out without loading it."""
    from tsae.store import read_manifest

    return bool(read_manifest(path).get("kind") == "ImageAnomalyDetector")


def table_detector(path: Path) -> AnomalyDetector:
    """Load a model of tables; refuse one of pictures by name."""
    if is_image_model(path):
        raise ParameterError(
            f"model {str(path)!r} was fitted on images and cannot score tables; score a folder of pictures with it, or "
            "fit a model on a table"
        )
    from tsae.detection.loading import load

    return cast("AnomalyDetector", load(path))


def image_detector(path: Path) -> ImageAnomalyDetector:
    """Load a model of pictures; refuse one of tables by name."""
    if not is_image_model(path):
        raise ParameterError(
            f"model {str(path)!r} was fitted on tables and cannot score images; score a table with it, or "
            "fit a model on pictures, such as with `tsae fit FOLDER`"
        )
    from tsae.detection.loading import load

    return cast("ImageAnomalyDetector", load(path))
