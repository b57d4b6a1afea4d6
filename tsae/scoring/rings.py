"""Arrays of fixed size per lane, which grow with the number of lanes only: the memory of many series side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from tsae.errors import DataError

__all__ = ["BoundArrays", "Place", "Rings", "blocks_of_one"]

_FIRST = 4


Fields = TypeVar("Fields", bound=tuple[Any, ...])


class Place(NamedTuple):
    """Where the k newest rows stand in all rings: one row of each of k lanes, or k rows of one lane.

    An `offset` counts from the oldest row that a ring holds: its newest row has offset `length - 1`.
    """

    lanes: Any
    """Lanes as an index of the first axis: a slice if they are neighbours, numbers `(k,)` otherwise; or the number of
    the one lane."""
    first: int
    """Origin of the rings at the first of the rows."""
    n_rows: int | None = None
    """Rows of the one lane; `None` for one row of each of some lanes."""

    @property
    def index(self) -> Any:
        """Index of the lanes on the first axis of any array."""
        return self.lanes if self.n_rows is None else slice(self.lanes, self.lanes + 1)

    def by_lane(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values of the rows `(k, ...)` as `(n_lanes, n_rows, ...)`."""
        return values[:, None] if self.n_rows is None else values[None]

    def at(self, offset: int) -> Any:
        """Index of the rows at this offset: `ring[place.at(offset)]` is `(k, *shape)`."""
        start = self.first + offset
        return (self.lanes, start) if self.n_rows is None else (self.lanes, slice(start, start + self.n_rows))

    def runs(self, ring: NDArray[Any], offset: int, length: int) -> NDArray[Any]:
        """Runs of `length` rows that end at this offset, `(k, length, *shape)`; a view where that is possible."""
        start = self.first + offset - length + 1
        if self.n_rows is None:
            run: NDArray[Any] = ring[self.lanes, start : start + length]
            return run
        rows = ring[self.lanes, start : start + length + self.n_rows - 1]
        return as_strided(rows, (self.n_rows, length, *rows.shape[1:]), (rows.strides[0], *rows.strides))


