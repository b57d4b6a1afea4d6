"""What labels of images do to a detector: they tune its threshold and, if asked, train a classifier."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.detection.images.model import ImageModel
from tsae.detection.labels.checks import refuse_without_anomalies
from tsae.fitting.classifier import fit_label_classifier, honest_terms

__all__ = ["labelled_scores", "with_image_classifier"]

FloatArray = NDArray[np.float64]


def with_image_classifier(model: ImageModel, images: NDArray[Any], labels: FloatArray) -> tuple[ImageModel, FloatArray]:
    """The model with a classifier, and terms `(n,)` of labelled anomalies from classifiers that have not seen them.

    Images whose label is unknown count as normal, as they do for the network. The terms of all others are NaN.

    Raises
    ------
    ParameterError
        If no image is labelled anomalous, or all are.
    """
    is_anomaly = labels == 1
    refuse_without_anomalies(is_anomaly)
    features = model.features(images)
    terms = honest_terms(features, is_anomaly, np.arange(len(images)))
    return replace(model, labelled=fit_label_classifier(features, is_anomaly)), terms


def labelled_scores(model: ImageModel, images: NDArray[Any], honest: FloatArray | None) -> FloatArray:
    """Scores `(n,)`; `honest` replaces what the classifier adds to those of the anomalies it was trained on."""
    scores = model.scores(images)
    return scores if honest is None else np.where(np.isnan(honest), scores, model.scores_alone(images) + honest)
