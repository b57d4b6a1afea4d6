"""Scores and events as files and as JSON; the file of scores is written while rows are scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tsae.alarms.event import Event, event_fields
from tsae.alarms.incidents import incident_fields, incidents
from tsae.alarms.rules import severities
from tsae.detection.detecting import DetectedRows, ImageDetection
from tsae.store import open_atomically

__all__ = ["TakeRows", "events_frame", "incidents_frame", "pictures_frame", "scores_file", "write_frame"]

_CELLS_OF_CSV = 100_000  # written together by pandas, which chooses one spelling for the times among them
_ROWS_OF_GROUP = 131_072

TakeRows = Callable[[str, pd.Index, DetectedRows], None]
"""Takes the next rows of an entity, with their index."""


@contextmanager
def scores_file(path: Path | None, channels: Sequence[str], entity_column: str | None) -> Iterator[TakeRows]:
    """Open a CSV, or Parquet if the path says so, that is put in place once all rows were taken.

    It has one line per row: time, entity, score, label (0 or 1), and the sensor with the largest error. Memory does not
    grow with the rows, and whatever ends the process before, an older file stays as it was. Without a path, nothing is
    written.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if path is None:
        yield lambda *_: None
        return
    names = pd.Index([*map(str, channels)])
    with open_atomically(path) as file:
        writer = _PieceWriter(file, is_parquet=path.suffix.lower() == ".parquet")
        yield lambda entity, index, rows: writer.put(_scores_frame(entity, index, rows, names, entity_column))
        writer.close()


def _scores_frame(
    entity: str, index: pd.Index, rows: DetectedRows, channels: pd.Index, entity_column: str | None
) -> pd.DataFrame:
    errors = np.where(np.isnan(rows.errors), -np.inf, rows.errors)
    largest = np.where(np.isnan(rows.errors).all(axis=1), -1, errors.argmax(axis=1))
    columns = {
        "score": rows.scores,
        "p_value": rows.p_values,
        "threshold": rows.thresholds,
        "severity": severities(rows.judged, rows.thresholds).round(1),
        "label": rows.labels.astype(np.int8),
        "top_sensor": pd.Categorical.from_codes(largest, channels),
    }
    named = {} if entity_column is None else {entity_column: entity}
    return pd.DataFrame({str(index.name or "row"): index, **named, **columns})


class _PieceWriter:
    """Writes frames of any length in pieces of one length, so that the file is the one written at once."""

    def __init__(self, file: BinaryIO, *, is_parquet: bool) -> None:
        self._file, self._is_parquet = file, is_parquet
        self._waiting, self._n_waiting = list[pd.DataFrame](), 0
        self._is_first = True
        self._groups: pq.ParquetWriter | None = None

    def put(self, frame: pd.DataFrame) -> None:
        self._waiting.append(frame)
        self._n_waiting += len(frame)
        length = _ROWS_OF_GROUP if self._is_parquet else _CELLS_OF_CSV // len(frame.columns)
        if self._n_waiting >= length:
            joined = pd.concat(self._waiting, ignore_index=True)
            whole = len(joined) // length * length
            for first in range(0, whole, length):
                self._write(joined[first : first + length])
            self._waiting, self._n_waiting = [joined[whole:]], len(joined) - whole

    def close(self) -> None:
        if self._n_waiting:
            self._write(pd.concat(self._waiting, ignore_index=True))
        if self._groups is not None:
            self._groups.close()

    def _write(self, piece: pd.DataFrame) -> None:
        if not self._is_parquet:
            piece.to_csv(self._file, index=False, header=self._is_first, float_format="%.6g", lineterminator="\n")
            self._is_first = False
            return
        schema = None if self._groups is None else self._groups.schema
        group = pa.Table.from_pandas(piece, schema=schema, preserve_index=False)
        if self._groups is None:
            self._groups = pq.ParquetWriter(self._file, group.schema)
        self._groups.write_table(group)


def pictures_frame(found: ImageDetection) -> pd.DataFrame:
    """Return one line per picture: file, score, label (0 or 1), severity (0 to 100, 50 at the threshold)."""
    return pd.DataFrame(
        {
            "file": list(found.names),
            "score": found.scores,
            "label": found.labels.astype(np.int8),
            "severity": found.severities.round(1),
        }
    )


_LINE = ("event_id", "start", "stop", "duration_s", "n_rows", "peak", "peak_score", "p_value", "severity", "band")
_FIRST = ("sensor", "expected", "actual", "unit", "direction")
_LAST = ("sensors", "joined", "directions", "escalates", "changed")


def events_frame(events: Iterable[Event], entity_column: str | None) -> pd.DataFrame:
    """One line per event; `expected`, `actual`, `unit` and `direction` are those of its first sensor, at the peak.

    `directions` are those of `sensors`, in the same order. `escalates` is empty for events of their own.
    """
    named = [] if entity_column is None else [entity_column]
    lines = []
    for event in events:
        fields = event_fields(event)
        line = {name: fields[name] for name in _LINE}
        line |= {name: getattr(event, name) for name in ("start", "stop", "peak")}  # times, and no texts
        line |= {name: fields["sensors"][0][name] for name in _FIRST}
        line["sensors"] = "; ".join(f"{each['sensor']} {each['share']:.2f}" for each in fields["sensors"])
        line["joined"] = "; ".join(f"{each['sensor']} {each['joined']}" for each in fields["pattern"])
        line["directions"] = "; ".join(each["direction"] for each in fields["sensors"])
        line |= {"escalates": event.escalates, "changed": event.changed}
        lines.append(line | dict.fromkeys(named, event.entity))
    return pd.DataFrame(lines, columns=[*named, *_LINE, *_FIRST, *_LAST])


def incidents_frame(events: Iterable[Event]) -> pd.DataFrame:
    """Return one line per incident among the events; `entities` and `event_ids` are in the order of their starts."""
    names = ("incident_id", "start", "stop", "first_entity", "entities", "severity", "band", "event_ids")
    lines = []
    for incident in incidents(events):
        line = incident_fields(incident) | {"start": incident.start, "stop": incident.stop}  # times, and no texts
        lines.append(line | {name: "; ".join(line[name]) for name in ("entities", "event_ids")})
    return pd.DataFrame(lines, columns=list(names))


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a CSV, or Parquet if the path says so, as a whole or not at all."""
    with open_atomically(path) as file:
        if path.suffix.lower() == ".parquet":
            frame.to_parquet(file, index=False)
        else:
            frame.to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
