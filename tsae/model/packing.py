"""A fitted model to arrays and a manifest, and back; loads neither torch nor scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.drift import Reference
from tsae.alarms.lessons import Lessons
from tsae.alarms.thresholds import LaterScores, Threshold, ThresholdSet
from tsae.errors import ModelFileError
from tsae.networks.criterion import Criterion
from tsae.networks.network import Graph
from tsae.networks.stored_network import StoredNetwork
from tsae.nn.options import NetworkSpec
from tsae.scoring.blame import BlameModel
from tsae.scoring.classifier import labelled_arrays, labelled_of
from tsae.scoring.ensemble import Ensemble, Member, MemberScale
from tsae.scoring.formula import Formula
from tsae.scoring.smoothing import immediate_kernels, settled_kernels
from tsae.scoring.switches import SwitchHabits, SwitchModel
from tsae.scoring.tails import LogTail
from tsae.scoring.whole_series import CalibrationScores
from tsae.scoring.window_models import LinearBlocks, MaskedModel, ReconstructionModel, WindowModel, block_of
from tsae.series.channels import ChannelScaler

__all__ = ["Arrays", "pack_parts", "reading_parts", "unpack_parts"]

Arrays = dict[str, NDArray[Any]]
_BLAME = ("centre", "precision", "usual")
_PLAIN = ("period", "lag", "max_fill", "units", "data_hash", "running")
"""Fields of a `FittedModel` that a manifest keeps as they are."""


@contextmanager
def reading_parts(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise a `ModelFileError` that names the file if a part is missing or not as expected."""
    try:
        yield
    except (KeyError, TypeError, IndexError, AttributeError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"model file {str(path)!r} lacks a part ({error}); fit again") from error


def pack_parts(parts: Mapping[str, Any], tensors: Arrays) -> dict[str, Any]:
    """Put the arrays of a `FittedModel`, given as its fields by name, into `tensors`; return its part of a manifest."""
    tensors |= {f"calibration.{name}": scores for name, scores in parts["calibration"]._asdict().items()}
    tensors |= {f"inputs.{name}": array for name, array in vars(parts["inputs"]).items()}
    if parts["later"] is not None:
        tensors |= {f"later.{name}": array for name, array in vars(parts["later"]).items()}
    return {
        "channels": list(parts["channels"]),
        "fitted": {f"{name}_": parts[name] for name in _PLAIN},
        "thresholds": [asdict(threshold) for threshold in parts["thresholds"]],
        "members": _pack_ensemble(parts["ensemble"], tensors),
        "formula": asdict(parts["ensemble"].formula),
        "lessons": parts["lessons"].pack(),
    }


