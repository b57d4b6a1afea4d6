"""The score model to arrays and a manifest, and back; loads neither torch nor scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.alarms.distributions import Reference
from tsae.errors import ModelFileError
from tsae.networks.criterion import Judge
from tsae.networks.network import Graph
from tsae.networks.stored_network import StoredNetwork
from tsae.nn.options import NetworkSpec
from tsae.scoring.blame import BlameModel
from tsae.scoring.calibration import LogTail
from tsae.scoring.classifier import labelled_arrays, labelled_of
from tsae.scoring.engine import ScoreModel
from tsae.scoring.member import Member, MemberScale
from tsae.scoring.switch_habits import SwitchHabits
from tsae.scoring.switches import SwitchModel
from tsae.scoring.window_models import LinearBlocks, MaskedModel, ReconstructionModel, WindowModel, block_of
from tsae.series.channels import ChannelScaler

__all__ = ["pack_reference", "pack_score_model", "reading_parts", "unpack_reference", "unpack_score_model"]

Arrays = dict[str, NDArray[Any]]
_BLAME = ("centre", "precision", "usual")


@contextmanager
def reading_parts(path: str | os.PathLike[str]) -> Iterator[None]:
    """Tell a file that lacks a part, or holds another one than expected, by its name."""
    try:
        yield
    except (KeyError, TypeError, IndexError, AttributeError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"model file {str(path)!r} lacks a part ({error}); fit again") from error


def pack_score_model(model: ScoreModel, tensors: Arrays) -> list[dict[str, Any]]:
    """Put a model's arrays into `tensors`; return what the manifest says of its members."""
    scaler = model.scaler
    tensors |= {"scaler.mean": scaler.mean, "scaler.scale": scaler.scale, "scaler.role": scaler.role}
    if model.switches is not None:
        parts = vars(model.switches) | vars(model.switches.habits)
        tensors |= {f"switches.{name}": array for name, array in parts.items() if name != "habits"}
    blame = {name: np.zeros(0) for name in _BLAME} if model.blame is None else vars(model.blame)
    tensors |= {f"blame.{name}": blame[name] for name in _BLAME}
    tensors |= labelled_arrays(model.labelled)
    return [_pack_member(member, f"members.{number}.", tensors) for number, member in enumerate(model.members)]


def unpack_score_model(tensors: Arrays, manifest: dict[str, Any]) -> ScoreModel:
    """The model that `pack_score_model` has taken apart."""
    scaler = ChannelScaler(tensors["scaler.mean"], tensors["scaler.scale"], tensors["scaler.role"])
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
    return ScoreModel(scaler, tuple(members), switches, blame=known, labelled=labelled_of(tensors))


def pack_reference(reference: Reference) -> Arrays:
    """How the channels were distributed in training, as arrays."""
    return {f"inputs.{name}": array for name, array in vars(reference).items()}


def unpack_reference(tensors: Arrays) -> Reference:
    """What `pack_reference` has taken apart."""
    return Reference(**{field.name: tensors[f"inputs.{field.name}"] for field in fields(Reference)})


def _pack_member(member: Member, prefix: str, tensors: Arrays) -> dict[str, Any]:
    """Put a member's arrays into `tensors`; return what goes into the manifest."""
    model = member.model
    state = model.state()
    tensors |= {f"{prefix}network.{name}": array for name, array in state.items()}
    graphs = {} if model.network is None else model.network.graphs()
    tensors |= {f"{prefix}graph.{name}": np.frombuffer(graph.model, dtype=np.uint8) for name, graph in graphs.items()}
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
        "graphs": {name: graph.arrays for name, graph in graphs.items()},
        "network": asdict(member.options),
        "tails": tails,
    }


def _unpack_member(facts: dict[str, Any], prefix: str, tensors: Arrays) -> Member:
    options = NetworkSpec(**facts["network"])
    settled, immediate = (
        _unpack_scale(facts["tails"][kind], f"{prefix}{kind}.", tensors) for kind in ("settled", "immediate")
    )
    shape = (facts["window_size"], len(settled.levels))
    state = {name: tensors[f"{prefix}network.{name}"] for name in facts["state"]}
    graphs = {
        name: Graph(tensors[f"{prefix}graph.{name}"].tobytes(), tuple(arrays))
        for name, arrays in facts["graphs"].items()
    }
    if facts["block"] is None:
        network = StoredNetwork(options, shape, state, graphs)
        model: WindowModel = ReconstructionModel(network, Judge(**facts["judge"]), tensors.get(f"{prefix}lowest"))
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


def _unpack_scale(tails: list[dict[str, float]], prefix: str, tensors: Arrays) -> MemberScale:
    pairs = zip(tensors[f"{prefix}knots"], tails, strict=True)
    return MemberScale(tensors[f"{prefix}levels"], tuple(LogTail(knots=knots, **tail) for knots, tail in pairs))
