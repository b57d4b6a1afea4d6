"""An image model to arrays and a manifest, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from tsae.detection.images.heat import HeatScale
from tsae.detection.images.model import ImageLevels, ImageModel
from tsae.detection.images.network import ImageNetwork
from tsae.detection.saving import Arrays
from tsae.images.arrays import ImageScale
from tsae.networks.criterion import Criterion
from tsae.networks.torch_network import rebuild_autoencoder
from tsae.nn.options import NetworkSpec
from tsae.scoring.classifier import labelled_arrays, labelled_of
from tsae.scoring.tails import LogTail

__all__ = ["pack_image_model", "unpack_image_model"]


def pack_image_model(model: ImageModel, tensors: Arrays) -> dict[str, Any]:
    """Put the arrays of a model into `tensors`; return its part of the manifest."""
    network, levels = model.network, model.levels
    tensors |= {
        "tail.knots": levels.tail.knots,
        "peak_tail.knots": levels.peak_tail.knots,
        "heat.usual": levels.heat.usual,
    }
    _put_state(network.autoencoder, "network.", tensors)
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
    network = ImageNetwork(
        rebuild_autoencoder(options, tuple(shape), _state_of("network.", tensors)),
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


def _put_state(module: nn.Module, prefix: str, tensors: Arrays) -> None:
    """Put a module's tensors into `tensors`, under names that begin with `prefix`."""
    tensors |= {f"{prefix}{name}": tensor.numpy() for name, tensor in module.state_dict().items()}


def _state_of(prefix: str, tensors: Arrays) -> dict[str, Tensor]:
    """The module's tensors that `_put_state` has put under `prefix`."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): torch.from_numpy(tensors[name]) for name in names}
