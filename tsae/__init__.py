"""Anomaly detection for sensor time series with autoencoders.

Names are imported on first use, so that `import tsae` (and `tsae --help`) cost nothing: torch and pandas are
loaded by the code that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsae.alarms.events.event import Event
    from tsae.alarms.events.rules import EventRules
    from tsae.detection.detector import AnomalyDetector
    from tsae.detection.images.detector import ImageAnomalyDetector
    from tsae.detection.loading import load
    from tsae.detection.parameters.recipes import recipe
    from tsae.detection.result import Detection, ImageDetection
    from tsae.evaluation.image_sets import ImageSet, image_dataset
    from tsae.export.export import export_onnx
    from tsae.nn.options import NetworkOptions
    from tsae.series.bundled import bundled_dataset
    from tsae.series.reading import read_table
    from tsae.series.table import SensorTable
    from tsae.streaming.scorer import StreamScorer
    from tsae.training.options import TrainingOptions

    __version__: str

__all__ = [
    "AnomalyDetector",
    "Detection",
    "Event",
    "EventRules",
    "ImageAnomalyDetector",
    "ImageDetection",
    "ImageSet",
    "NetworkOptions",
    "SensorTable",
    "StreamScorer",
    "TrainingOptions",
    "__version__",
    "bundled_dataset",
    "export_onnx",
    "image_dataset",
    "load",
    "read_table",
    "recipe",
]

_HOME = {
    "AnomalyDetector": "tsae.detection.detector",
    "Detection": "tsae.detection.result",
    "Event": "tsae.alarms.events.event",
    "EventRules": "tsae.alarms.events.rules",
    "ImageAnomalyDetector": "tsae.detection.images.detector",
    "ImageDetection": "tsae.detection.result",
    "ImageSet": "tsae.evaluation.image_sets",
    "NetworkOptions": "tsae.nn.options",
    "SensorTable": "tsae.series.table",
    "StreamScorer": "tsae.streaming.scorer",
    "TrainingOptions": "tsae.training.options",
    "bundled_dataset": "tsae.series.bundled",
    "export_onnx": "tsae.export.export",
    "image_dataset": "tsae.evaluation.image_sets",
    "load": "tsae.detection.loading",
    "read_table": "tsae.series.reading",
    "recipe": "tsae.detection.parameters.recipes",
}


def __getattr__(name: str) -> Any:
    value: Any
    if name == "__version__":
        value = _installed_version()
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'tsae' has no attribute {name!r}; it exports {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tsae")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"
