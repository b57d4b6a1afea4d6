"""What a stream needs to know of a fitted detector; loads neither torch nor scikit-learn."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.distributions import Reference
from tsae.alarms.thresholds import Threshold, ThresholdSet
from tsae.errors import ParameterError
from tsae.model.packing import reading_parts, unpack_reference, unpack_score_model
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.tails import LogTail, fit_log_tail
from tsae.store import parse_model, read_file

__all__ = ["StreamModel"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class StreamModel:
    """A fitted detector, as far as a stream needs it.

    Examples
    --------
    >>> StreamModel.load("missing.tsae")
    Traceback (most recent call last):
    tsae.errors.ModelFileError: cannot read model 'missing.tsae': No such file or directory; check the path
    """

    score_model: Ensemble
    lag: int
    """Rows a settled score waits for."""
    thresholds: ThresholdSet
    calibration: Mapping[str, FloatArray]
    """Scores of normal rows by the names of `thresholds`, that adaptive ones begin with; each `(n,)`."""
    channels: Sequence[str]
    units: Mapping[str, str]
    period: float | None
    """Seconds from row to row."""
    inputs: Reference
    """How the channels were distributed in training."""
    max_fill: int
    """Longest gap, in rows, that windows may cross."""
    file: bytes = field(default=b"", repr=False)
    """The model file; empty if it came from none."""

    def __post_init__(self) -> None:
        if self.score_model.classifier is not None:
            raise ParameterError(
                "`label_classifier` (=True) joins the scores of whole tables only; fit with label_classifier=False to "
                "score a stream"
            )

    @cached_property
    def checksum(self) -> str:
        """Of the model file, thresholds and all; empty if it came from none."""
        return hashlib.sha256(self.file).hexdigest() if self.file else ""

    def tail(self, kind: str) -> LogTail:
        """Scores of normal rows of one kind, a name of `thresholds`, as a distribution."""
        return fit_log_tail(self.calibration[kind])

    @classmethod
    def of(cls, detector: Any) -> StreamModel:
        """The part of a fitted detector that a stream needs."""
        if isinstance(detector, cls):
            return detector
        if not hasattr(detector, "model_"):
            from sklearn.utils.validation import check_is_fitted

            check_is_fitted(detector, "model_")
        if not isinstance(getattr(detector, "model_", None), Ensemble):
            raise ParameterError(f"`detector` (={type(detector).__name__}) scores no series; pass an AnomalyDetector")
        return cls(
            score_model=detector.model_,
            lag=detector.lag_,
            thresholds=detector.thresholds_,
            calibration=detector.calibration_._asdict(),
            channels=detector.channels_,
            units=detector.units_,
            period=detector.period_,
            inputs=detector.inputs_,
            max_fill=detector.max_fill,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StreamModel:
        """Read it from a model file, whose bytes it keeps.

        Raises
        ------
        ModelFileError
            If the file is no model, is damaged, or of a newer format.
        ParameterError
            If it is a model of pictures.
        """
        file = read_file(path)
        tensors, manifest = parse_model(file, path)
        if manifest.get("kind") != "AnomalyDetector":
            raise ParameterError(f"model {str(path)!r} is one of pictures and cannot read series; fit one on a table")
        with reading_parts(path):
            return cls(
                score_model=unpack_score_model(tensors, manifest),
                lag=manifest["fitted"]["lag_"],
                thresholds=ThresholdSet(*(Threshold(**threshold) for threshold in manifest["thresholds"])),
                calibration={name: tensors[f"calibration.{name}"] for name in ThresholdSet._fields},
                channels=manifest["channels"],
                units=manifest["fitted"]["units_"],
                period=manifest["fitted"]["period_"],
                inputs=unpack_reference(tensors),
                max_fill=manifest["parameters"]["max_fill"],
                file=file,
            )
