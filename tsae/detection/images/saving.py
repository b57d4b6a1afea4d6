"""Image detectors to model files and back."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from tsae.alarms.thresholds import Threshold
from tsae.detection.images.detector import ImageAnomalyDetector
from tsae.detection.images.heat import HeatScale
from tsae.detection.images.model import ImageLevels, ImageModel
from tsae.detection.images.network import ImageNetwork
from tsae.detection.packing import (
    Arrays,
    fit_report,
    pack_codes,
    package_versions,
    plain_parameters,
    unpack_codes,
)
from tsae.detection.parameters.groups import in_groups
from tsae.images.arrays import ImageScale
from tsae.networks.criterion import Judge
from tsae.networks.torch_network import rebuild_autoencoder
from tsae.nn.options import NetworkSpec
from tsae.scoring.calibration import LogTail
from tsae.scoring.classifier import labelled_arrays, labelled_of
from tsae.store import write_model

__all__ = ["save_image_detector", "unpack_image_detector"]


def save_image_detector(detector: ImageAnomalyDetector, path: str | os.PathLike[str]) -> None:
    """Write a fitted detector into one file, atomically."""
    network, levels = detector.model_.network, detector.model_.levels
    tensors: Arrays = {
        "held_out.scores": detector.held_out_scores_,
        "tail.knots": levels.tail.knots,
        "peak_tail.knots": levels.peak_tail.knots,
        "heat.usual": levels.heat.usual,
    }
    _put_state(network.autoencoder, "network.", tensors)
    tensors |= labelled_arrays(detector.model_.labelled)
    manifest = {
        "kind": "ImageAnomalyDetector",
        "parameters": plain_parameters(detector),
        "image_shape": network.shape,
        "data_hash": detector.data_hash_,
        "scale": asdict(network.scale),
        "judge": asdict(network.judge),
        "network": asdict(network.options),
        "levels": {"error": levels.error, "lowest": levels.lowest},
        "codes": pack_codes(detector.codes_, tensors),
        "tail": {"floor": levels.tail.floor, "excess": levels.tail.excess},
        "peak_tail": {"floor": levels.peak_tail.floor, "excess": levels.peak_tail.excess},
        "heat": {"level": levels.heat.level},
        "threshold": asdict(detector.learned_threshold_),
        "fit_report": asdict(detector.fit_report_),
        "packages": package_versions(),
    }
    write_model(path, tensors, manifest)


def unpack_image_detector(tensors: Arrays, manifest: dict[str, Any]) -> ImageAnomalyDetector:
    """The detector that `save_image_detector` has written."""
    detector = ImageAnomalyDetector(**in_groups(manifest["parameters"]))
    channels, height, width = shape = manifest["image_shape"]
    options = NetworkSpec(**manifest["network"])
    network = ImageNetwork(
        rebuild_autoencoder(options, tuple(shape), _state_of("network.", tensors)),
        options,
        ImageScale(**manifest["scale"]),
        Judge(**manifest["judge"]),
        (channels, height, width),
    )
    levels = ImageLevels(
        **manifest["levels"],
        heat=HeatScale(usual=tensors["heat.usual"], **manifest["heat"]),
        tail=LogTail(knots=tensors["tail.knots"], **manifest["tail"]),
        peak_tail=LogTail(knots=tensors["peak_tail.knots"], **manifest["peak_tail"]),
    )
    detector.model_ = ImageModel(network, levels, detector.local_score, labelled_of(tensors))
    detector.codes_ = unpack_codes(manifest["codes"], tensors)
    detector.data_hash_ = manifest["data_hash"]
    detector.fit_report_ = fit_report(manifest["fit_report"])
    detector.held_out_scores_ = tensors["held_out.scores"]
    detector.learned_threshold_ = Threshold(**manifest["threshold"])
    detector.threshold_ = detector.learned_threshold_.value
    detector.offset_ = -detector.threshold_
    return detector


def _put_state(module: nn.Module, prefix: str, tensors: Arrays) -> None:
    """Put a module's tensors into `tensors`, under names that begin with `prefix`."""
    tensors |= {f"{prefix}{name}": tensor.numpy() for name, tensor in module.state_dict().items()}


def _state_of(prefix: str, tensors: Arrays) -> dict[str, Tensor]:
    """The module's tensors that `_put_state` has put under `prefix`."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): torch.from_numpy(tensors[name]) for name in names}
