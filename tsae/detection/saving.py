"""What a model file keeps of a detector beside its model, the same for every kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray

from tsae.checks import plain
from tsae.detection.codes.bottleneck import BottleneckFacts
from tsae.detection.codes.cloud import CodeCloud, CodeFacts, Compression
from tsae.detection.parameters.groups import GroupedParameters
from tsae.training.options import FitReport

__all__ = ["Arrays", "fit_report", "pack_detector", "unpack_codes"]

Arrays = dict[str, NDArray[Any]]
_PACKAGES = ("tsae", "torch", "pytorch-lightning", "numpy", "pandas", "scikit-learn")


def pack_detector(kind: str, detector: GroupedParameters, codes: CodeFacts, tensors: Arrays) -> dict[str, Any]:
    """Put the arrays that every kind of detector keeps into `tensors`; return the part of the manifest."""
    return {
        "kind": kind,
        "parameters": _plain_parameters(detector),
        "codes": _pack_codes(codes, tensors),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _plain_parameters(detector: GroupedParameters) -> dict[str, Any]:
    """Return the parameters of a detector as JSON values; a random generator cannot be kept and becomes `None`."""
    values = {
        name: plain(asdict(value) if is_dataclass(value) and not isinstance(value, type) else value)
        for name, value in detector.get_params(deep=False).items()
    }
    if not isinstance(values["random_state"], int):
        values["random_state"] = None
    return values


def fit_report(facts: Mapping[str, Any]) -> FitReport:
    """A report as it stood in a manifest."""
    return FitReport(**{**facts, "history": tuple(map(tuple, facts["history"]))})


def _pack_codes(codes: CodeFacts, tensors: Arrays) -> dict[str, Any]:
    """Put the arrays of what is known of codes into `tensors`; return what goes into the manifest."""
    tensors |= {"codes.left": codes.left, "codes.left_by_row": codes.left_by_row}
    if codes.cloud is not None:
        tensors |= {f"codes.cloud.{name}": array for name, array in vars(codes.cloud).items()}
    return {"compression": codes.compression._asdict(), "bottleneck": asdict(codes.bottleneck)}


def unpack_codes(facts: Mapping[str, Any], tensors: Arrays) -> CodeFacts:
    """Restore what `pack_detector` packed."""
    cloud = None
    if "codes.cloud.weights" in tensors:
        cloud = CodeCloud(*(tensors[f"codes.cloud.{name}"] for name in ("weights", "means", "factors")))
    left = tensors["codes.left"], tensors["codes.left_by_row"]
    return CodeFacts(Compression(**facts["compression"]), *left, cloud, BottleneckFacts.of(facts["bottleneck"]))
