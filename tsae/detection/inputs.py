"""The border: whatever a user passes becomes entities of float rows on a grid, or a clear error."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from tsae.errors import DataError, ParameterError
from tsae.model.fitted import FittedModel
from tsae.scoring.whole_series import covered_rows
from tsae.series.exclusions import Exclusions
from tsae.series.grid import Clock, GridSeries, grid_steps, infer_clock, on_grid, timestamps_ns
from tsae.series.running import Running

__all__ = [
    "Entity",
    "channel_names",
    "check_period",
    "checked_entities",
    "data_hash",
    "entity_names",
    "lay_out",
    "like",
    "off_rows",
    "with_off_rows",
    "without_suspicious_rows",
]

_LARGEST = 1e150  # beyond, squares overflow; no sensor measures it, but some mark faults with 1.8e308


@dataclass(frozen=True)
class Entity:
    """One machine's rows as the user passed them."""

    values: NDArray[np.floating]
    """`(n_timesteps, n_channels)`, NaN where missing."""
    index: pd.Index
    """The index of the input, `(n_timesteps,)`."""
    columns: pd.Index | None
    """The columns of the input, `(n_channels,)`; `None` if it was not a DataFrame."""
    excluded: NDArray[np.bool_] | None = None
    """Rows that neither train nor alarm, `(n_timesteps,)`: those to be left out, and those in `off`."""
    off: NDArray[np.bool_] | None = None
    """Rows in which the plant does not run, `(n_timesteps,)`."""


def checked_entities(
    estimator: BaseEstimator, X: Any, excluded: Any = None, *, reset: bool
) -> tuple[list[Entity], bool]:
    """Split and check what the user passed; also tell whether it was a list of series.

    Raises
    ------
    DataError
        If a column is missing or holds text or infinity, or the time index steps back.
    ValueError
        From scikit-learn, for everything else that is not a two-dimensional table of numbers.
    """
    is_fleet = isinstance(X, Sequence) and len(X) > 0 and all(hasattr(x, "shape") and len(x.shape) == 2 for x in X)
    parts = list(X) if is_fleet else [X.to_frame() if isinstance(X, pd.Series) else X]
    if isinstance(excluded, Exclusions):
        masks = [
            excluded.mask(part.index if isinstance(part, pd.DataFrame) else pd.RangeIndex(len(part))) for part in parts
        ]
    else:
        masks = list(excluded) if is_fleet and excluded is not None else [excluded] * len(parts)
    if len(masks) != len(parts):
        raise DataError(f"`excluded` has {len(masks)} masks for {len(parts)} series; pass one a series, or None")
    entities = [
        _checked(estimator, part, mask, reset=reset and number == 0)
        for number, (part, mask) in enumerate(zip(parts, masks, strict=True))
    ]
    return entities, is_fleet


def with_off_rows(entities: list[Entity], running: str | None, channels: Sequence[str]) -> list[Entity]:
    """Return the entities with the rows excluded in which the plant does not run, `None` for a plant that always does.

    Raises
    ------
    ParameterError
        If the condition cannot be read, or names an unknown channel.
    """
    if running is None:
        return entities
    condition = Running.parse(running)
    condition.check_channels(channels)
    masks = [condition.off(entity.values, channels) for entity in entities]
    return [
        replace(entity, excluded=off if entity.excluded is None else off | entity.excluded, off=off)
        for entity, off in zip(entities, masks, strict=True)
    ]


def off_rows(entities: Sequence[Entity]) -> NDArray[np.bool_]:
    """Return the rows in which the plant does not run, of all entities, `(n_rows,)`."""
    masks = [np.zeros(len(each.values), dtype=bool) if each.off is None else each.off for each in entities]
    return np.concatenate(masks)


def never_flagged(entities: Sequence[Entity], model: FittedModel) -> NDArray[np.bool_]:
    """Return the rows that are never flagged, as the plant is off or no full window covers them, `(n_rows,)`."""
    grids = [lay_out(entity, period=model.period, max_fill=model.max_fill) for entity in entities]
    covered: NDArray[np.bool_] = np.concatenate([covered_rows(model.ensemble, each, lag=model.lag) for each in grids])
    return off_rows(entities) | ~covered


