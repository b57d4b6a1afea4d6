"""`load`: from a model file to a detector of either kind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tsae.detection.detector import AnomalyDetector
from tsae.detection.parameters.groups import in_groups
from tsae.detection.saving import Arrays, fit_report, unpack_codes
from tsae.model.fitted import FittedModel
from tsae.model.packing import reading_parts
from tsae.store import read_model

if TYPE_CHECKING:
    from tsae.detection.images.detector import ImageAnomalyDetector

__all__ = ["load"]


def load(path: str | os.PathLike[str]) -> AnomalyDetector | ImageAnomalyDetector:
    """Read the fitted detector that a model file holds; nothing in the file is executed.

    Raises
    ------
    ModelFileError
        If the file is not a tsae model, is damaged, or of a newer format.
    """
    tensors, manifest = read_model(path)
    with reading_parts(path):
        return _READERS[manifest["kind"]](tensors, manifest)


def _series_detector(tensors: Arrays, manifest: Mapping[str, Any]) -> AnomalyDetector:
    detector = AnomalyDetector(**in_groups(manifest["parameters"]))
    detector.model_ = FittedModel.unpack(tensors, manifest)
    detector.n_features_in_ = len(detector.model_.channels)
    if manifest["named_channels"]:
        detector.feature_names_in_ = np.array(manifest["channels"], dtype=object)
    detector.rejected_ = manifest["fitted"]["rejected_"]
    detector.codes_ = unpack_codes(manifest["codes"], tensors)
    detector.fit_reports_ = [fit_report(report) for report in manifest["fit_reports"]]
    return detector


def _image_detector(tensors: Arrays, manifest: Mapping[str, Any]) -> ImageAnomalyDetector:
    from tsae.alarms.thresholds import Threshold
    from tsae.detection.images.detector import ImageAnomalyDetector  # loads torch, which scoring tables does without
    from tsae.detection.images.model import unpack_image_model

    detector = ImageAnomalyDetector(**in_groups(manifest["parameters"]))
    detector.model_ = unpack_image_model(tensors, manifest, local_score=detector.local_score)
    detector.codes_ = unpack_codes(manifest["codes"], tensors)
    detector.data_hash_ = manifest["data_hash"]
    detector.fit_report_ = fit_report(manifest["fit_report"])
    detector.held_out_scores_ = tensors["held_out.scores"]
    detector.learned_threshold_ = Threshold(**manifest["threshold"])
    return detector


_READERS = {"AnomalyDetector": _series_detector, "ImageAnomalyDetector": _image_detector}
