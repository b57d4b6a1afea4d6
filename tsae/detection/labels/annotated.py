"""Rows of tables that annotations speak of: which leave training, which join it, and the labels they give."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tsae.alarms import AnnotationKind
from tsae.alarms.annotations import Annotation, Annotations
from tsae.detection.inputs import Entity, entity_names
from tsae.detection.labels.checks import labels_of_parts
from tsae.errors import DataError
from tsae.series.grid import timestamps_ns

__all__ = ["AnnotatedRows", "annotated_rows", "opened", "with_annotations"]

FloatArray = NDArray[np.float64]
_KINDS: tuple[AnnotationKind, ...] = get_args(AnnotationKind)
_MOST_NAMED = 3
_CODES = {kind: code for code, kind in enumerate(_KINDS, start=1)}
_REAL, _FALSE = _CODES["real"], _CODES["false alarm"]
_NORMAL = (_FALSE, _CODES["new normal"])
_OUTSIDE = (_CODES["maintenance"], _CODES["ignore"])


@dataclass(frozen=True)
class AnnotatedRows:
    """The last word on every row of some tables."""

    codes: tuple[NDArray[np.int8], ...]
    """Kind of the last word on each row, one array `(n_timesteps,)` a table; 0 for rows that nobody spoke of."""
    matched: tuple[tuple[Annotation, int, NDArray[np.intp]], ...]
    """Annotations with the number of a table and its rows that they speak of, in the order of saying."""
    unmatched: tuple[Annotation, ...]
    """Annotations that match no row of any table."""
    n_returned: int
    """Normal rows that an earlier word had left out."""

    @property
    def excluded(self) -> list[NDArray[np.bool_]]:
        """Rows of maintenance and rows to ignore, one mask `(n_timesteps,)` a table."""
        return [np.isin(codes, _OUTSIDE) for codes in self.codes]

    @property
    def labels(self) -> list[FloatArray]:
        """1 for rows of real events, 0 for false alarms and the new normal, else NaN; `(n_timesteps,)` a table."""
        return [np.where(codes == _REAL, 1.0, np.where(np.isin(codes, _NORMAL), 0.0, np.nan)) for codes in self.codes]

    def counts(self, kind: AnnotationKind) -> tuple[int, int]:
        """Return the number of rows with this last word, and of the annotations of this kind that match rows."""
        n_rows = sum(int(np.count_nonzero(codes == _CODES[kind])) for codes in self.codes)
        return n_rows, len({annotation.id for annotation, _, _ in self.matched if annotation.kind == kind})


def annotated_rows(
    annotations: Iterable[Annotation], indexes: Sequence[pd.Index], names: Sequence[str]
) -> AnnotatedRows:
    """Find the rows that annotations speak of; the last word on a row counts.

    A false alarm contradicts an earlier "real", and no other word: maintenance stays maintenance.

    Parameters
    ----------
    annotations
        In the order in which they were said.
    indexes
        Index `(n_timesteps,)` of each table.
    names
        Entity of each table.

    Raises
    ------
    DataError
        If an annotation has times and its table row numbers, or one of the two a time zone and the other none.
    """
    codes = tuple(np.zeros(len(index), dtype=np.int8) for index in indexes)
    was_out = [np.zeros(len(index), dtype=bool) for index in indexes]
    numbers = [(_numbers(index), index.is_monotonic_increasing) for index in indexes]
    matched, unmatched = [], []
    for annotation in annotations:
        code, is_matched = _CODES[annotation.kind], False
        for table in [place for place, name in enumerate(names) if annotation.speaks_of(name)]:
            _refuse_mismatch(annotation, indexes[table])
            rows = _rows(annotation, *numbers[table])
            if not len(rows):
                continue
            is_matched = True
            matched.append((annotation, table, rows))
            before = codes[table][rows]
            codes[table][rows] = np.where((code == _FALSE) & np.isin(before, _OUTSIDE), before, code)
            was_out[table][rows] |= np.isin(codes[table][rows], (_REAL, *_OUTSIDE))
        if not is_matched:
            unmatched.append(annotation)
    n_returned = sum(
        int(np.count_nonzero(np.isin(last, _NORMAL) & out)) for last, out in zip(codes, was_out, strict=True)
    )
    return AnnotatedRows(codes, tuple(matched), tuple(unmatched), n_returned)


def with_annotations(
    entities: Sequence[Entity], given: Any, entity: Any, *, is_fleet: bool, labels_real: bool
) -> tuple[list[Entity], list[FloatArray]]:
    """Return entities with the rows left out that annotations leave out, and the labels of each `(n_timesteps,)`.

    Parameters
    ----------
    given
        `Annotations`, the path of their file, or labels of rows, which leave nothing out here.
    entity
        Names of the entities, as `detect` takes them.
    labels_real
        Whether rows of real events become labels of 1; otherwise they are left out.
    """
    names = entity_names(entity, len(entities), is_fleet=is_fleet)
    given = opened(given)
    if not isinstance(given, Annotations):
        return list(entities), labels_of_parts(given, [len(each.values) for each in entities], is_fleet=is_fleet)
    found = annotated_rows(given, [each.index for each in entities], names)
    if found.unmatched:
        warnings.warn(_unmatched(found.unmatched, names), UserWarning, stacklevel=4)
    known, out = found.labels, found.excluded
    if not labels_real:
        out = [mask | (labels == 1) for mask, labels in zip(out, known, strict=True)]
        known = [np.where(labels == 1, np.nan, labels) for labels in known]
    return [_without(each, mask) for each, mask in zip(entities, out, strict=True)], known


def opened(given: Any) -> Any:
    """Return the `Annotations` of a path; anything else unchanged."""
    return Annotations.existing(given) if isinstance(given, str | os.PathLike) else given


def _without(entity: Entity, rows: NDArray[np.bool_]) -> Entity:
    if not rows.any():
        return entity
    return replace(entity, excluded=rows if entity.excluded is None else rows | entity.excluded)


def _numbers(index: pd.Index) -> NDArray[Any]:
    return timestamps_ns(index) if isinstance(index, pd.DatetimeIndex) else index.to_numpy()


def _rows(annotation: Annotation, numbers: NDArray[Any], is_rising: bool) -> NDArray[np.intp]:
    bounds = (annotation.start, annotation.stop)
    start, stop = (bound.value if isinstance(bound, pd.Timestamp) else bound for bound in bounds)
    if is_rising:
        return np.arange(np.searchsorted(numbers, start), np.searchsorted(numbers, stop, side="right"))
    return np.flatnonzero((numbers >= start) & (numbers <= stop))


def _named(annotation: Annotation) -> str:
    of = f" of entity {annotation.entity!r}" if annotation.entity else ""
    return f"annotation {annotation.id!r} ({annotation.kind}{of}, {annotation.start} to {annotation.stop})"


def _unmatched(annotations: Sequence[Annotation], names: Sequence[str]) -> str:
    some = "; ".join(map(_named, annotations[:_MOST_NAMED]))
    if len(annotations) > _MOST_NAMED:
        some = f"{len(annotations)} annotations, such as {some},"
    tables = "the table" if len(names) == 1 else "the tables"
    if any(names):
        tables += " of entity " + ", ".join(map(repr, names[:_MOST_NAMED])) + (", …" if names[_MOST_NAMED:] else "")
    elif any(annotation.entity for annotation in annotations):
        tables += ", which has no entity"
    return f"{some} {'match' if len(annotations) > 1 else 'matches'} no row of {tables}"


def _refuse_mismatch(annotation: Annotation, index: pd.Index) -> None:
    has_times = isinstance(annotation.start, pd.Timestamp)
    if isinstance(index, pd.DatetimeIndex) != has_times or not (has_times or pd.api.types.is_numeric_dtype(index)):
        theirs = "times" if isinstance(index, pd.DatetimeIndex) else f"row numbers ({index.dtype})"
        raise DataError(
            f"{_named(annotation)} speaks of {'times' if has_times else 'row numbers'}, but the table has {theirs}; "
            "remove it and annotate again"
        )
    if not has_times:
        return
    own_zone, zone = getattr(annotation.start, "tzinfo", None), getattr(index, "tz", None)
    if (own_zone is None) != (zone is None):
        own, theirs = ("no", "one") if own_zone is None else ("a", "none")
        raise DataError(
            f"{_named(annotation)} carries {own} time zone, but the table has {theirs}; state the zone of the table, "
            "or remove the annotation and state its zone, such as 2026-03-01T10:00+01:00"
        )