def channel_names(estimator: BaseEstimator) -> list[str]:
    """Return the names of the columns that the estimator has seen; `x0`, `x1`, … if it was an array."""
    names = getattr(estimator, "feature_names_in_", None)
    return [f"x{i}" for i in range(estimator.n_features_in_)] if names is None else [str(name) for name in names]


def entity_names(entity: str | Sequence[str] | None, n_series: int, *, is_fleet: bool) -> list[str]:
    """Return a name for each series; those of a fleet are numbered if `entity` is `None`.

    Raises
    ------
    ParameterError
        If there are not as many names as series.
    """
    if entity is None:
        return [str(number) for number in range(n_series)] if is_fleet else [""]
    names = [entity] if isinstance(entity, str) else list(entity)
    if len(names) != n_series or isinstance(entity, str) == is_fleet:
        rule = f"a list of {n_series} names, one for each series" if is_fleet else "the name of one entity"
        raise ParameterError(f"`entity` must be {rule}, got {entity!r}; or None")
    return names


def _checked(estimator: BaseEstimator, X: Any, excluded: ArrayLike | None, *, reset: bool) -> Entity:
    if isinstance(X, pd.DataFrame):
        _check_columns(X)
        if not reset:
            X = _match_columns(X, getattr(estimator, "feature_names_in_", None))
        _refuse_text(X)
    values = validate_data(estimator, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False)
    columns = X.columns if isinstance(X, pd.DataFrame) else None
    index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(values))
    _refuse_infinite(values, index, list(range(values.shape[1])) if columns is None else list(columns))
    if excluded is None:
        return Entity(values, index, columns)
    mask = np.asarray(excluded)
    if mask.shape != (len(values),) or not np.isin(mask, (0, 1)).all():
        rule = f"it needs one boolean for each of the {len(values)} rows"
        raise DataError(f"`excluded` has shape {mask.shape} and holds {mask.dtype}; {rule}")
    return Entity(values, index, columns, mask.astype(bool) if mask.any() else None)


def _check_columns(X: pd.DataFrame) -> None:
    """Refuse a table without columns, and columns of one name."""
    if not len(X.columns):
        raise DataError("the table has no columns; pass at least one sensor")
    if not X.columns.is_unique:
        twice = X.columns[X.columns.duplicated()].unique().tolist()
        raise DataError(f"columns {twice} occur more than once; rename or drop them")


def _match_columns(X: pd.DataFrame, names: NDArray[np.object_] | None) -> pd.DataFrame:
    """Bring columns into the order of `names`; extra ones are left out with one warning."""
    if names is None or list(X.columns) == list(names):
        return X
    missing = [name for name in names if name not in X.columns]
    if missing:
        raise DataError(
            f"columns {missing} were there in fit and are missing now; add them (NaN where nothing was measured)"
        )
    extra = [name for name in X.columns if name not in set(names)]
    if extra:
        warnings.warn(f"columns {extra} were not there in fit and are ignored", UserWarning, stacklevel=4)
    return X[list(names)]


def _refuse_text(X: pd.DataFrame) -> None:
    """Name the first column that does not hold numbers, and what is none in a column of mixed types."""
    for name, dtype in X.dtypes.items():
        if pd.api.types.is_object_dtype(dtype):
            column = X[name]
            text = column.notna() & pd.to_numeric(column, errors="coerce").isna()
            if text.any():
                row = int(np.argmax(text))
                raise DataError(
                    f"column {name!r} holds {column.iloc[row]!r} in row {row} (index {X.index[row]}), which is no "
                    "number; convert or drop the column, or put NaN there"
                )
        elif not pd.api.types.is_numeric_dtype(dtype):
            value = X[name].dropna().iloc[:1].tolist()
            raise DataError(f"column {name!r} holds {dtype}, such as {value}, not numbers; convert or drop it")


