"""Detectors to model files and back."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from tsae.alarms.thresholds import Threshold, ThresholdSet
from tsae.detection.detector import AnomalyDetector
from tsae.detection.packing import (
    Arrays,
    fit_report,
    pack_codes,
    package_versions,
    plain_parameters,
    unpack_codes,
)
from tsae.detection.parameters.groups import in_groups
from tsae.model.packing import (
    pack_reference,
    pack_score_model,
    reading_parts,
    unpack_reference,
    unpack_score_model,
)
from tsae.scoring.whole_series import CalibrationScores
from tsae.store import read_model, write_model

if TYPE_CHECKING:
    from tsae.detection.images.detector import ImageAnomalyDetector

__all__ = ["load", "save_detector"]

_FITTED = ("period_", "lag_", "units_", "data_hash_", "n_features_in_", "rejected_")


def save_detector(detector: AnomalyDetector, path: str | os.PathLike[str]) -> None:
    """Write a fitted detector into one file, atomically."""
    tensors: Arrays = {}
    manifest = {
        "kind": "AnomalyDetector",
        "parameters": plain_parameters(detector),
        "channels": detector.channels_,
        "named_channels": hasattr(detector, "feature_names_in_"),
        "fitted": {name: getattr(detector, name) for name in _FITTED},
        "thresholds": [asdict(threshold) for threshold in detector.thresholds_],
        "fit_reports": [asdict(report) for report in detector.fit_reports_],
        "members": pack_score_model(detector.model_, tensors),
        "codes": pack_codes(detector.codes_, tensors),
        "packages": package_versions(),
    }
    tensors |= {f"calibration.{name}": scores for name, scores in detector.calibration_._asdict().items()}
    tensors |= pack_reference(detector.inputs_)
    write_model(path, tensors, manifest)


def load(path: str | os.PathLike[str]) -> AnomalyDetector | ImageAnomalyDetector:
    """Read the fitted detector that a model file holds; nothing in the file is executed.

    Raises
    ------
    ModelFileError
        If the file is not a tsae model, is damaged, or of a newer format.
    """
    tensors, manifest = read_model(path)
    with reading_parts(path):
        return _KINDS[manifest["kind"]](tensors, manifest)


def _unpack(tensors: Arrays, manifest: dict[str, Any]) -> AnomalyDetector:
    detector = AnomalyDetector(**in_groups(manifest["parameters"]))
    for name in _FITTED:
        setattr(detector, name, manifest["fitted"][name])
    if manifest["named_channels"]:
        detector.feature_names_in_ = np.array(manifest["channels"], dtype=object)
    detector.model_ = unpack_score_model(tensors, manifest)
    detector.inputs_ = unpack_reference(tensors)
    detector.codes_ = unpack_codes(manifest["codes"], tensors)
    detector.fit_reports_ = [fit_report(report) for report in manifest["fit_reports"]]
    detector.calibration_ = CalibrationScores(*(tensors[f"calibration.{name}"] for name in CalibrationScores._fields))
    return detector._take(ThresholdSet(*(Threshold(**threshold) for threshold in manifest["thresholds"])))


def _unpack_images(tensors: Arrays, manifest: dict[str, Any]) -> ImageAnomalyDetector:
    from tsae.detection.images.saving import unpack_image_detector  # loads torch, which scoring tables does without

    return unpack_image_detector(tensors, manifest)


_KINDS: dict[str, Callable[[Arrays, dict[str, Any]], AnomalyDetector | ImageAnomalyDetector]] = {
    "AnomalyDetector": _unpack,
    "ImageAnomalyDetector": _unpack_images,
}
