"""What scores images: a network, what is usual for it, and both to arrays and a manifest and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from tsae.images.reading import ImageScale
from tsae.model.packing import Arrays
from tsae.networks.criterion import Criterion
from tsae.networks.entry_errors import entry_errors, rebuilt_values
from tsae.networks.torch_network import rebuild_autoencoder
from tsae.nn.autoencoder import AutoEncoder
from tsae.nn.options import NetworkSpec
from tsae.scoring.classifier import LabelClassifier, feature_table, labelled_arrays, labelled_of
from tsae.scoring.rebuilding import towards
from tsae.scoring.tails import LogTail

__all__ = [
    "HeatScale",
    "ImageLevels",
    "ImageModel",
    "ImageNetwork",
    "fit_heat_scale",
    "pack_image_model",
    "unpack_image_model",
]

Images = NDArray[np.float32]
Pixels = NDArray[Any]
Scores = NDArray[np.float64]
_BYTES_AT_ONCE = 4 * 2**20  # of images; hidden layers need a multiple of it
_SIDE_OVER_BLUR = 32
_LEVEL = 0.999  # of the heat of normal pictures
_BLOCKS = 8  # a side


class ImageNetwork:
    """An autoencoder, built from `options`, that takes images `(channels, height, width)` and answers in their values.

    `scale` leads from these values to the network's; `criterion` says how images are scored.
    """

    def __init__(
        self,
        autoencoder: AutoEncoder,
        options: NetworkSpec,
        scale: ImageScale,
        criterion: Criterion,
        shape: tuple[int, int, int],
    ) -> None:
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        self.options, self.scale, self.criterion, self.shape = options, scale, criterion, shape

    def squared_errors(self, images: Pixels) -> Images:
        """Squared errors of scaled values, shaped like `images` `(n, channels, height, width)`."""
        return self._each_batch(images, lambda inputs: (self.rebuilt(inputs) - inputs).square())

    def reconstruct(self, images: Pixels) -> Images:
        """What the network makes of images `(n, channels, height, width)`, in their values."""
        return self.scale.restored(self._each_batch(images, self.rebuilt))

    @torch.inference_mode()
    def rebuilt(self, inputs: Tensor) -> Tensor:
        """What the network makes of inputs `(batch, channels, height, width)`, both in its own values."""
        return rebuilt_values(self.criterion, self.autoencoder(inputs).mean)

    def cleaned(self, images: Pixels, *, noise: NDArray[np.float64] | None, left: Images) -> Images:
        """Images `(n, channels, height, width)` in their values, drawn towards what the network makes of them.

        Parameters
        ----------
        noise
            Standard deviation of the noise of each channel `(channels,)`, in the values of the images; `None` takes
            for it what the error of each image exceeds `left`, the usual one of each pixel, scaled.
        """
        seen, rebuilt = self.scale.scaled(images), self._each_batch(images, self.rebuilt)
        if noise is None:
            error = np.square(rebuilt - seen).mean(axis=(1, 2, 3), keepdims=True)
            variance = np.maximum(error - left.mean(), 0)
        else:
            variance = np.square(noise / self.scale.width)[:, np.newaxis, np.newaxis]
        return self.scale.restored(towards(seen, rebuilt, left, variance))

    def encode(self, images: Pixels) -> Images:
        """Codes `(n, latent_dim)`, those of the linear path first; means if variational."""
        return self._each_batch(images, self.autoencoder.encode)

    @torch.inference_mode()
    def decode(self, codes: Images) -> Images:
        """Codes `(n, latent_dim)` → images `(n, channels, height, width)` in the user's values."""
        batches = torch.split(torch.from_numpy(np.asarray(codes, dtype=np.float32)), self.block_size)
        decoded = torch.cat([rebuilt_values(self.criterion, self.autoencoder.decode(batch)) for batch in batches])
        return self.scale.restored(decoded.numpy())

    def divergence(self, images: Pixels) -> Scores:
        """How unusual each image is on the criterion's own scale, `(n,)`."""
        answers = self._each_batch(
            images, lambda inputs: entry_errors(self.criterion, self.autoencoder, inputs).flatten(1).mean(1)
        )
        return answers.astype(np.float64)

    @property
    def code_length(self) -> int:
        """Numbers in a code, the linear path's included."""
        return self.autoencoder.n_linear + self.options.latent_dim

    @property
    def block_size(self) -> int:
        """How many images are taken at once."""
        return max(1, _BYTES_AT_ONCE // (4 * int(np.prod(self.shape))))

    @torch.inference_mode()
    def _each_batch(self, images: Pixels, answer: Callable[[Tensor], Tensor]) -> Images:
        size = self.block_size
        batches = (images[first : first + size] for first in range(0, len(images), size))
        answers = [answer(torch.from_numpy(self.scale.scaled(batch))) for batch in batches]
        return torch.cat(answers).numpy()


@dataclass(frozen=True)
class HeatScale:
    """Turns squared errors of pixels into heat."""

    usual: Images
    """Squared error that is usual at each place, positive, `(channels, height, width)`."""
    level: float
    """Heat that 1 in 1000 pixels of normal pictures exceeds."""

    def heat(self, squared_errors: Images) -> Images:
        """Squared errors `(n, channels, height, width)` → heat `(n, height, width)`; 1 is usual.

        Mean over channels, smoothed by a Gaussian a 32nd of the shorter side wide, at least one pixel.
        """
        relative = (squared_errors / self.usual).mean(axis=1)
        blur = max(1.0, min(relative.shape[1:]) / _SIDE_OVER_BLUR)
        return np.asarray(gaussian_filter(relative, (0, blur, blur)), dtype=np.float32)


def fit_heat_scale(squared_errors: Images) -> tuple[HeatScale, Scores]:
    """Learn what is usual from errors `(n, channels, height, width)` of pictures the network was not trained on.

    Also returns the largest heat of each, `(n,)`, on the scale learned from the others: on a scale that knows an error,
    it would look more usual than that of a new picture.
    """
    n, total = len(squared_errors), squared_errors.sum(axis=0)
    others = ((total - each) / (n - 1) if n > 1 else total for each in squared_errors)
    heat = np.concatenate(
        [
            HeatScale(_usual_error(mean), 1.0).heat(each[np.newaxis])
            for mean, each in zip(others, squared_errors, strict=True)
        ]
    )
    level = max(float(np.quantile(heat, _LEVEL)), 1.0)
    return HeatScale(_usual_error(total / n), level), heat.max(axis=(1, 2)).astype(np.float64)


def _usual_error(mean: Images) -> Images:
    """Half of what is usual at a place is what is usual everywhere: few pictures tell little of a single pixel."""
    return np.asarray(np.maximum(0.5 * (mean + mean.mean()), 1e-12), dtype=np.float32)


@dataclass(frozen=True)
class ImageLevels:
    """What is usual on images that the network was not trained on; in scaled values."""

    error: float
    """Mean squared error of a pixel, positive."""
    lowest: float
    """Subtracted from divergences before the tail; 0 unless likelihoods make them negative."""
    tail: LogTail
    """Of divergences."""
    heat: HeatScale
    peak_tail: LogTail
    """Of the largest heat of each image."""


@dataclass(frozen=True)
class ImageModel:
    """A network with what is usual for it. Images are `(n, channels, height, width)` in their own values."""

    network: ImageNetwork
    levels: ImageLevels
    local_score: bool
    """Whether the largest heat of an image counts beside the criterion's mean over all pixels."""
    labelled: LabelClassifier | None = None
    """Joins the scores."""

    def scores(self, images: Pixels) -> Scores:
        """Scores `(n,)` in units of −log p, higher = more anomalous."""
        alone = self.scores_alone(images)
        return alone if self.labelled is None else alone + self.labelled.term(self.features(images))

    def features(self, images: Pixels) -> Scores:
        """What a classifier sees of images, `(n, n_features)`: code, errors of at most 8 x 8 blocks, and score."""
        blocks = self._in_blocks(images, lambda part: _blocks(self.relative_errors(part)))
        return feature_table(self.network.encode(images), blocks.reshape(len(images), -1), self.scores_alone(images))

    def scores_alone(self, images: Pixels) -> Scores:
        """Scores `(n,)` without the classifier."""
        whole = self.levels.tail(self.network.divergence(images) - self.levels.lowest)
        if not self.local_score:
            return whole
        return np.maximum(whole, self.levels.peak_tail(self._in_blocks(images, self._peaks).astype(np.float64)))

    def heatmaps(self, images: Pixels) -> Images:
        """Heat of every pixel, `(n, height, width)`; see `HeatScale`."""
        return self._in_blocks(images, self._heat)

    def relative_errors(self, images: Pixels) -> Images:
        """Squared error of every pixel over the usual one of a pixel: 1 is usual; shaped like `images`."""
        return self.network.squared_errors(images) / np.float32(self.levels.error)

    def _heat(self, images: Pixels) -> Images:
        return self.levels.heat.heat(self.network.squared_errors(images))

    def _peaks(self, images: Pixels) -> Images:
        return np.asarray(self._heat(images).max(axis=(1, 2)))

    def _in_blocks(self, images: Pixels, answer: Callable[[Pixels], Images]) -> Images:
        """Errors of all images at once would be larger than the images."""
        size = self.network.block_size
        return np.concatenate([answer(images[first : first + size]) for first in range(0, len(images), size)])


def _blocks(errors: Images) -> Images:
    """Means over at most 8 x 8 blocks of pixels, `(n, channels, rows, columns)`."""
    for axis in (2, 3):
        side = errors.shape[axis]
        starts = np.linspace(0, side, min(_BLOCKS, side), endpoint=False).round().astype(int)
        shape = [1] * errors.ndim
        shape[axis] = len(starts)
        sizes = np.diff([*starts, side]).reshape(shape).astype(np.float32)
        errors = np.asarray(np.add.reduceat(errors, starts, axis=axis) / sizes, dtype=np.float32)
    return errors


def pack_image_model(model: ImageModel, tensors: Arrays) -> dict[str, Any]:
    """Put the arrays of a model into `tensors`; return its part of the manifest."""
    network, levels = model.network, model.levels
    tensors |= {
        "tail.knots": levels.tail.knots,
        "peak_tail.knots": levels.peak_tail.knots,
        "heat.usual": levels.heat.usual,
    }
    tensors |= {f"network.{name}": tensor.numpy() for name, tensor in network.autoencoder.state_dict().items()}
    tensors |= labelled_arrays(model.labelled)
    return {
        "image_shape": network.shape,
        "scale": asdict(network.scale),
        "criterion": asdict(network.criterion),
        "network": asdict(network.options),
        "levels": {"error": levels.error, "lowest": levels.lowest},
        "tail": {"floor": levels.tail.floor, "excess": levels.tail.excess},
        "peak_tail": {"floor": levels.peak_tail.floor, "excess": levels.peak_tail.excess},
        "heat": {"level": levels.heat.level},
    }


def unpack_image_model(tensors: Arrays, manifest: Mapping[str, Any], *, local_score: bool) -> ImageModel:
    """Return the model that `pack_image_model` took apart."""
    channels, height, width = shape = manifest["image_shape"]
    options = NetworkSpec(**manifest["network"])
    state = {
        name.removeprefix("network."): torch.from_numpy(array)
        for name, array in tensors.items()
        if name.startswith("network.")
    }
    network = ImageNetwork(
        rebuild_autoencoder(options, tuple(shape), state),
        options,
        ImageScale(**manifest["scale"]),
        Criterion.of(manifest),
        (channels, height, width),
    )
    levels = ImageLevels(
        **manifest["levels"],
        heat=HeatScale(usual=tensors["heat.usual"], **manifest["heat"]),
        tail=LogTail(knots=tensors["tail.knots"], **manifest["tail"]),
        peak_tail=LogTail(knots=tensors["peak_tail.knots"], **manifest["peak_tail"]),
    )
    return ImageModel(network, levels, local_score, labelled_of(tensors))
