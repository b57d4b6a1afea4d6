"""Arrays of fixed size a lane, which grow with the number of lanes only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.errors import DataError

__all__ = ["LaneArrays"]

_FIRST = 4


class LaneArrays:
    """Named arrays `(capacity, *shape)`; a lane is one place on the first axis."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}
        self._empty: dict[str, Any] = {}
        self.n_lanes = 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def add(self, name: str, shape: tuple[int, ...], dtype: Any = np.float64, *, empty: Any = 0) -> None:
        """Declare an array; `empty` is what a lane without rows holds."""
        self._empty[name] = empty
        self._arrays[name] = np.full((_FIRST, *shape), empty, dtype=dtype)

    def open(self) -> int:
        """The number of a further lane."""
        if self.n_lanes == len(next(iter(self._arrays.values()))):
            for name, array in self._arrays.items():
                self._arrays[name] = np.concatenate([array, np.full_like(array, self._empty[name])])
        self.n_lanes += 1
        return self.n_lanes - 1

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

    def push(self, name: str, part: Any, new: Any) -> NDArray[Any]:
        """The same for arrays `(lanes, ..., length)`."""
        array = self._arrays[name]
        rows: NDArray[Any] = array[part]
        rows[..., :-1] = rows[..., 1:]
        rows[..., -1] = new
        if not isinstance(part, slice):
            array[part] = rows
        return rows

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that is in use, `(n_lanes, *shape)` each."""
        return {name: array[: self.n_lanes].copy() for name, array in self._arrays.items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take up a state; refuses one of another model."""
        expected = {name: (array.shape[1:], array.dtype) for name, array in self._arrays.items()}
        if {name: (array.shape[1:], array.dtype) for name, array in state.items()} != expected:
            raise DataError("the state does not fit the model; start without it, or with the model it belongs to")
        self.n_lanes = len(state["n_rows"])
        for name, array in state.items():
            shape = (max(_FIRST, self.n_lanes) - self.n_lanes, *array.shape[1:])
            spare = np.full(shape, self._empty[name], array.dtype)
            self._arrays[name] = np.concatenate([array, spare])
