"""Checks of plain Python values, as users and files hand them in, and evenly spaced picks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["evenly", "is_number", "is_whole", "plain"]


def plain(value: Any) -> Any:
    """NumPy's numbers and arrays, and sequences and mappings of them, as Python's own; everything else as it is."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def is_number(value: object) -> bool:
    """Whether it is a finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object, least: int) -> bool:
    """Whether a value is an `int`, not a truth value, of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def evenly(n_all: int, n_wanted: int) -> NDArray[np.intp]:
    """At most `n_wanted` of the numbers below `n_all`, rising, evenly spaced from the first to the last.

    >>> evenly(10, 3).tolist(), evenly(2, 3).tolist(), evenly(5, 0).tolist()
    ([0, 4, 9], [0, 1], [])
    """
    return np.linspace(0, n_all - 1, min(n_wanted, n_all)).round().astype(np.intp)
