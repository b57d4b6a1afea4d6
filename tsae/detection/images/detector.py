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
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from tsae.alarms.thresholds import Threshold, fixed_threshold, learn_threshold
from tsae.checks import plain
from tsae.detection.codes.study import study_images
from tsae.detection.codes.uses import CodesMixin, noise_by_channel
from tsae.detection.images.build import fit_image_model, split_images
from tsae.detection.images.labels import labelled_scores, with_image_classifier
from tsae.detection.images.options import check_image_budget, image_options
from tsae.detection.images.result import ImageDetection, image_detection
from tsae.detection.images.saving import pack_image_model
from tsae.detection.labels.checks import check_label_parameters, labels_of_parts
from tsae.detection.saving import Arrays, pack_codes, package_versions, plain_parameters
from tsae.errors import DataError
from tsae.images.arrays import check_images
from tsae.images.folder import images_of, table_of
from tsae.store import write_model

__all__ = ["ImageAnomalyDetector"]

FloatArray = NDArray[np.float64]
Images = NDArray[np.float32]


class ImageAnomalyDetector(OutlierMixin, CodesMixin, BaseEstimator):  # type: ignore[misc]
    """Learn what normal pictures look like, and flag those that an autoencoder cannot rebuild.

    Pictures are arrays `(n, height, width)` or `(n, channels, height, width)` of bytes or floats, an `ImageTable`, or
    the folder that holds them, all of one size. What comes back always has channels.

    Parameters
    ----------
    size : (int, int) or None
        `(height, width)` that the pictures of a folder are resized to, in training and later; `None` if all have the
        same size. Arrays are taken as they are.
    architecture : {"dense", "conv", "transformer"}
        Kind of the encoder/decoder pair.
    latent_dim : "auto" or int
        Length of the code. "auto" takes as many numbers as principal components explain 90 % of the variance, at
        most 32; beside a linear path, that path gets them, and the network 16 more.
    linear_path : bool
        Add the network's output to a principal-component reconstruction, so that it only learns the rest.
    hidden, decoder_hidden : tuple of int or None
        Widths of the dense encoder's layers, and of the decoder's. `None` takes them from the image, and mirrors them.
    n_blocks, width, n_heads, kernel_size : int
        Strided stages (conv) or stacked blocks (transformer); channels of the first stage or numbers a token (a patch);
        attention heads (transformer); pixels a side of a kernel (conv).
    activation : {"auto", "gelu", "relu", "tanh", "sigmoid", "silu"}
        Of the hidden layers; "auto" takes "gelu", and "sigmoid" with pre-training.
    dropout : float
        Share of hidden units dropped in training.
    bottleneck : {"deterministic", "gaussian"}
        "gaussian" makes the autoencoder variational.
    kl_weight, kl_warm_up : "auto" or float, float
        Weight of its KL divergence, and share of the steps over which it rises from 0. "auto" takes 1 for a likelihood
        ("bernoulli", "gaussian") and 0.01 otherwise; with "l2" it is twice the variance of the noise.
    corruption : None, "gaussian", "mask_points", "mask_channels", "mask_blocks" or "salt_pepper"
        What is done to inputs in training while the target stays clean (a denoising autoencoder).
    corruption_level : float
        Standard deviation of the noise, 1 being the range of the pixels, or share of hidden pixels.
    loss : {"l2", "l1", "huber", "bernoulli", "gaussian"}
        What the network minimises.
    variance : "learned" or float
        Of loss="gaussian": learned for every pixel, or fixed, 1 being the square of the range of the pixels.
    sparsity, contraction : float
        Weights of the mean absolute code, and of the squared norm of the encoder's Jacobian.
    pretraining : {None, "rbm"}
        "rbm" starts a dense network, without linear path, from a stack of restricted Boltzmann machines.
    rbm : dict or None
        How these are trained: `n_steps` (else `max_steps`), `batch_size`, `n_gibbs` (the k of CD-k), `persistent`,
        `learning_rate`, `momentum`, `weight_decay`; see `tsae.nn.rbm_options`.
    score_by : {"auto", "error", "probability", "elbo", "masked"}
        What makes an image anomalous: its squared error; its improbability under `loss`; the negative evidence lower
        bound; the error of pixels that masks as in `corruption` hide. "auto": "elbo" if variational, else "error".
    local_score : bool
        Also judge an image by its most unusual place, the largest value of its heatmap: small defects hardly show in
        a mean over all pixels. The score is then the larger one of the two.
    n_samples : int
        Draws from the posterior for a variational "probability" or "elbo", or least masks.
    max_steps : "auto" or int
        Most training steps, 600 if "auto"; early stopping may end before.
    batch_size : int
        Images a step.
    learning_rate : float
        Peak of the one-cycle schedule.
    held_out : float
        Share of the images, drawn at random, that the network is not trained on: they choose the weights, the scale
        of the score and the threshold.
    threshold : {"pot", "quantile", "mad", "conformal", "spot", "dspot"} or float
        How the threshold is learned, or the threshold itself.
    false_alarm_rate : float or str
        Share of normal images that may be flagged.
    label_classifier : bool
        Whether `labels` given to `fit` train a small classifier on codes and errors too, whose evidence −log(1 − p)
        joins the score.
    label_beta : float
        Labels choose the threshold with the best F-beta: recall counts as much as `label_beta`² times precision.
    label_cost : float or None
        Cost of a missed anomaly in false alarms; labels then choose the threshold that costs least, instead.
    accelerator, devices, precision
        Passed to Lightning's `Trainer`.
    random_state : int, RandomState instance or None
        Source of all randomness; the same number gives the same model on the same machine.

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
        architecture: str = "dense",
        latent_dim: str | int = "auto",
        linear_path: bool = False,
        hidden: Sequence[int] | None = None,
        decoder_hidden: Sequence[int] | None = None,
        n_blocks: int = 2,
        width: int = 32,
        n_heads: int = 4,
        kernel_size: int = 5,
        activation: str = "auto",
        dropout: float = 0.0,
        bottleneck: str = "deterministic",
        kl_weight: str | float = "auto",
        kl_warm_up: float = 0.3,
        corruption: str | None = None,
        corruption_level: float = 0.1,
        loss: str = "l2",
        variance: str | float = "learned",
        sparsity: float = 0.0,
        contraction: float = 0.0,
        pretraining: str | None = None,
        rbm: Mapping[str, Any] | None = None,
        score_by: str = "auto",
        local_score: bool = True,
        n_samples: int = 16,
        max_steps: str | int = "auto",
        batch_size: int = 128,
        learning_rate: float = 2e-3,
        held_out: float = 0.15,
        threshold: str | float = "pot",
        false_alarm_rate: float | str = 0.01,
        label_classifier: bool = False,
        label_beta: float = 1.0,
        label_cost: float | None = None,
        accelerator: str = "cpu",
        devices: int = 1,
        precision: str = "32-true",
        random_state: Any = None,
    ) -> None:
        self.size, self.local_score = size, local_score
        self.architecture, self.latent_dim, self.linear_path = architecture, latent_dim, linear_path
        self.hidden, self.decoder_hidden = hidden, decoder_hidden
        self.n_blocks, self.width, self.n_heads, self.kernel_size = n_blocks, width, n_heads, kernel_size
        self.activation, self.dropout = activation, dropout
        self.bottleneck, self.kl_weight, self.kl_warm_up = bottleneck, kl_weight, kl_warm_up
        self.corruption, self.corruption_level = corruption, corruption_level
        self.loss, self.variance, self.sparsity, self.contraction = loss, variance, sparsity, contraction
        self.pretraining, self.rbm, self.score_by, self.n_samples = pretraining, rbm, score_by, n_samples
        self.max_steps = max_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.held_out = held_out
        self.threshold = threshold
        self.false_alarm_rate = false_alarm_rate
        self.label_classifier, self.label_beta, self.label_cost = label_classifier, label_beta, label_cost
        self.accelerator = accelerator
        self.devices = devices
        self.precision = precision
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, labels: Any = None) -> Self:  # noqa: ARG002
        """Learn from normal pictures.

        Parameters
        ----------
        X
            Pictures.
        y
            Ignored; scikit-learn's convention.
        labels
            What is known of some images, `(n,)`: 1 anomalous, 0 normal, -1 or NaN unknown. Those labelled anomalous are
            kept out of training and calibration, and if there are any, the threshold is the one that does best
            on labelled and held-out images, unless `threshold` states a number.
        """
        learner = copy.copy(self)  # so that a failed fit leaves this one as it was
        learner._learn(X, labels)
        self.__dict__ = learner.__dict__
        return self

    def _learn(self, X: Any, labels: Any) -> None:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        options = image_options(self.get_params(), seed=seed)
        tuning = check_label_parameters(self.label_classifier, self.label_beta, self.label_cost)
        images = images_of(X, size=self.size)
        (known,) = labels_of_parts(labels, [len(images)], is_fleet=False)
        normal = images if labels is None else images[known != 1]
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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything needed to score into one file; an existing file stays intact until the new one is whole."""
        check_is_fitted(self, "model_")
        tensors: Arrays = {"held_out.scores": self.held_out_scores_}
        manifest = {
            "kind": "ImageAnomalyDetector",
            "parameters": plain_parameters(self.get_params()),
            "data_hash": self.data_hash_,
            **pack_image_model(self.model_, tensors),
            "codes": pack_codes(self.codes_, tensors),
            "threshold": asdict(self.learned_threshold_),
            "fit_report": asdict(self.fit_report_),
            "packages": package_versions(),
        }
        write_model(path, tensors, manifest)

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

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags

    def _encoded(self, X: Any) -> Images:
        images = self._checked(X)
        return self.model_.network.encode(images)

    def _decoded(self, codes: Images) -> Images:
        return self.model_.network.decode(codes)

    def _code_of(self, one: Any, name: str) -> Images:
        codes = self._encoded([one])
        if len(codes) != 1:
            raise DataError(f"`{name}` holds {len(codes)} images; pass one")
        code: Images = codes[0]
        return code

    def _with_noise(self, inputs: Images, rng: np.random.Generator) -> Images:
        scale = self.model_.network.scale
        noise = rng.standard_normal(inputs.shape, dtype=np.float32) * np.sqrt(self.codes_.left)
        return np.clip(inputs + noise * np.float32(scale.width), scale.low, scale.high)

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
