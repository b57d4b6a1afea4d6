"""Saving and restoring of a stream's memory, as arrays and JSON in one file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError, ModelFileError
from tsae.store import read_manifest, read_model, write_model
from tsae.streaming.clock import Arrival, StreamCounts
from tsae.streaming.row_scores import objects
from tsae.streaming.scorer import StreamScorer

__all__ = ["model_of_state", "read_state", "restore_scorer", "scorer_state", "write_state"]

Arrays = dict[str, NDArray[Any]]
_KIND = "StreamState"
_LAYOUT = 6  # version of the state's layout; others are refused
_SEGMENTS, _LASTING, _ENTITIES = "segments.", "lasting.", "entities."


def write_state(path: str | os.PathLike[str], scorer: StreamScorer, facts: Mapping[str, Any]) -> None:
    """Write a scorer's memory and `facts` (JSON-able) into one file, atomically; the old one survives any failure."""
    arrays, of_scorer = scorer_state(scorer)
    write_model(path, arrays, {"kind": _KIND, "scorer": of_scorer, "facts": dict(facts)})


def read_state(path: str | os.PathLike[str], scorer: StreamScorer) -> dict[str, Any] | None:
    """Restore a scorer from a file of `write_state` and return the facts; `None` if there is no such file yet.

    Raises
    ------
    DataError
        If the file is damaged, not a state, or of another model.
    """
    if not Path(path).exists():
        return None
    with _reading(path):
        arrays, manifest = read_model(path)
        restore_scorer(scorer, arrays, _of_state(manifest, path)["scorer"])
        return dict(manifest["facts"])


def model_of_state(path: str | os.PathLike[str]) -> str | None:
    """Return the checksum of the model of a state; `None` if there is no such file yet.

    Raises
    ------
    DataError
        If the file is damaged, or not a state.
    """
    if not Path(path).exists():
        return None
    with _reading(path):
        return str(_of_state(read_manifest(path), path)["scorer"]["model"])


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except ModelFileError as error:
        if isinstance(error.__cause__, OSError):
            raise DataError(f"cannot read state file {str(path)!r}: {error.__cause__.strerror}; check it") from error
        why = "it is damaged, or not a state of this version"
        way_out = "restore it from a copy, or delete it to begin afresh"
        raise DataError(f"state file {str(path)!r} cannot be used: {why}; {way_out}") from error
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(f"state file {str(path)!r} lacks a part ({error}); delete it to begin afresh") from error


def _of_state(manifest: dict[str, Any], path: str | os.PathLike[str]) -> dict[str, Any]:
    if manifest.get("kind") != _KIND:
        raise DataError(f"{str(path)!r} is a model and not a stream state; choose another state file")
    return manifest


def scorer_state(scorer: StreamScorer) -> tuple[Arrays, dict[str, Any]]:
    """Return the memory of a scorer as arrays and JSON-able facts."""
    fleet = scorer.fleet
    own: dict[int, Arrays] = {}
    entities = []
    for entity in fleet.entities:
        late, lane = entity.clock.waiting, entity.lane
        own[lane] = entity.recent.state("recent.")
        for name, level in fleet.decider.following.items():
            own[lane] |= {f"{name}.{key}": array for key, array in level.state(lane).items()}
        if late:
            own[lane]["reorder"] = np.stack([arrival.row[0] for arrival in late])
        entities.append(
            {
                "name": entity.name,
                "stamps": [_stamp(stamp) for stamp in fleet.rows.waiting(lane)[2]],
                "events": fleet.decider.events[lane].state(),
                "clock": entity.clock.state(),
                "reorder": [[arrival.time, _stamp(arrival.row[1])] for arrival in late],
            }
        )
    of_entities, stacks = _stacked(own)
    arrays = {f"{_SEGMENTS}{name}": array for name, array in fleet.lanes.rings.state().items()}
    arrays |= {f"{_LASTING}{name}": array for name, array in fleet.lasting.state().items()}
    facts = {"model": scorer.model.checksum, "lag": scorer.lag, "counts": asdict(scorer.counts), "entities": entities}
    return arrays | of_entities, facts | {"layout": _LAYOUT, "stacks": stacks}