def unpack_parts(tensors: Arrays, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `FittedModel`, by name, that `pack_parts` took apart."""
    tensors, manifest = _upgraded(tensors, manifest)
    former = {"max_fill_": manifest["parameters"].get("max_fill"), "running_": None}  # of files that lack them
    fitted = former | manifest["fitted"]
    return {
        "ensemble": _unpack_ensemble(tensors, manifest),
        "thresholds": ThresholdSet(*(Threshold(**threshold) for threshold in manifest["thresholds"])),
        "calibration": CalibrationScores(*(tensors[f"calibration.{name}"] for name in CalibrationScores._fields)),
        "channels": manifest["channels"],
        "inputs": Reference(**{part.name: tensors[f"inputs.{part.name}"] for part in fields(Reference)}),
        "lessons": Lessons.unpack(manifest.get("lessons", [])),
        "later": _unpack_later(tensors),
        **{name: fitted[f"{name}_"] for name in _PLAIN},
    }


def _unpack_later(tensors: Arrays) -> LaterScores | None:
    """Return the scores of later training rows; `None` for files that were written without them."""
    names = {part.name: f"later.{part.name}" for part in fields(LaterScores)}
    if not tensors.keys() & names.values():
        return None
    return LaterScores(**{part: tensors[name] for part, name in names.items()})


def _pack_ensemble(model: Ensemble, tensors: Arrays) -> list[dict[str, Any]]:
    scaler = model.scaler
    tensors |= {"scaler.mean": scaler.mean, "scaler.scale": scaler.scale, "scaler.role": scaler.role}
    tensors["scaler.clip"] = np.array(scaler.clip)
    if model.switches is not None:
        parts = vars(model.switches) | vars(model.switches.habits)
        tensors |= {f"switches.{name}": array for name, array in parts.items() if name != "habits"}
    blame = {name: np.zeros(0) for name in _BLAME} if model.blame is None else vars(model.blame)
    tensors |= {f"blame.{name}": blame[name] for name in _BLAME}
    tensors |= labelled_arrays(model.classifier)
    return [_pack_member(member, f"members.{number}.", tensors) for number, member in enumerate(model.members)]


def _unpack_ensemble(tensors: Arrays, manifest: Mapping[str, Any]) -> Ensemble:
    mean, scale, role, clip = (tensors[f"scaler.{name}"] for name in ("mean", "scale", "role", "clip"))
    scaler = ChannelScaler(mean, scale, role, float(clip))
    members = [
        _unpack_member(member, f"members.{number}.", tensors) for number, member in enumerate(manifest["members"])
    ]
    switches = None
    if "switches.weights" in tensors:
        habits = SwitchHabits(*(tensors[f"switches.{field.name}"] for field in fields(SwitchHabits)))
        parts = {name: tensors[f"switches.{name}"] for name in ("weights", "bias", "worst")}
        switches = SwitchModel(**parts, habits=habits)
    blame = BlameModel(**{name: tensors[f"blame.{name}"] for name in _BLAME})
    known = blame if blame.precision.size else None
    return Ensemble(scaler, tuple(members), switches, known, labelled_of(tensors), _formula(manifest["formula"]))


def _formula(facts: Mapping[str, Any]) -> Formula:
    if facts["version"] > Formula().version:
        raise ModelFileError("the model scores by a later version of the formula; use a newer tsae")
    return Formula(**facts)


def _pack_member(member: Member, prefix: str, tensors: Arrays) -> dict[str, Any]:
    """Put a member's arrays into `tensors`; return what goes into the manifest."""
    model = member.model
    state = model.state()
    tensors |= {f"{prefix}network.{name}": array for name, array in state.items()}
    graphs = {} if model.network is None else model.network.graphs()
    tensors |= {f"{prefix}graph.{name}": np.frombuffer(graph.model, dtype=np.uint8) for name, graph in graphs.items()}
    criterion = model.criterion if isinstance(model, ReconstructionModel) else None
    if isinstance(model, ReconstructionModel) and model.lowest is not None:
        tensors[f"{prefix}lowest"] = model.lowest
    scales = {}
    for kind, scale in (("settled", member.settled), ("immediate", member.immediate)):
        tensors[f"{prefix}{kind}.levels"] = scale.levels
        tensors[f"{prefix}{kind}.kernels"] = scale.kernels
        tensors[f"{prefix}{kind}.knots"] = np.stack([tail.knots for tail in scale.tails])
        tails = [{"floor": tail.floor, "excess": tail.excess} for tail in scale.tails]
        scales[kind] = {"lookahead": scale.lookahead, "tails": tails}
    return {
        "window_size": member.window_size,
        "stride": member.stride,
        "n_last": member.n_last,
        "block": block_of(model),
        "criterion": None if criterion is None else asdict(criterion),
        "state": list(state),
        "graphs": {name: graph.arrays for name, graph in graphs.items()},
        "network": asdict(member.options),
        "scales": scales,
    }


def _unpack_member(facts: dict[str, Any], prefix: str, tensors: Arrays) -> Member:
    options = NetworkSpec(**facts["network"])
    settled, immediate = (
        _unpack_scale(facts["scales"][kind], f"{prefix}{kind}.", tensors) for kind in ("settled", "immediate")
    )
    shape = (facts["window_size"], len(settled.levels))
    state = {name: tensors[f"{prefix}network.{name}"] for name in facts["state"]}
    graphs = {
        name: Graph(tensors[f"{prefix}graph.{name}"].tobytes(), tuple(arrays))
        for name, arrays in facts["graphs"].items()
    }
    if facts["block"] is None:
        network = StoredNetwork(options, shape, state, graphs)
        model: WindowModel = ReconstructionModel(network, Criterion.of(facts), tensors.get(f"{prefix}lowest"))
    else:
        model = _unpack_masked(options, shape, state, graphs, block=facts["block"])
    return Member(model, options, facts["window_size"], facts["n_last"], facts["stride"], settled, immediate)


def _unpack_masked(
    options: NetworkSpec, shape: tuple[int, int], state: Arrays, graphs: dict[str, Graph], *, block: int
) -> MaskedModel:
    centre, operator, variance = (state.pop(f"linear.{name}") for name in ("centre", "operator", "variance"))
    linear = LinearBlocks(centre, operator, variance, block)
    inner = {name.removeprefix("network."): array for name, array in state.items()}
    shape = (shape[0], shape[1] + 1)
    return MaskedModel(linear, StoredNetwork(options, shape, inner, graphs, block) if inner else None)


def _unpack_scale(facts: dict[str, Any], prefix: str, tensors: Arrays) -> MemberScale:
    pairs = zip(tensors[f"{prefix}knots"], facts["tails"], strict=True)
    tails = tuple(LogTail(knots=knots, **tail) for knots, tail in pairs)
    return MemberScale(tensors[f"{prefix}levels"], tails, tensors[f"{prefix}kernels"], facts["lookahead"])


def _upgraded(tensors: Arrays, manifest: Mapping[str, Any]) -> tuple[Arrays, Mapping[str, Any]]:
    """Add to a file of the first format what it lacks: the kernels and constants that its scores depended on."""
    if manifest["format_version"] > 1:
        return tensors, manifest
    tensors, members = {**tensors, "scaler.clip": np.array(100.0)}, []
    for number, member in enumerate(manifest["members"]):
        scales = {}
        for kind, kernels_of in (("settled", settled_kernels), ("immediate", immediate_kernels)):
            kernels, lookahead = kernels_of(member["window_size"])
            tensors[f"members.{number}.{kind}.kernels"] = kernels
            scales[kind] = {"lookahead": lookahead, "tails": member["tails"][kind]}
        members.append({**member, "scales": scales})
    return tensors, {**manifest, "members": members, "formula": asdict(Formula(version=1))}