class Rings:
    """Named arrays `(capacity, *shape)`; a lane is one place on the first axis.

    Some are *rings*: they hold the values of the latest rows, oldest first, along one axis. All rings of a lane move on
    together: after `advance` the caller writes their newest values.

    Parameters
    ----------
    spare
        Rows that a ring takes before its contents are moved back to its beginning; the most that `advance` takes.
    """

    def __init__(self, spare: int = 64) -> None:
        self.spare = spare
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
        """Declare an array, before the first lane is opened; `empty` is its value for a lane without rows."""
        self._empty[name] = empty
        self._arrays[name] = np.zeros((_FIRST, *shape), dtype=dtype)

    def add_ring(
        self,
        name: str,
        length: int,
        shape: tuple[int, ...] = (),
        dtype: Any = np.float64,
        *,
        last: bool = False,
        empty: Any = 0,
    ) -> None:
        """Declare a ring `(length, *shape)`, or `(*shape, length)` if rows are the last axis."""
        self._rings[name] = (length, -1 if last else 1)
        rows = (length + self.spare,)
        self.add(name, (*shape, *rows) if last else (*rows, *shape), dtype, empty=empty)

    def advance_one(self, lane: int) -> int:
        """Move the rings of one lane on by a row; return their origin."""
        origin = int(self._arrays["origin"][lane]) + 1
        if origin > self.spare:
            self._rewind(np.array([lane]), np.array([self.spare]))
            origin = 1
        self._arrays["origin"][lane] = origin
        return origin

    def advance(self, lanes: NDArray[np.intp], n_rows: int = 1) -> Place:
        """Move the rings of rising lanes on by a row each, or those of one lane by `n_rows`; return the rows' place."""
        origins = self._arrays["origin"][lanes]
        first = int(origins[0])
        if first + n_rows > self.spare or (origins != first).any():
            self._rewind(lanes, origins)
            first = 0
        self._arrays["origin"][lanes] = first + n_rows
        return Place(as_slice(lanes), first + 1) if n_rows == 1 else Place(int(lanes[0]), first + 1, n_rows)

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
        """Open a further lane and return its number."""
        lane = self.n_lanes
        if lane == len(self._arrays["origin"]):
            for name, array in self._arrays.items():  # what is not written yet takes no memory
                self._arrays[name] = np.zeros((2 * lane, *array.shape[1:]), array.dtype)
                self._arrays[name][:lane] = array
            self.version += 1
        self.n_lanes += 1
        self.reset(lane)
        return lane

    def reset(self, lane: int) -> None:
        """Empty a lane."""
        for name, empty in self._empty.items():
            self._part(name, lane)[...] = empty  # later rows of a ring are written before they are read

    def state(self) -> dict[str, NDArray[Any]]:
        """All numbers that are in use, `(n_lanes, *shape)` each, rings without spare rows; objects are left out."""
        out, lanes = {}, np.arange(self.n_lanes)[:, None]
        origins = self._arrays["origin"][lanes]
        for name, array in self._arrays.items():
            if array.dtype != object and name in self._rings:
                length, axis = self._rings[name]
                rows = np.moveaxis(array, axis, 1)[lanes, origins + np.arange(length)]
                out[name] = np.moveaxis(rows, 1, axis)
            elif array.dtype != object:
                out[name] = array[: self.n_lanes].copy()
        out["origin"][:] = 0
        return out

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from a state, before the first lane is opened; refuses one of another model."""
        shapes = ({name: (each.shape[1:], each.dtype) for name, each in part.items()} for part in (state, self.state()))
        if next(shapes) != next(shapes):
            raise DataError("the state does not fit the model; start without it, or with the model it belongs to")
        self.n_lanes = len(state["origin"])
        self.version += 1
        for name, array in self._arrays.items():
            self._arrays[name] = np.zeros((max(_FIRST, self.n_lanes), *array.shape[1:]), array.dtype)
            for lane in range(self.n_lanes):
                self._part(name, lane)[...] = state[name][lane] if name in state else self._empty[name]

    def _part(self, name: str, lane: int) -> NDArray[Any]:
        """What a lane holds of an array: of a ring at origin 0 its first `length` rows."""
        part: NDArray[Any] = self._arrays[name][lane : lane + 1]
        if name in self._rings:
            length, axis = self._rings[name]
            part = part[..., :length] if axis == -1 else part[:, :length]
        return part


def as_slice(lanes: NDArray[np.intp]) -> Any:
    """Neighbours among rising lanes as a slice, which numpy reads and writes without a copy."""
    first, last = int(lanes[0]), int(lanes[-1])
    return slice(first, last + 1) if last - first == len(lanes) - 1 else lanes


def blocks_of_one(rings: Rings, n_rows: int) -> Iterator[tuple[Place, slice]]:
    """Yield the place of all rows of a segment, block by block, in a further lane, and which rows these are."""
    lanes = np.array([rings.open()])
    for first in range(0, n_rows, rings.spare):
        rows = slice(first, min(n_rows, first + rings.spare))
        yield rings.advance(lanes, rows.stop - first), rows


class BoundArrays(Generic[Fields]):
    """Arrays of `Rings` as the fields of a named tuple, looked up again only after they were replaced.

    Parameters
    ----------
    fields
        The named tuple.
    name
        Prefix of their names; the rest is the field's.
    """

    def __init__(self, arrays: Rings, fields: type[Fields], name: str) -> None:
        self._arrays, self._fields, self._version = arrays, fields, -1
        self.names = [f"{name}{field}" for field in fields._fields]  # type: ignore[attr-defined]

    def __call__(self) -> Fields:
        if self._version != self._arrays.version:
            self._bound = self._fields(*(self._arrays[name] for name in self.names))
            self._version = self._arrays.version
        return self._bound
