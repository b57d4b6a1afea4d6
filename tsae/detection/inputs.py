"""The border: whatever a user passes becomes entities of float rows on a grid, or a clear error."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.errors import DataError
from tsae.series.clock import grid_steps
from tsae.series.grid import GridSeries, on_grid

__all__ = ["Entity", "lay_out", "match_columns", "split_entities", "timestamps_of"]


@dataclass(frozen=True)
class Entity:
    """One machine's rows as the user passed them."""

    values: NDArray[np.floating]
    """`(n_timesteps, n_channels)`, NaN where missing."""
    index: pd.Index
    """The index of the input, `(n_timesteps,)`."""


def split_entities(X: Any) -> list[Any]:
    """A list of series (DataFrames or two-dimensional arrays) stays one; anything else is one series."""
    if isinstance(X, Sequence) and len(X) and all(np.ndim(x) == 2 and hasattr(x, "shape") for x in X):
        return list(X)
    return [X.to_frame() if isinstance(X, pd.Series) else X]


def match_columns(X: Any, names: NDArray[np.object_] | None) -> Any:
    """Bring a DataFrame's columns into the order of `names`; extra ones are left out with one warning.

    Raises
    ------
    DataError
        If columns are missing, naming them.
    """
    if names is None or not isinstance(X, pd.DataFrame):
        return X
    missing = [name for name in names if name not in X.columns]
    if missing:
        raise DataError(
            f"columns {missing} were there in fit and are missing now; pass them (NaN where nothing was measured)"
        )
    extra = [name for name in X.columns if name not in set(names)]
    if extra:
        warnings.warn(f"columns {extra} were not there in fit and are ignored", UserWarning, stacklevel=3)
    return X[list(names)] if list(X.columns) != list(names) else X


def refuse_text(X: pd.DataFrame) -> None:
    """Name the first column that does not hold numbers."""
    for name, dtype in X.dtypes.items():
        if not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)):
            values = X[name].dropna()
            first = values.iloc[0] if len(values) else None
            raise DataError(
                f"column {name!r} is not numeric (first value {first!r}); convert or drop it before fit and scoring"
            )


def refuse_infinite(values: NDArray[np.floating], index: pd.Index, names: Sequence[Any]) -> None:
    """Name the first infinite cell."""
    for column in range(values.shape[1]):
        infinite = np.isinf(values[:, column])
        if infinite.any():
            row = int(np.argmax(infinite))
            raise DataError(
                f"X contains infinity: row {row} ({index[row]}), column {names[column]!r}, value "
                f"{values[row, column]}; replace it with the measured value, or with NaN if there is none"
            )


def timestamps_of(index: pd.Index) -> NDArray[np.int64] | None:
    """Nanoseconds since 1970 of a time index, `None` for any other index.

    Raises
    ------
    DataError
        If times are missing or step back.
    """
    if not isinstance(index, pd.DatetimeIndex):
        return None
    if index.hasnans:
        raise DataError(f"the time index has {int(index.isna().sum())} missing times; drop those rows")
    if not index.is_monotonic_increasing:
        row = int(np.argmax(np.diff(index.asi8) < 0)) + 1
        raise DataError(f"the time index steps back at row {row} ({index[row]}); sort it: X = X.sort_index()")
    return index.as_unit("ns").asi8


def lay_out(
    entity: Entity, *, period: float | None, max_fill: int, excluded: NDArray[np.bool_] | None = None
) -> GridSeries:
    """Put an entity's rows on its grid; exclusion intervals and long gaps start new segments."""
    timestamps = timestamps_of(entity.index)
    if timestamps is None:
        steps = np.ones(len(entity.values), dtype=np.int64)
        steps[:1] = 0
    else:
        steps = grid_steps(timestamps, period, max_fill)
    if excluded is not None:
        steps[1:][np.diff(excluded.astype(np.int8)) != 0] = 0
    return on_grid(entity.values, steps)
