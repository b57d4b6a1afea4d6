"""`FittedModel`: all that a fitted detector of series knows; loads neither torch nor scikit-learn."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from tsae.alarms.drift import Reference
from tsae.alarms.lessons import Lessons
from tsae.alarms.thresholds import LaterScores, ThresholdSet
from tsae.errors import ParameterError
from tsae.model.packing import Arrays, pack_parts, reading_parts, unpack_parts
from tsae.scoring.ensemble import Ensemble
from tsae.scoring.tails import LogTail, fit_log_tail
from tsae.scoring.whole_series import CalibrationScores
from tsae.store import parse_model, read_file

__all__ = ["FittedModel", "causal_model"]


@dataclass(frozen=True)
class FittedModel:
    """Ensemble, thresholds and channels of a fitted `AnomalyDetector`.

    It scores tables through its detector, and streams by itself: `StreamScorer(FittedModel.load(path))`.

    Examples
    --------
    >>> FittedModel.load("missing.tsae")
    Traceback (most recent call last):
    tsae.errors.ModelFileError: cannot read model 'missing.tsae': No such file or directory; check the path
    """

    ensemble: Ensemble
    """Scaler, members, switches, blame and label classifier: all that makes the score."""
    thresholds: ThresholdSet
    calibration: CalibrationScores
    """Scores of normal rows, which thresholds are learned from and adaptive ones begin with."""
    channels: Sequence[str]
    units: Mapping[str, str]
    """Unit by channel, for the channels that have one."""
    period: float | None
    """Seconds from row to row; `None` without a clock."""
    lag: int
    """Rows that a settled score waits for."""
    max_fill: int
    """Longest gap, in rows, that windows may cross."""
    inputs: Reference
    """Distributions of the channels in training."""
    data_hash: str
    """SHA-256 of the training data."""
    lessons: Lessons = Lessons()  # noqa: RUF009
    """What people said of earlier events: those that look like false alarms are held back."""
    running: str | None = None
    """Condition under which the plant runs, such as "speed > 10"; `None` if it always does."""
    later: LaterScores | None = None
    """How high training rows scored once linear members were fitted on earlier ones; `None` if that is not known."""
    file: bytes = field(default=b"", repr=False, compare=False)
    """The model file; empty if it was not loaded from one."""

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the model file; empty if it was not loaded from one."""
        return hashlib.sha256(self.file).hexdigest() if self.file else ""

    def tail(self, kind: str) -> LogTail:
        """Return the distribution of normal scores of one kind, a field of `CalibrationScores`."""
        return fit_log_tail(getattr(self.calibration, kind))

    def with_thresholds(self, thresholds: ThresholdSet, calibration: CalibrationScores | None = None) -> FittedModel:
        """Return the model with other thresholds and, unless `None`, the scores that they were learned from."""
        return replace(self, thresholds=thresholds, calibration=calibration or self.calibration, file=b"")

    def at_lag(self, lag: int | str) -> FittedModel:
        """Return the model whose scores wait for at most `lag` rows; "auto" waits for all that help."""
        full = self.ensemble.full_lag
        return replace(self, lag=full if isinstance(lag, str) else min(int(lag), full), file=b"")

    def pack(self, tensors: Arrays) -> dict[str, Any]:
        """Put the arrays into `tensors`; return the part of the manifest that goes with them."""
        return pack_parts({part.name: getattr(self, part.name) for part in fields(self)}, tensors)

    @classmethod
    def unpack(cls, tensors: Arrays, manifest: Mapping[str, Any], *, file: bytes = b"") -> FittedModel:
        """Return the model that `pack` took apart."""
        return cls(**unpack_parts(tensors, manifest), file=file)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FittedModel:
        """Read the model from a file that `AnomalyDetector.save` wrote, and keep the file's bytes.

        Raises
        ------
        ModelFileError
            If the file is not a model, is damaged, or has a newer format.
        ParameterError
            If the model was fitted on images.
        """
        file = read_file(path)
        tensors, manifest = parse_model(file, path)
        if manifest.get("kind") != "AnomalyDetector":
            raise ParameterError(
                f"model {str(path)!r} was fitted on images and cannot score tables; fit one on a table"
            )
        with reading_parts(path):
            return cls.unpack(tensors, manifest, file=file)


def causal_model(detector: Any) -> FittedModel:
    """Return the model of a fitted `AnomalyDetector`, or the `FittedModel` itself, to score rows as they arrive.

    Raises
    ------
    NotFittedError
        If the detector is not fitted.
    ParameterError
        If it does not score series, or its label classifier needs whole tables.
    """
    if not isinstance(detector, FittedModel) and not hasattr(detector, "model_"):
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(detector, "model_")
    model = detector if isinstance(detector, FittedModel) else getattr(detector, "model_", None)
    if not isinstance(model, FittedModel):
        raise ParameterError(f"`detector` (={type(detector).__name__}) scores no series; pass an AnomalyDetector")
    if model.ensemble.classifier is not None:
        raise ParameterError(
            "`label_classifier` (=True) joins the scores of whole tables only; fit with label_classifier=False to "
            "score a stream"
        )
    return model
