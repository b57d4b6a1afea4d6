"""`ImageAnomalyDetector`: scikit-learn's outlier estimator for pictures."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from tsae.alarms.thresholds import Threshold, fixed_threshold, learn_threshold
from tsae.checks import plain
from tsae.detection.codes.bottleneck import Advice, advise
from tsae.detection.codes.cloud import Compression
from tsae.detection.codes.study import study_images
from tsae.detection.codes.uses import checked_codes, codes_between, drawn_codes, generator, noise_by_channel
from tsae.detection.detecting import ImageDetection, image_detection
from tsae.detection.images.build import fit_image_model, labelled_scores, split_images, with_image_classifier
from tsae.detection.images.model import pack_image_model
from tsae.detection.labels.checks import annotations_of, check_label_parameters, labels_of_parts
from tsae.detection.parameters.groups import GroupedParameters
from tsae.detection.parameters.resolved import check_image_budget, image_options
from tsae.detection.parameters.shared import ARCHITECTURE, HELD_OUT, LABEL_BETA, THRESHOLD, documented
from tsae.detection.saving import Arrays, pack_detector
from tsae.errors import DataError
from tsae.images.reading import check_images, images_of, table_of
from tsae.nn.options import NetworkOptions
from tsae.store import write_model
from tsae.training.options import TrainingOptions

__all__ = ["ImageAnomalyDetector"]

FloatArray = NDArray[np.float64]
Images = NDArray[np.float32]


@documented
class ImageAnomalyDetector(OutlierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, GroupedParameters):  # type: ignore[misc]
    """Learn what normal pictures look like, and flag those that an autoencoder cannot rebuild.

    Pictures are arrays `(n, height, width)` or `(n, channels, height, width)` of bytes or floats, an `ImageTable`, or
    the folder that holds them, all of one size. What comes back always has channels.

    Parameters
    ----------
    size : (int, int) or None
        `(height, width)` that the pictures of a folder are resized to, in training and later; `None` if all have the
        same size. Arrays are taken as they are.
    {architecture}
    latent_dim : "auto" or int
        Length of the code. "auto" takes as many numbers as principal components explain 90 % of the variance, at
        most 32; with a linear path, that path gets them, and the network 16 more.
    max_steps : "auto" or int
        Most training steps, 600 if "auto"; early stopping may end before.
    {network}
    {training}
    score_by : {"auto", "error", "probability", "elbo", "masked"}
        What makes an image anomalous: its squared error; its negative log-likelihood under the loss; the negative
        evidence lower bound; the error of pixels that the masks of `corruption` hide. "auto" takes "elbo" for a
        variational network, else "error".
    local_score : bool
        Also judge an image by its most unusual place, the largest value of its heatmap: small defects hardly show in
        a mean over all pixels. The score is then the larger one of the two.
    held_out : float
        Share of the images, drawn at random, that the network is not trained on. They choose the weights, the scale of
        the score and the threshold.
    {threshold}
    false_alarm_rate : float or str
        Share of normal images that may be flagged.
    label_classifier : bool
        Whether `annotations` given to `fit` also train a small classifier on codes and errors, whose evidence
        −log(1 − p) joins the score.
    {label_beta}
    {label_cost}
    {random_state}

    Attributes
    ----------
    threshold_ : float
        Images that score above it are flagged (in units of −log p, higher = more anomalous).
    offset_ : float
        `-threshold_`, scikit-learn's convention.
    image_shape_ : tuple of int
        `(channels, height, width)`.
    latent_dim_ : int
        Length of a code.
    learned_threshold_ : Threshold
        The threshold with what stands behind it.
    fit_report_ : FitReport
        Steps and held-out losses.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from tsae import ImageAnomalyDetector
    >>> digits = load_digits()
    >>> zeros, ones = (digits.images[digits.target == digit] for digit in (0, 1))
    >>> detector = ImageAnomalyDetector(max_steps=40, random_state=0).fit(zeros)
    >>> set(detector.predict(ones).tolist()), detector.errors(ones).shape
    ({-1}, (182, 1, 8, 8))
    """

    def __init__(
        self,
        *,
        size: Sequence[int] | None = None,
        architecture: str = ARCHITECTURE,
        latent_dim: str | int = "auto",
        max_steps: str | int = "auto",
        network: NetworkOptions | Mapping[str, Any] | None = None,
        training: TrainingOptions | Mapping[str, Any] | None = None,
        score_by: str = "auto",
        local_score: bool = True,
        held_out: float = HELD_OUT,
        threshold: str | float = THRESHOLD,
        false_alarm_rate: float | str = 0.01,
        label_classifier: bool = False,
        label_beta: float = LABEL_BETA,
        label_cost: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.size = size
        self.architecture = architecture
        self.latent_dim = latent_dim
        self.max_steps = max_steps
        self.network = network
        self.training = training
        self.score_by = score_by
        self.local_score = local_score
        self.held_out = held_out
        self.threshold = threshold
        self.false_alarm_rate = false_alarm_rate
        self.label_classifier = label_classifier
        self.label_beta = label_beta
        self.label_cost = label_cost
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, annotations: Any = None, labels: Any = None) -> Self:  # noqa: ARG002
        """Learn from normal pictures.

        Parameters
        ----------
        X
            Pictures.
        y
            Ignored; scikit-learn's convention.
        annotations
            What is known of some images, `(n,)`: 1 anomalous, 0 normal, -1 or NaN unknown. Those labelled anomalous are
            kept out of training and calibration, and if there are any, the threshold is the one that does best
            on labelled and held-out images, unless `threshold` states a number.
        """
        learner = copy.copy(self)  # so that a failed fit leaves this one as it was
        learner._learn(X, annotations_of(annotations, labels))
        self.__dict__ = learner.__dict__
        return self

    def _learn(self, X: Any, annotations: Any) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        options = image_options(self.get_params(deep=False), seed=seed)
        tuning = check_label_parameters(self.label_classifier, self.label_beta, self.label_cost)
        images = images_of(X, size=self.size)
        (known,) = labels_of_parts(annotations, [len(images)], is_fleet=False)
        normal = images if annotations is None else images[known != 1]
        training, held_out = (normal[rows] for rows in split_images(len(normal), self.held_out, random_state=seed))
        model, self.fit_report_ = fit_image_model(training, held_out, options, random_state=seed)
        self.codes_ = study_images(model.network, training, held_out, random_state=seed)
        honest = None
        if self.label_classifier:
            model, honest = with_image_classifier(model, images, known)
        self.held_out_scores_ = model.scores(held_out)
        self.data_hash_ = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
        self.learned_threshold_ = _learned(self.held_out_scores_, self.threshold, self.false_alarm_rate)
        if isinstance(self.threshold, str) and (known == 1).any():
            scores = labelled_scores(model, images, honest)
            self.learned_threshold_ = tuning.threshold(scores, known, self.held_out_scores_, in_order=False)
        self.model_ = model

    def set_threshold(self, threshold: str | float, *, false_alarm_rate: float | str | None = None) -> Self:
        """Learn the threshold anew, or state it, without training again.

        `threshold` and `false_alarm_rate` as in the constructor; `None` keeps the rate.
        """
        check_is_fitted(self, "model_")
        rate = self.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
        self.learned_threshold_ = _learned(self.held_out_scores_, threshold, rate)
        return self

    def score_samples(self, X: Any) -> FloatArray:
        """Scores `(n,)` in scikit-learn's sign: the lower, the more abnormal."""
        images = self._checked(X)
        return -self.model_.scores(images)

    def decision_function(self, X: Any) -> FloatArray:
        """`score_samples(X) - offset_`, negative for flagged images, `(n,)`."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """1 for normal images and -1 for flagged ones, `(n,)`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def detect(self, X: Any) -> ImageDetection:
        """Scores, labels and severities, with the names of the files if `X` is an `ImageTable` or a folder."""
        check_is_fitted(self, "model_")
        table = table_of(X, size=self.size, channels=self.image_shape_[0])
        return image_detection(-self.score_samples(table), self.threshold_, table.names)

    def heatmaps(self, X: Any) -> Images:
        """Where pictures are unusual, `(n, height, width)`: 1 is usual, higher = more anomalous.

        The squared error of a pixel, averaged over channels and a little over its neighbours, over the usual one at
        its place. 1 in 1000 pixels of normal pictures exceeds `heat_level_`.
        """
        images = self._checked(X)
        return self.model_.heatmaps(images)

    def errors(self, X: Any) -> Images:
        """Heatmaps `(n, channels, height, width)`: squared error over the usual one of a pixel; 1 is usual."""
        images = self._checked(X)
        return self.model_.relative_errors(images)

    def reconstruct(self, X: Any) -> Images:
        """What the network makes of the images, `(n, channels, height, width)`, in their values."""
        images = self._checked(X)
        return self.model_.network.reconstruct(images)

    def denoise(self, X: Any, *, noise: Any = None) -> Images:
        """Images `(n, channels, height, width)` drawn towards what the network makes of them.

        Parameters
        ----------
        X
            Noisy images.
        noise
            Standard deviation of the noise, in the values of the images: one number, or one for each channel. `None`
            estimates it for each image from how much its error exceeds the usual one. An image that is unlike those in
            training looks noisy, too.
        """
        check_is_fitted(self, "model_")
        known = noise_by_channel(noise, self.image_shape_[0])
        images = self._checked(X)
        return self.model_.network.cleaned(images, noise=known, left=self.codes_.left)

    def transform(self, X: Any) -> Images:
        """Return the latent code of each image, `(n, latent_dim_)`; its mean if the bottleneck is Gaussian."""
        return self.encode(X)

    def inverse_transform(self, codes: Any) -> Images:
        """Return the images `(n, channels, height, width)` of codes `(n, latent_dim_)`, in the values of the images."""
        check_is_fitted(self, "model_")
        return self.model_.network.decode(checked_codes(codes, self.latent_dim_))

    def encode(self, X: Any) -> Images:
        """Return `transform(X)`, but always as an array, whatever `set_output` says."""
        images = self._checked(X)
        return self.model_.network.encode(images)

    def decode(self, codes: Any) -> Images:
        """Return `inverse_transform(codes)`, under its name among autoencoders."""
        return self.inverse_transform(codes)

    def sample(self, n: int, *, noise: bool = True, random_state: Any = None) -> Images:
        """Return new images `(n, channels, height, width)` of a variational detector.

        Codes are drawn as those of the training images are spread (the aggregated posterior, as a mixture of
        Gaussians), which is closer to them than the prior.

        Parameters
        ----------
        n
            Number of images.
        noise
            Add the usual reconstruction error of each pixel as noise; without it, images are as smooth as
            reconstructions.
        random_state
            Int, RandomState instance or None; the same number gives the same images.

        Raises
        ------
        ParameterError
            If the bottleneck is deterministic.
        """
        check_is_fitted(self, "model_")
        rng = generator(random_state)
        drawn = self.decode(drawn_codes(self.codes_, n, rng))
        if not noise:
            return drawn
        scale = self.model_.network.scale
        added = rng.standard_normal(drawn.shape, dtype=np.float32) * np.sqrt(self.codes_.left)
        return np.clip(drawn + added * np.float32(scale.width), scale.low, scale.high)

    def interpolate(self, a: Any, b: Any, steps: int) -> Images:
        """Return images between the codes of two, `(steps, channels, height, width)`, with both ends rebuilt.

        `a` and `b` are one image each, `(height, width)` or `(channels, height, width)`.
        """
        check_is_fitted(self, "model_")
        ends = []
        for name, one in (("a", a), ("b", b)):
            codes = self.encode([one])
            if len(codes) != 1:
                raise DataError(f"`{name}` holds {len(codes)} images; pass one")
            ends.append(codes[0])
        return self.decode(codes_between(ends[0], ends[1], steps))

    def compression(self) -> Compression:
        """Return how much smaller codes are than images, and what that costs on those that were not trained on."""
        check_is_fitted(self, "model_")
        return self.codes_.compression

    def advice(self) -> Advice:
        """Return what codes lose by their length, and what could be better about code and data; `print` shows it."""
        check_is_fitted(self, "model_")
        return advise(self.codes_.bottleneck)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything needed to score into one file; an existing file stays intact until the new one is whole."""
        check_is_fitted(self, "model_")
        tensors: Arrays = {"held_out.scores": self.held_out_scores_}
        own = {
            "data_hash": self.data_hash_,
            "threshold": asdict(self.learned_threshold_),
            "fit_report": asdict(self.fit_report_),
        }
        about = pack_detector("ImageAnomalyDetector", self, self.codes_, tensors)
        write_model(path, tensors, {**about, **pack_image_model(self.model_, tensors), **own})

    @property
    def threshold_(self) -> float:
        """Images that score above it are flagged."""
        return self.learned_threshold_.value

    @property
    def offset_(self) -> float:
        """`-threshold_`."""
        return -self.threshold_

    @property
    def heat_level_(self) -> float:
        """What 1 in 1000 pixels of normal pictures exceeds in `heatmaps`; below it nothing is unusual."""
        return self.model_.levels.heat.level

    @property
    def image_shape_(self) -> tuple[int, int, int]:
        """`(channels, height, width)` of an image."""
        return self.model_.network.shape

    @property
    def latent_dim_(self) -> int:
        """Length of a code."""
        return self.model_.network.code_length

    @property
    def receptive_field_(self) -> int:
        """Pixels a side that one feature of the encoder depends on: all of an image, unless convolutional."""
        return self.model_.network.options.receptive_field(self.image_shape_)

    @property
    def _n_features_out(self) -> int:
        return self.latent_dim_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags

    def _checked(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self, "model_")
        images = images_of(X, size=self.size, channels=self.image_shape_[0])
        check_images(images, self.image_shape_, self.model_.network.scale)
        return images


def _learned(scores: FloatArray, threshold: Any, false_alarm_rate: Any) -> Threshold:
    """The threshold that held-out scores give by a learner's name, or the stated one."""
    threshold = plain(threshold)
    check_image_budget(threshold, false_alarm_rate)
    if isinstance(threshold, str):
        return learn_threshold(scores, method=threshold, false_alarm_rate=false_alarm_rate)
    return fixed_threshold(threshold)
