"""From training images to a fitted image model, and the use of their labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tsae.detection.images.model import ImageLevels, ImageModel, ImageNetwork, fit_heat_scale
from tsae.detection.labels.checks import refuse_without_anomalies
from tsae.errors import DataError
from tsae.fitting.classifier import fit_label_classifier, honest_terms
from tsae.fitting.options import ImageOptions
from tsae.images.reading import ImageScale
from tsae.nn.autoencoder import build_autoencoder
from tsae.nn.linear import LinearPath, principal_path
from tsae.nn.rbm import deep_spec, pretrain
from tsae.scoring.tails import fit_log_tail
from tsae.training.batches import ArraySource, evenly
from tsae.training.fit import fit_network
from tsae.training.objectives import reconstruction_loss
from tsae.training.options import FitReport

__all__ = ["fit_image_model", "labelled_scores", "split_images", "with_image_classifier"]

FloatArray = NDArray[np.float64]
Pixels = NDArray[Any]
_MOST_IMAGES = 1000  # for principal components, whose cost grows with the cube of the images
_EXPLAINED = 0.9
_LONGEST_CODE = 32
_CODE_BESIDE_PATH = 16


def split_images(n_images: int, held_out: float, *, random_state: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the training and of the held-out images, drawn at random; at least one of each.

    Raises `DataError` if there are fewer than two images.
    """
    if n_images < 2:
        raise DataError(f"{n_images} image is too few to train on some and hold out others; pass two or more")
    order = np.random.default_rng(random_state).permutation(n_images)
    n_held_out = min(max(1, round(held_out * n_images)), n_images - 1)
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def fit_image_model(
    training: Pixels, held_out: Pixels, options: ImageOptions, *, random_state: int
) -> tuple[ImageModel, FitReport]:
    """Fit scale, network and levels to images `(n, channels, height, width)` in their own values."""
    scale = ImageScale.of(training)
    inputs, others = (torch.from_numpy(scale.scaled(images)) for images in (training, held_out))
    path, code = _linear_path(inputs, options)
    spec = replace(options.network, latent_dim=code)
    if options.pretraining == "rbm":
        spec = deep_spec(spec, tuple(inputs.shape[1:]))
    autoencoder = build_autoencoder(spec, tuple(inputs.shape[1:]), linear_path=path, random_state=random_state)
    if options.pretraining == "rbm":
        rbm = {"n_steps": options.training.max_steps, **options.rbm}
        pretrain(autoencoder, spec, inputs, visible="bernoulli", rbm=rbm, random_state=random_state)
    report = fit_network(
        autoencoder,
        reconstruction_loss(autoencoder, options.training),
        ArraySource(inputs),
        ArraySource(others),
        options=options.training,
        random_state=random_state,
        keep_initial=True,  # beside a linear path, or after pre-training, few images may not allow for better
    )
    channels, height, width = inputs.shape[1:]
    network = ImageNetwork(autoencoder, spec, scale, options.criterion, (channels, height, width))
    return ImageModel(network, _levels(network, held_out), options.local_score), report


def _linear_path(inputs: Tensor, options: ImageOptions) -> tuple[LinearPath | None, int]:
    """The linear path, if there is one, and the length of the nonlinear code."""
    wanted = options.latent_dim
    if not options.linear_path:
        most = min(_LONGEST_CODE, max(1, inputs[0].numel() // 2))
        return None, _principal(inputs, most).n_components if wanted == "auto" else wanted
    if wanted == "auto":
        return _principal(inputs, None), _CODE_BESIDE_PATH
    path = _principal(inputs, wanted - min(_CODE_BESIDE_PATH, wanted // 2))
    return path, wanted - path.n_components


def _principal(inputs: Tensor, max_components: int | None) -> LinearPath:
    return principal_path(
        inputs[evenly(len(inputs), _MOST_IMAGES)], explained_variance=_EXPLAINED, max_components=max_components
    )


def _levels(network: ImageNetwork, held_out: Pixels) -> ImageLevels:
    divergence, errors = network.divergence(held_out), network.squared_errors(held_out)
    lowest = min(0.0, float(divergence.min()))
    heat, peaks = fit_heat_scale(errors)
    return ImageLevels(
        error=max(float(errors.mean()), 1e-12),
        lowest=lowest,
        tail=fit_log_tail(divergence - lowest),
        heat=heat,
        peak_tail=fit_log_tail(peaks),
    )


def with_image_classifier(model: ImageModel, images: Pixels, labels: FloatArray) -> tuple[ImageModel, FloatArray]:
    """The model with a classifier, and terms `(n,)` of labelled anomalies from classifiers that have not seen them.

    Images whose label is unknown count as normal, as they do for the network. The terms of all others are NaN.

    Raises `ParameterError` if no image is labelled anomalous, or all are.
    """
    is_anomaly = labels == 1
    refuse_without_anomalies(is_anomaly)
    features = model.features(images)
    terms = honest_terms(features, is_anomaly, np.arange(len(images)))
    return replace(model, labelled=fit_label_classifier(features, is_anomaly)), terms


def labelled_scores(model: ImageModel, images: Pixels, honest: FloatArray | None) -> FloatArray:
    """Scores `(n,)`; `honest` replaces what the classifier adds to those of the anomalies it was trained on."""
    scores = model.scores(images)
    return scores if honest is None else np.where(np.isnan(honest), scores, model.scores_alone(images) + honest)
