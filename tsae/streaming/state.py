"""A stream's memory as arrays and JSON, and back."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError, ModelFileError
from tsae.store import read_manifest, read_model, write_model
from tsae.streaming.clock import Arrival, StreamCounts
from tsae.streaming.entity import Entity
from tsae.streaming.scorer import StreamScorer
from tsae.streaming.stacking import is_stack, stacked, unstacked

__all__ = ["model_of_state", "read_state", "restore_scorer", "scorer_state", "write_state"]

Arrays = dict[str, NDArray[Any]]
_KIND = "StreamState"
_PARTS: Mapping[str, Callable[[Entity], Any]] = {
    name: attrgetter(name) for name in ("levels", "recent", "drift")
}  # arrays of an entity


def write_state(path: str | os.PathLike[str], scorer: StreamScorer, facts: Mapping[str, Any]) -> None:
    """Write a scorer's memory and `facts` (JSON-able) into one file, atomically; the old one survives any failure."""
    arrays, of_scorer = scorer_state(scorer)
    write_model(path, arrays, {"kind": _KIND, "scorer": of_scorer, "facts": dict(facts)})


def read_state(path: str | os.PathLike[str], scorer: StreamScorer) -> dict[str, Any] | None:
    """Put a scorer where `write_state` found it and return the facts; `None` if there is no such file yet.

    Raises
    ------
    DataError
        If the file is damaged, no state, or of another model.
    """
    if not Path(path).exists():
        return None
    with _reading(path):
        arrays, manifest = read_model(path)
        restore_scorer(scorer, arrays, _of_state(manifest, path)["scorer"])
        return dict(manifest["facts"])


def model_of_state(path: str | os.PathLike[str]) -> str | None:
    """Checksum of the model that a state belongs to; `None` if there is no such file yet.

    Raises
    ------
    DataError
        If the file is damaged, or no state.
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
        raise DataError(f"state file {str(path)!r} cannot be used: {error}; delete it to begin afresh") from error
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(f"state file {str(path)!r} lacks a part ({error}); delete it to begin afresh") from error


def _of_state(manifest: dict[str, Any], path: str | os.PathLike[str]) -> dict[str, Any]:
    if manifest.get("kind") != _KIND:
        raise DataError(f"{str(path)!r} is no stream state but a model; name another file for the state")
    return manifest


def scorer_state(scorer: StreamScorer) -> tuple[Arrays, dict[str, Any]]:
    """Arrays, and what else there is as JSON knows it."""
    arrays: dict[int, Arrays] = {}
    entities = []
    for entity in scorer.entities.values():
        late = [[arrival.time, arrival.order, _stamp(arrival.row[1])] for arrival in entity.clock.waiting]
        own = arrays[entity.lane] = {}
        for name, part in _PARTS.items():
            own |= part(entity).state(f"{name}.")
        if late:
            own["reorder"] = np.stack([arrival.row[0] for arrival in entity.clock.waiting])
        entities.append(
            {
                "name": entity.name,
                "lane": entity.lane,
                "n_rows": entity.n_rows,
                "n_arrived": entity.n_arrived,
                "in_segment": entity.in_segment,
                "waiting": [None if row is None else [row[0], _stamp(row[1]), row[2]] for row in entity.waiting],
                "events": entity.events.state(),
                "clock": entity.clock.state(),
                "reorder": late,
            }
        )
    of_entities, stacks = stacked(arrays)
    facts = {"model": scorer.model.checksum, "lag": scorer.lag, "counts": asdict(scorer.counts), "entities": entities}
    return scorer.lanes.arrays.state() | of_entities, facts | {"stacks": stacks}


def restore_scorer(scorer: StreamScorer, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Put a fresh scorer where the one was that had this state.

    Raises
    ------
    DataError
        If the state is of another model or lag.
    """
    if (facts["model"], facts["lag"]) != (scorer.model.checksum, scorer.lag):
        raise DataError(
            "the state belongs to another model, or to another lag; score with that one, or delete the state to begin "
            "afresh"
        )
    of_entities = unstacked(arrays, facts["stacks"])
    scorer.lanes.arrays.restore({name: array for name, array in arrays.items() if not is_stack(name)})
    for name, value in StreamCounts(**facts["counts"]).__dict__.items():
        setattr(scorer.counts, name, value)
    scorer.entities.clear()
    for each in facts["entities"]:
        entity = scorer.new_entity(each["name"], each["lane"])
        entity.n_rows, entity.n_arrived, entity.in_segment = each["n_rows"], each["n_arrived"], each["in_segment"]
        entity.waiting = deque(
            None if row is None else (row[0], _from_stamp(row[1]), row[2]) for row in each["waiting"]
        )
        entity.events.restore(each["events"])
        entity.clock.restore(each["clock"])
        own = of_entities.get(entity.lane, {})
        for name, part in _PARTS.items():
            part(entity).restore(own, f"{name}.")
        for place, (time, order, stamp) in enumerate(each["reorder"]):
            values = np.array(own["reorder"][place])
            entity.clock.waiting.append(Arrival(time, order, (values, _from_stamp(stamp), time)))
        scorer.entities[entity.name] = entity


def _stamp(time: Any) -> Any:
    """A time as handed in → JSON; text stays text, anything else is marked as a time."""
    if time is None or isinstance(time, str):
        return time
    return [time.isoformat() if isinstance(time, datetime) else str(time)]


def _from_stamp(stamp: Any) -> Any:
    if not isinstance(stamp, list):
        return stamp
    import pandas as pd

    return pd.Timestamp(stamp[0])
