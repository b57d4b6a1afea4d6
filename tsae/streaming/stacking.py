"""Arrays of many entities as few ones: a file with a name for each of them would be slow to write and to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["stacked", "unstacked"]

Arrays = dict[str, NDArray[Any]]
_PREFIX = "entities."


def stacked(arrays: Mapping[int, Mapping[str, NDArray[Any]]]) -> tuple[Arrays, list[dict[str, Any]]]:
    """Put those of one name, shape and kind of number together.

    Parameters
    ----------
    arrays
        By lane and name.

    Returns
    -------
    tuple
        The arrays, and for each what it is called and which lanes stand in it, JSON-able; `unstacked` takes both.
    """
    groups: dict[Any, dict[int, NDArray[Any]]] = {}
    for lane, of_lane in arrays.items():
        for name, array in of_lane.items():
            groups.setdefault((name, array.shape, array.dtype.str), {})[lane] = array
    facts = [{"name": name, "lanes": list(group)} for (name, *_), group in groups.items()]
    return {f"{_PREFIX}{place}": np.stack(list(group.values())) for place, group in enumerate(groups.values())}, facts


def unstacked(arrays: Mapping[str, NDArray[Any]], facts: list[dict[str, Any]]) -> dict[int, Arrays]:
    """What `stacked` has put together, by lane and name.

    >>> arrays, facts = stacked({0: {"a": np.zeros(2)}, 3: {"a": np.ones(2)}, 4: {"a": np.ones(3)}})
    >>> sorted(arrays), unstacked(arrays, facts)[3]
    (['entities.0', 'entities.1'], {'a': array([1., 1.])})
    """
    out: dict[int, Arrays] = {}
    for place, fact in enumerate(facts):
        for lane, array in zip(fact["lanes"], arrays[f"{_PREFIX}{place}"], strict=True):
            out.setdefault(lane, {})[fact["name"]] = array
    return out
