"""Arrays of fixed size a lane, which grow with the number of lanes only: the memory of many series side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError

__all__ = ["BoundArrays", "LaneArrays", "as_slice"]

_FIRST = 4


Fields = TypeVar("Fields", bound=tuple[Any, ...])


class LaneArrays:
    """Named arrays `(capacity, *shape)`; a lane is one place on the first axis.

    Some are *rings*: they hold the values of the last rows, oldest first, along one axis. All rings of a lane move on
    together: after `advance` their newest value stands at `origin + length - 1`, to be written by the caller.
    """

    spare = 64
    """Rows that a ring takes before what it holds is moved back to its beginning."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}
        self._empty: dict[str, Any] = {}
        self._rings: dict[str, tuple[int, int]] = {}  # name → length and axis
        self.n_lanes = self.version = 0
        """`version` counts how often the arrays were replaced by others."""
        self.add("origin", (), np.int64)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def add(self, name: str, shape: tuple[int, ...], dtype: Any = np.float64, *, empty: Any = 0) -> None:
        """Declare an array, before the first lane is there; `empty` is what a lane without rows holds."""
        self._empty[name] = empty
        self._arrays[name] = np.empty((_FIRST, *shape), dtype=dtype)

    def add_ring(
        self, name: str, length: int, shape: tuple[int, ...] = (), dtype: Any = np.float64, *, last: bool = False
    ) -> None:
        """Declare a ring `(length, *shape)`, or `(*shape, length)` if rows are the last axis; empty ones hold zeros."""
        self._rings[name] = (length, -1 if last else 1)
        rows = (length + self.spare,)
        self.add(name, (*shape, *rows) if last else (*rows, *shape), dtype)

    def advance_one(self, lane: int) -> int:
        """Move the rings of one lane on by a row; return their origin."""
        origin = int(self._arrays["origin"][lane]) + 1
        if origin > self.spare:
            self._rewind(np.array([lane]), np.array([self.spare]))
            origin = 1
        self._arrays["origin"][lane] = origin
        return origin

    def advance(self, lanes: NDArray[np.intp]) -> int:
        """Move the rings of lanes on by a row; return the origin, which is the same for all of them then.

        Lanes rise.
        """
        origins = self._arrays["origin"][lanes]
        first = int(origins[0])
        if first == self.spare or (origins != first).any():
            self._rewind(lanes, origins)
            first = 0
        self._arrays["origin"][lanes] = first + 1
        return first + 1

    def _rewind(self, lanes: NDArray[np.intp], origins: NDArray[np.int64]) -> None:
        part, first = as_slice(lanes), int(origins[0])
        is_even = bool((origins == first).all())
        for name, (length, axis) in self._rings.items():
            rows = np.moveaxis(self._arrays[name], axis, 1)
            if is_even:
                rows[part, :length] = rows[part, first : first + length]
            else:
                rows[lanes, :length] = rows[lanes[:, None], origins[:, None] + np.arange(length)]

    def open(self) -> int:
        """The number of a further lane."""
        lane = self.n_lanes
        if lane == len(self._arrays["origin"]):
            for name, array in self._arrays.items():  # what is not written yet takes no memory
                self._arrays[name] = np.empty((2 * lane, *array.shape[1:]), array.dtype)
                self._arrays[name][:lane] = array
            self.version += 1
        self.n_lanes += 1
        self.reset(slice(lane, lane + 1))
        return lane

    def reset(self, part: slice) -> None:
        """Empty these lanes."""
        for name, array in self._arrays.items():
            array[part] = self._empty[name]

    def shift_in(self, name: str, part: Any, new: Any) -> NDArray[Any]:
        """Drop the oldest entry of arrays `(lanes, length, ...)`, append `new` `(m, ...)`; return the m arrays."""
        array = self._arrays[name]
        rows: NDArray[Any] = array[part]
        rows[:, :-1] = rows[:, 1:]
        rows[:, -1] = new
        if not isinstance(part, slice):
            array[part] = rows
        return rows

    def state(self) -> dict[str, NDArray[Any]]:
        """All numbers that are in use, `(n_lanes, *shape)` each; what is no number is left out."""
        return {name: array[: self.n_lanes].copy() for name, array in self._arrays.items() if array.dtype != object}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state; refuses one of another model."""
        expected = {name: (each.shape[1:], each.dtype) for name, each in self._arrays.items() if each.dtype != object}
        if {name: (array.shape[1:], array.dtype) for name, array in state.items()} != expected:
            raise DataError("the state does not fit the model; start without it, or with the model it belongs to")
        self.n_lanes = len(state["origin"])
        self.version += 1
        for name, array in self._arrays.items():
            self._arrays[name] = np.empty((max(_FIRST, self.n_lanes), *array.shape[1:]), array.dtype)
            self._arrays[name][: self.n_lanes] = state.get(name, self._empty[name])


def as_slice(lanes: NDArray[np.intp]) -> Any:
    """Neighbours among rising lanes as a slice, which numpy reads and writes without a copy."""
    first, last = int(lanes[0]), int(lanes[-1])
    return slice(first, last + 1) if last - first == len(lanes) - 1 else lanes


class BoundArrays(Generic[Fields]):
    """Arrays of `LaneArrays` as the fields of a named tuple, looked up anew only when they were replaced.

    Parameters
    ----------
    fields
        The named tuple.
    name
        What their names begin with; the rest is the field's.
    """

    def __init__(self, arrays: LaneArrays, fields: type[Fields], name: str) -> None:
        self._arrays, self._fields, self._version = arrays, fields, -1
        self.names = [f"{name}{field}" for field in fields._fields]  # type: ignore[attr-defined]

    def __call__(self) -> Fields:
        if self._version != self._arrays.version:
            self._bound = self._fields(*(self._arrays[name] for name in self.names))
            self._version = self._arrays.version
        return self._bound
