"""The file of scores, written while rows are scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tsae.alarms.rules import severities
from tsae.detection.detecting import DetectedRows
from tsae.store import open_atomically

__all__ = ["TakeRows", "scores_file", "scores_frame"]

_CELLS_OF_CSV = 100_000  # written together by pandas, which chooses one spelling for the times among them
_ROWS_OF_GROUP = 131_072

TakeRows = Callable[[str, pd.Index, DetectedRows], None]
"""Takes the next rows of an entity, with their index."""


@contextmanager
def scores_file(path: Path | None, channels: Sequence[str], entity_column: str | None) -> Iterator[TakeRows]:
    """A CSV, or Parquet if the path says so, that is put in place once all rows were taken; without a path, nothing.

    Memory does not grow with the rows, and whatever ends the process before, an older file stays as it was.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if path is None:
        yield lambda *_: None
        return
    with open_atomically(path) as file:
        pieces = _Pieces(_ParquetGroups(file) if path.suffix.lower() == ".parquet" else _CsvChunks(file))
        yield lambda entity, index, rows: pieces.put(scores_frame(entity, index, rows, channels, entity_column))
        pieces.close()


def scores_frame(
    entity: str, index: pd.Index, rows: DetectedRows, channels: Sequence[str], entity_column: str | None
) -> pd.DataFrame:
    """One line per row: time, entity, score, label (0 or 1), and the sensor with the largest error."""
    named = {} if entity_column is None else {entity_column: entity}
    columns = {
        "score": rows.scores,
        "p_value": rows.p_values,
        "threshold": rows.thresholds,
        "severity": severities(rows.judged, rows.thresholds).round(1),
        "label": rows.labels.astype(np.int8),
        "top_sensor": pd.Categorical.from_codes(_largest(rows.errors), pd.Index([*map(str, channels)])),
    }
    return pd.DataFrame({str(index.name or "row"): index, **named, **columns})


def _largest(errors: NDArray[np.floating]) -> NDArray[np.int64]:
    """Column with the largest error in each row `(n_timesteps,)`, −1 where nothing was observed."""
    largest, column = np.full(len(errors), -np.inf), np.full(len(errors), -1)
    for place in range(errors.shape[1]):
        larger = errors[:, place] > largest
        largest[larger], column[larger] = errors[larger, place], place
    return column


class _Format(Protocol):
    """Writes pieces of a table one after the other."""

    def n_rows(self, frame: pd.DataFrame) -> int:
        """Rows of a piece."""

    def write(self, frame: pd.DataFrame) -> None: ...

    def close(self) -> None: ...


class _Pieces:
    """Frames of any length → pieces of the format's length."""

    def __init__(self, format: _Format) -> None:
        self._format, self._waiting, self._n_waiting = format, list[pd.DataFrame](), 0

    def put(self, frame: pd.DataFrame) -> None:
        self._waiting.append(frame)
        self._n_waiting += len(frame)
        length = self._format.n_rows(frame)
        if self._n_waiting >= length:
            joined = self._joined()
            whole = len(joined) // length * length
            for first in range(0, whole, length):
                self._format.write(joined[first : first + length])
            self._waiting, self._n_waiting = [joined[whole:]], len(joined) - whole

    def close(self) -> None:
        if self._n_waiting:
            self._format.write(self._joined())
        self._format.close()

    def _joined(self) -> pd.DataFrame:
        return pd.concat(self._waiting, ignore_index=True) if len(self._waiting) > 1 else self._waiting[0]


class _CsvChunks:
    def __init__(self, file: BinaryIO) -> None:
        self._file, self._is_first = file, True

    def n_rows(self, frame: pd.DataFrame) -> int:
        return _CELLS_OF_CSV // len(frame.columns)

    def write(self, frame: pd.DataFrame) -> None:
        frame.to_csv(self._file, index=False, header=self._is_first, float_format="%.6g", lineterminator="\n")
        self._is_first = False

    def close(self) -> None:
        pass


class _ParquetGroups:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writer: pq.ParquetWriter | None = None

    def n_rows(self, frame: pd.DataFrame) -> int:  # noqa: ARG002
        return _ROWS_OF_GROUP

    def write(self, frame: pd.DataFrame) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, pa.Table.from_pandas(frame, preserve_index=False).schema)
        schema = self._writer.schema
        self._writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
