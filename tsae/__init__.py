"""Anomaly detection for sensor time series with autoencoders.

Names are imported on first use, so that `import tsae` (and `tsae --help`) cost nothing: torch and pandas are
loaded by the code that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tsae.evaluation as metrics
    from tsae.alarms.annotations import Annotation, Annotations
    from tsae.alarms.drift import Drift
    from tsae.alarms.event import Event
    from tsae.alarms.incidents import Incident, incidents
    from tsae.alarms.rules import EventRules, Snooze
    from tsae.alarms.thresholds import Threshold
    from tsae.detection.detecting import Detection
    from tsae.detection.detector import AnomalyDetector
    from tsae.detection.images.detector import ImageAnomalyDetector
    from tsae.detection.loading import load
    from tsae.detection.parameters.recipes import recipe
    from tsae.errors import (
        DataError,
        MissingDependencyError,
        ModelFileError,
        OutputError,
        ParameterError,
        TrainingError,
        TsaeError,
    )
    from tsae.evaluation.image_sets import ImageSet, image_dataset
    from tsae.export.export import export_onnx
    from tsae.model.fitted import FittedModel
    from tsae.nn.options import NetworkOptions
    from tsae.series.bundled import bundled_dataset
    from tsae.series.exclusions import Exclusions, read_exclusions
    from tsae.series.options import ReadOptions
    from tsae.series.reading import SensorTable, read_table
    from tsae.streaming.scorer import StreamScorer
    from tsae.training.options import TrainingOptions

    __version__: str

__all__ = [
    "Annotation",
    "Annotations",
    "AnomalyDetector",
    "DataError",
    "Detection",
    "Drift",
    "Event",
    "EventRules",
    "Exclusions",
    "FittedModel",
    "ImageAnomalyDetector",
    "ImageDetection",
    "ImageSet",
    "Incident",
    "MissingDependencyError",
    "ModelFileError",
    "NetworkOptions",
    "OutputError",
    "ParameterError",
    "ReadOptions",
    "SensorTable",
    "Snooze",
    "StreamScorer",
    "Threshold",
    "TrainingError",
    "TrainingOptions",
    "TsaeError",
    "__version__",
    "bundled_dataset",
    "export_onnx",
    "image_dataset",
    "incidents",
    "load",
    "metrics",
    "read_exclusions",
    "read_table",
    "recipe",
]

_HOME = {
    "Annotation": "tsae.alarms.annotations",
    "Annotations": "tsae.alarms.annotations",
    "AnomalyDetector": "tsae.detection.detector",
    "DataError": "tsae.errors",
    "Detection": "tsae.detection.detecting",
    "Drift": "tsae.alarms.drift",
    "Event": "tsae.alarms.event",
    "EventRules": "tsae.alarms.rules",
    "Exclusions": "tsae.series.exclusions",
    "FittedModel": "tsae.model.fitted",
    "ImageAnomalyDetector": "tsae.detection.images.detector",
    "ImageDetection": "tsae.detection.detecting",
    "Incident": "tsae.alarms.incidents",
    "ImageSet": "tsae.evaluation.image_sets",
    "MissingDependencyError": "tsae.errors",
    "ModelFileError": "tsae.errors",
    "NetworkOptions": "tsae.nn.options",
    "OutputError": "tsae.errors",
    "ParameterError": "tsae.errors",
    "ReadOptions": "tsae.series.options",
    "SensorTable": "tsae.series.reading",
    "Snooze": "tsae.alarms.rules",
    "StreamScorer": "tsae.streaming.scorer",
    "Threshold": "tsae.alarms.thresholds",
    "TrainingError": "tsae.errors",
    "TrainingOptions": "tsae.training.options",
    "TsaeError": "tsae.errors",
    "bundled_dataset": "tsae.series.bundled",
    "export_onnx": "tsae.export.export",
    "image_dataset": "tsae.evaluation.image_sets",
    "incidents": "tsae.alarms.incidents",
    "load": "tsae.detection.loading",
    "read_exclusions": "tsae.series.exclusions",
    "read_table": "tsae.series.reading",
    "recipe": "tsae.detection.parameters.recipes",
}


def __getattr__(name: str) -> Any:
    value: Any
    if name == "__version__":
        value = _installed_version()
    elif name == "metrics":
        value = import_module("tsae.evaluation")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'tsae' has no attribute {name!r}; it exports {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tsae")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"
