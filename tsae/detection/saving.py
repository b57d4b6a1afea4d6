"""Detectors to model files and back."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from tsae.detection.detector import AnomalyDetector
from tsae.detection.image_detector import ImageAnomalyDetector
from tsae.detection.image_saving import unpack_image_detector
<<<<<<< HEAD
from tsae.detection.packing import Arrays, fit_report, package_versions, plain_parameters
from tsae.detection.score_packing import pack_score_model, reading_parts, unpack_score_model
=======
from tsae.detection.judge import Judge
from tsae.detection.member import Member, MemberScale
from tsae.detection.models import LinearBlocks, MaskedModel, ReconstructionModel, WindowModel, block_of
from tsae.detection.packing import Arrays, fit_report, pack_codes, package_versions, plain_parameters, unpack_codes
>>>>>>> main
from tsae.detection.scoring import CalibrationScores
from tsae.detection.thresholds import Threshold
from tsae.store import read_model, write_model

__all__ = ["load", "save_detector"]

_FITTED = ("period_", "lag_", "units_", "data_hash_", "n_features_in_")


def save_detector(detector: AnomalyDetector, path: str | os.PathLike[str]) -> None:
    """Write a fitted detector into one file, atomically."""
    tensors: Arrays = {}
    manifest = {
        "kind": "AnomalyDetector",
        "parameters": plain_parameters(detector.get_params()),
        "channels": detector.channels_,
        "named_channels": hasattr(detector, "feature_names_in_"),
        "fitted": {name: getattr(detector, name) for name in _FITTED},
        "thresholds": [asdict(detector.learned_threshold_), asdict(detector.learned_immediate_threshold_)],
        "fit_reports": [asdict(report) for report in detector.fit_reports_],
<<<<<<< HEAD
        "members": pack_score_model(detector.model_, tensors),
=======
        "members": [
            _pack_member(member, f"members.{number}.", tensors) for number, member in enumerate(detector.model_.members)
        ],
        "codes": pack_codes(detector.codes_, tensors),
>>>>>>> main
        "packages": package_versions(),
    }
    tensors |= {f"calibration.{name}": scores for name, scores in detector.calibration_._asdict().items()}
    write_model(path, tensors, manifest)


def load(path: str | os.PathLike[str]) -> AnomalyDetector | ImageAnomalyDetector:
    """Read the fitted detector that a model file holds; nothing in the file is executed.

    Raises
    ------
    ModelFileError
        If the file is not a tsae model, is damaged, or of a newer format.
    """
    tensors, manifest = read_model(path)
    with reading_parts(path):
        return _KINDS[manifest["kind"]](tensors, manifest)


def _unpack(tensors: Arrays, manifest: dict[str, Any]) -> AnomalyDetector:
    detector = AnomalyDetector(**manifest["parameters"])
    for name in _FITTED:
        setattr(detector, name, manifest["fitted"][name])
    if manifest["named_channels"]:
        detector.feature_names_in_ = np.array(manifest["channels"], dtype=object)
<<<<<<< HEAD
    detector.model_ = unpack_score_model(tensors, manifest)
=======
    scaler = ChannelScaler(tensors["scaler.mean"], tensors["scaler.scale"], tensors["scaler.role"])
    members = [
        _unpack_member(member, f"members.{number}.", tensors) for number, member in enumerate(manifest["members"])
    ]
    switches = None
    if "switches.weights" in tensors:
        switches = SwitchModel(**{name: tensors[f"switches.{name}"] for name in ("weights", "bias", "worst")})
    detector.model_ = ScoreModel(scaler, tuple(members), switches)
    detector.codes_ = unpack_codes(manifest["codes"], tensors)
>>>>>>> main
    detector.fit_reports_ = [fit_report(report) for report in manifest["fit_reports"]]
    detector.calibration_ = CalibrationScores(*(tensors[f"calibration.{name}"] for name in CalibrationScores._fields))
    settled, immediate = (Threshold(**threshold) for threshold in manifest["thresholds"])
    detector.learned_threshold_, detector.learned_immediate_threshold_ = settled, immediate
    detector.threshold_ = settled.value
    detector.offset_ = -settled.value
    return detector


<<<<<<< HEAD
=======
def _pack_member(member: Member, prefix: str, tensors: Arrays) -> dict[str, Any]:
    """Put a member's arrays into `tensors`; return what goes into the manifest."""
    model = member.model
    state = model.state()
    tensors |= {f"{prefix}network.{name}": array for name, array in state.items()}
    graph = None if model.network is None else model.network.graph()
    if graph is not None:
        tensors[f"{prefix}graph"] = np.frombuffer(graph, dtype=np.uint8)
    judge = model.judge if isinstance(model, ReconstructionModel) else None
    if isinstance(model, ReconstructionModel) and model.lowest is not None:
        tensors[f"{prefix}lowest"] = model.lowest
    tails = {}
    for kind, scale in (("settled", member.settled), ("immediate", member.immediate)):
        tensors[f"{prefix}{kind}.levels"] = scale.levels
        tensors[f"{prefix}{kind}.knots"] = np.stack([tail.knots for tail in scale.tails])
        tails[kind] = [{"floor": tail.floor, "excess": tail.excess} for tail in scale.tails]
    return {
        "window_size": member.window_size,
        "stride": member.stride,
        "n_last": member.n_last,
        "block": block_of(model),
        "judge": None if judge is None else asdict(judge),
        "state": list(state),
        "graph": graph is not None,
        "network": asdict(member.options),
        "tails": tails,
    }


def _unpack_member(facts: dict[str, Any], prefix: str, tensors: Arrays) -> Member:
    options = NetworkOptions(**facts["network"])
    settled, immediate = (
        _unpack_scale(facts["tails"][kind], f"{prefix}{kind}.", tensors) for kind in ("settled", "immediate")
    )
    shape = (facts["window_size"], len(settled.levels))
    state = {name: tensors[f"{prefix}network.{name}"] for name in facts["state"]}
    graph = tensors[f"{prefix}graph"].tobytes() if facts["graph"] else None
    if facts["block"] is None:
        network = StoredNetwork(options, shape, state, graph)
        model: WindowModel = ReconstructionModel(network, Judge(**facts["judge"]), tensors.get(f"{prefix}lowest"))
    else:
        model = _unpack_masked(options, shape, state, graph, block=facts["block"])
    return Member(model, options, facts["window_size"], facts["n_last"], facts["stride"], settled, immediate)


def _unpack_masked(
    options: NetworkOptions, shape: tuple[int, int], state: Arrays, graph: bytes | None, *, block: int
) -> MaskedModel:
    centre, operator, variance = (state.pop(f"linear.{name}") for name in ("centre", "operator", "variance"))
    linear = LinearBlocks(centre, operator, variance, block)
    inner = {name.removeprefix("network."): array for name, array in state.items()}
    shape = (shape[0], shape[1] + 1)
    return MaskedModel(linear, StoredNetwork(options, shape, inner, graph) if inner else None)


def _unpack_scale(tails: list[dict[str, float]], prefix: str, tensors: Arrays) -> MemberScale:
    pairs = zip(tensors[f"{prefix}knots"], tails, strict=True)
    return MemberScale(tensors[f"{prefix}levels"], tuple(LogTail(knots=knots, **tail) for knots, tail in pairs))


>>>>>>> main
_KINDS: dict[str, Callable[[Arrays, dict[str, Any]], AnomalyDetector | ImageAnomalyDetector]] = {
    "AnomalyDetector": _unpack,
    "ImageAnomalyDetector": unpack_image_detector,
}