def _refuse_infinite(values: NDArray[np.floating], index: pd.Index, names: Sequence[Any]) -> None:
    """Name the first cell that is infinite, or too large to compute with."""
    largest = min(_LARGEST, float(np.finfo(values.dtype).max))
    for column in range(values.shape[1]):
        infinite = np.abs(values[:, column]) > largest
        if infinite.any():
            row = int(np.argmax(infinite))
            raise DataError(
                f"X contains infinity, or a value too large to square: row {row} (index {index[row]}), column "
                f"{names[column]!r}, value {values[row, column]}; replace it with what was measured, or with NaN if "
                "nothing was"
            )


def _timestamps(index: pd.Index) -> NDArray[np.int64] | None:
    """Nanoseconds since 1970 of a time index, `None` for any other index."""
    if not isinstance(index, pd.DatetimeIndex):
        return None
    if index.hasnans:
        raise DataError(f"the time index has {int(np.count_nonzero(index.isna()))} missing times; drop those rows")
    if not index.is_monotonic_increasing:
        row = int(np.argmax(np.diff(index.asi8) < 0)) + 1
        raise DataError(f"the time index steps back at row {row} ({index[row]}); sort it: X = X.sort_index()")
    return timestamps_ns(index)


def lay_out(entity: Entity, *, period: float | None, max_fill: int) -> GridSeries:
    """Put an entity's rows on its grid; long gaps and the borders of exclusion intervals start new segments."""
    timestamps = _timestamps(entity.index)
    if timestamps is None:
        steps = np.ones(len(entity.values), dtype=np.int64)
    else:
        steps = grid_steps(timestamps, period, max_fill)
    steps[:1] = 0
    if entity.excluded is not None:
        steps[1:][np.diff(entity.excluded.astype(np.int8)) != 0] = 0
    return on_grid(entity.values, steps)


def like(entity: Entity, table: NDArray[np.floating]) -> pd.DataFrame | NDArray[np.floating]:
    """Return a table `(n_timesteps, n_channels)` with the entity's index and columns, if it had some."""
    return table if entity.columns is None else pd.DataFrame(table, index=entity.index, columns=entity.columns)


def check_period(index: pd.Index, period: float | None) -> None:
    """Refuse a table whose sampling period differs from the one in training."""
    clock: Clock = infer_clock(index)
    if period is None or clock.period is None or len(index) < 3:
        return
    if not 0.75 < clock.period / period < 1.33:
        raise DataError(
            f"the rows come every {clock.period:g} s, in training every {period:g} s; resample them "
            f"(X.resample('{period:g}s').mean()) or fit a detector for this period"
        )


def data_hash(entities: Sequence[Entity]) -> str:
    """SHA-256 of the training values, so that a model can be traced to its data."""
    digest = hashlib.sha256()
    for entity in entities:
        for first in range(0, len(entity.values), 65_536):
            digest.update(np.ascontiguousarray(entity.values[first : first + 65_536]).data)
    return digest.hexdigest()


def without_suspicious_rows(
    entities: Sequence[Entity], lay_out: Callable[[Entity], GridSeries], known: Sequence[NDArray[np.float64]]
) -> tuple[list[Entity], list[list[list[int]]]]:
    """The entities with their suspicious rows excluded too, and the first and last row of what was added.

    Rows that are `known` to be normal (0, one array `(n_timesteps,)` an entity) stay.
    """
    from tsae.fitting.screening import suspicious_rows  # loads torch, which scoring does without

    suspicious = suspicious_rows([lay_out(entity) for entity in entities], [entity.excluded for entity in entities])
    cleaned, rejected = [], []
    for entity, found, labels in zip(entities, suspicious, known, strict=True):
        rows = found & (labels != 0)
        mask = rows if entity.excluded is None else rows | entity.excluded
        cleaned.append(replace(entity, excluded=mask if mask.any() else None))
        edges = np.flatnonzero(np.diff(rows.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
        rejected.append([[int(first), int(stop) - 1] for first, stop in edges])
    return cleaned, rejected
