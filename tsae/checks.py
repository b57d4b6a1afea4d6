"""Checks of plain Python values, as users and files hand them in, and evenly spaced picks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsae.errors import ParameterError

__all__ = [
    "check_choice",
    "check_not_negative",
    "check_positive",
    "check_whole",
    "evenly",
    "is_number",
    "is_whole",
    "plain",
    "short_repr",
]
_AUTO = '"auto" or '


def plain(value: Any) -> Any:
    """NumPy's numbers and arrays, and sequences and mappings of them, as Python's own; everything else as it is."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def short_repr(options: Any) -> str:
    """Write a dataclass as Python does, without the fields that hold their defaults."""
    held = {field.name: (getattr(options, field.name), field.default) for field in fields(options)}
    changed = ", ".join(f"{name}={value!r}" for name, (value, default) in held.items() if value != default)
    return f"{type(options).__name__}({changed})"


def is_number(value: object) -> bool:
    """Whether it is a finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: object, least: int) -> bool:
    """Whether it is a whole number of at least `least`, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def check_choice(name: str, value: object, choices: Iterable[object]) -> None:
    """Refuse a value that is none of these."""
    if value not in (known := list(choices)):
        raise ParameterError(f"`{name}` (={value!r}) is unknown; choose one of {', '.join(map(str, known))}")


def check_whole(name: str, value: object, least: int, *, or_auto: bool = False) -> None:
    """Refuse what is not a whole number of at least `least`, or, if that is allowed, "auto"."""
    if not is_whole(value, least) and not (or_auto and value == "auto"):
        rule = f"must be {_AUTO if or_auto else ''}a whole number of at least {least}"
        raise ParameterError(f"`{name}` (={value!r}) {rule}")


def check_not_negative(name: str, value: Any) -> None:
    """Refuse what is not a finite number of at least 0."""
    if not is_number(value) or value < 0:
        raise ParameterError(f"`{name}` (={value!r}) must be a number of at least 0")


def check_positive(name: str, value: Any, *, example: float) -> None:
    """Refuse what is not a finite number above 0."""
    if not is_number(value) or not value > 0:
        raise ParameterError(f"`{name}` (={value!r}) must be a positive number, such as {example}")


def evenly(n_all: int, n_wanted: int) -> NDArray[np.intp]:
    """At most `n_wanted` of the numbers below `n_all`, rising, evenly spaced from the first to the last.

    >>> evenly(10, 3).tolist(), evenly(2, 3).tolist(), evenly(5, 0).tolist()
    ([0, 4, 9], [0, 1], [])
    """
    return np.linspace(0, n_all - 1, min(n_wanted, n_all)).round().astype(np.intp)