def restore_scorer(scorer: StreamScorer, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Restore a fresh scorer from arrays and facts of `scorer_state`.

    Raises
    ------
    DataError
        If the state is of another version, model or lag.
    """
    if facts.get("layout") != _LAYOUT:
        raise DataError("the state was written by another version of tsae; delete it to begin afresh")
    if (facts["model"], facts["lag"]) != (scorer.model.checksum, scorer.lag):
        raise DataError(
            "the state belongs to another model, or to another lag; use that one, or delete the state to begin afresh"
        )
    fleet, of_entities = scorer.fleet, _unstacked(arrays, facts["stacks"])
    for prefix, part in ((_SEGMENTS, fleet.lanes.rings), (_LASTING, fleet.lasting)):
        part.restore({name.removeprefix(prefix): each for name, each in arrays.items() if name.startswith(prefix)})
    for name, value in StreamCounts(**facts["counts"]).__dict__.items():
        setattr(scorer.counts, name, value)
    for lane, each in enumerate(facts["entities"]):
        entity = fleet.adopt(each["name"], lane)
        fleet.rows.waiting(lane)[2][:] = objects([_from_stamp(stamp) for stamp in each["stamps"]])
        fleet.decider.events[lane].restore(each["events"])
        entity.clock.restore(each["clock"])
        own = of_entities.get(lane, {})
        entity.recent.restore(own, "recent.")
        for name, level in fleet.decider.following.items():
            level.restore(lane, {key.removeprefix(f"{name}."): own[key] for key in own if key.startswith(f"{name}.")})
        for place, (time, stamp) in enumerate(each["reorder"]):
            entity.clock.waiting.append(Arrival(time, (np.array(own["reorder"][place]), _from_stamp(stamp))))


def _stacked(arrays: Mapping[int, Mapping[str, NDArray[Any]]]) -> tuple[Arrays, list[dict[str, Any]]]:
    """Stack arrays, given by lane and name, that agree in name, shape and dtype.

    A file with a name for each array of each entity would be slow to write and to read.

    Returns
    -------
    tuple
        The stacked arrays, and the name and lanes of each, JSON-able; `_unstacked` takes both.
    """
    groups: dict[Any, dict[int, NDArray[Any]]] = {}
    for lane, of_lane in arrays.items():
        for name, array in of_lane.items():
            groups.setdefault((name, array.shape, array.dtype.str), {})[lane] = array
    facts = [{"name": name, "lanes": list(group)} for (name, *_), group in groups.items()]
    return {f"{_ENTITIES}{place}": np.stack(list(group.values())) for place, group in enumerate(groups.values())}, facts


def _unstacked(arrays: Mapping[str, NDArray[Any]], facts: list[dict[str, Any]]) -> dict[int, Arrays]:
    """Undo `_stacked`: return arrays by lane and name.

    >>> arrays, facts = _stacked({0: {"a": np.zeros(2)}, 3: {"a": np.ones(2)}, 4: {"a": np.ones(3)}})
    >>> sorted(arrays), _unstacked(arrays, facts)[3]
    (['entities.0', 'entities.1'], {'a': array([1., 1.])})
    """
    out: dict[int, Arrays] = {}
    for place, fact in enumerate(facts):
        for lane, array in zip(fact["lanes"], arrays[f"{_ENTITIES}{place}"], strict=True):
            out.setdefault(lane, {})[fact["name"]] = array
    return out


def _stamp(time: Any) -> Any:
    """Convert a passed time to JSON; text stays text, anything else is marked as a time."""
    if time is None or isinstance(time, str):
        return time
    return [time.isoformat() if isinstance(time, datetime) else str(time)]


def _from_stamp(stamp: Any) -> Any:
    if not isinstance(stamp, list):
        return stamp
    import pandas as pd

    return pd.Timestamp(stamp[0])
