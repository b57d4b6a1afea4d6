"""Labelled series for a benchmark: where they lie, and how they are cut into training and test rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from tsae.errors import DataError, ParameterError
from tsae.evaluation.inputs import BoolArray, FloatArray, check_labels
from tsae.series.cells import cell_kind
from tsae.series.formats.registry import format_names, is_table_name, stem_of
from tsae.series.options import ReadOptions
from tsae.series.reading import SensorTable, open_table, read_table

__all__ = ["LabelledSeries", "SeriesFiles", "find_series", "read_series"]

_TSB_AD = re.compile(r"\d+_(?P<family>.+?)_id_\d+_.*tr_(?P<n_train>\d+)_1st_\d+")
_LAYOUTS = (
    f"expected <family>/<series>/{{train,test}}.csv[.gz] ({format_names()}), or files with TSB-AD names such as "
    "001_NAB_id_1_Facility_tr_1007_1st_2014.csv"
)
_READING = ReadOptions(header=True, timestamp=False)  # every row stays where it is


@dataclass(frozen=True)
class SeriesFiles:
    """Where one series lies."""

    family: str
    series: str
    test: Path
    """Holds the labels; without `train` also the training rows, which come first."""
    train: Path | None = None
    train_rows: int | float = 0
    """Without `train`: how many rows of `test` are for training, or which share of them if below 1."""

    @property
    def name(self) -> str:
        """`family/series`."""
        return f"{self.family}/{self.series}"

    @property
    def n_bytes(self) -> int:
        """Size on disk."""
        return sum(path.stat().st_size for path in (self.train, self.test) if path is not None)


@dataclass(frozen=True)
class LabelledSeries:
    """One series: rows in the order of the file, without timestamps."""

    train: FloatArray
    """`(n_train, n_channels)`, NaN where missing; labels in it are not read."""
    test: FloatArray
    """`(n_test, n_channels)`."""
    labels: BoolArray
    """`(n_test,)`, true in anomalous rows."""


def find_series(
    root: Path,
    *,
    only: Sequence[str] = (),
    train_rows: int | float | None = None,
    max_test_rows: int | None = None,
) -> list[SeriesFiles]:
    """Find the series in a folder and its subfolders, sorted by name.

    Parameters
    ----------
    root : Path
        A folder with `<family>/<series>/{train,test}.csv[.gz]` or with files that have TSB-AD names (the
        training rows are the first `tr` ones, the test rows all others), or one labelled table; in any format
        that `read_table` takes.
    only : sequence of str
        Patterns such as `nab/*`; a series is kept if its `family/series` matches one.
    train_rows : int or float, optional
        For one labelled table: how many of its first rows are for training, or which share of them if below 1.
    max_test_rows : int, optional
        Leave out series with more test rows.

    Raises
    ------
    DataError
        If there is none, two have the same name, or a test file has no training file beside it.
    ParameterError
        If one table is given without `train_rows`.
    """
    if root.is_file():
        found = [_one_file(root, train_rows)]
    else:
        paths = sorted(path for path in root.resolve().rglob("*") if is_table_name(path.name))
        found = [files for path in paths if (files := _files_of(path)) is not None]
    seen: dict[str, SeriesFiles] = {}
    for files in found:
        if seen.setdefault(files.name, files) is not files:
            raise DataError(f"{seen[files.name].test} and {files.test} are both {files.name!r}; rename a folder")
    if not found:
        raise DataError(f"{'no series in' if root.exists() else 'there is no'} {str(root)!r}; {_LAYOUTS}")
    kept = [files for files in found if not only or any(fnmatch(files.name, pattern) for pattern in only)]
    kept = [files for files in kept if max_test_rows is None or _count_test_rows(files) <= max_test_rows]
    if not kept:
        raise DataError(
            f"none of the {len(found)} series in {str(root)!r} is left by `only` (={list(only)}) and "
            f"`max_test_rows` (={max_test_rows}); a name looks like {found[0].name!r}"
        )
    return sorted(kept, key=lambda files: files.name)


def read_series(files: SeriesFiles) -> LabelledSeries:
    """Read one series as `read_table` does, but keep every row where it is in the file.

    Columns called `timestamp`, and a first column of times or text, are not sensors.

    Raises
    ------
    DataError
        If a file cannot be read, has no label, a column that is not numeric, or other sensors than the other
        file, or if no row is left for training or for the test.
    """
    test = _read(files.test)
    labels = _labels(test, files.test)
    if files.train is None:
        n_train = _n_train(files, test.n_rows)
        if not 0 < n_train < test.n_rows:
            raise DataError(
                f"{files.test}: `train_rows` (={n_train}) must leave some of the {test.n_rows} rows for the test and "
                "some for training"
            )
        values = test.frames[""].to_numpy()
        return LabelledSeries(values[:n_train], values[n_train:], labels[n_train:])
    train = _read(files.train)
    if train.channels != test.channels:
        differing = sorted(set(train.channels) ^ set(test.channels))
        raise DataError(
            f"{files.test}: its sensors are not those of {files.train.name} in the same order "
            f"(in one only: {differing}); give both files the same columns"
        )
    return LabelledSeries(train.frames[""].to_numpy(), test.frames[""].to_numpy(), labels)


def _one_file(path: Path, train_rows: int | float | None) -> SeriesFiles:
    files = _files_of(path.resolve())
    if files is not None and train_rows is None:
        return files
    if train_rows is None or train_rows <= 0:
        raise ParameterError(
            f"`train_rows` (={train_rows}) must say how many of the first rows of {path.name} are for training: "
            "a number of rows, or a share such as 30%"
        )
    return SeriesFiles(path.resolve().parent.name, stem_of(path.name), path, train_rows=train_rows)


def _files_of(path: Path) -> SeriesFiles | None:
    """The series that a file stands for; `None` for other tables and for training files."""
    stem = stem_of(path.name)
    if stem == "test":
        siblings = (each for each in sorted(path.parent.glob("train.*")) if is_table_name(each.name))
        train = next(siblings, None)
        if train is None:
            raise DataError(f"{path} has no train.csv or other table called train beside it; add the rows to fit on")
        return SeriesFiles(path.parent.parent.name, path.parent.name, path, train)
    if match := _TSB_AD.fullmatch(stem):
        return SeriesFiles(match["family"], stem, path, train_rows=int(match["n_train"]))
    return None


def _count_test_rows(files: SeriesFiles) -> int:
    with open_table(files.test, _READING) as file:
        n_rows = sum(len(columns[0]) for columns in file.batches([0]))
    return n_rows if files.train is not None else n_rows - _n_train(files, n_rows)


def _n_train(files: SeriesFiles, n_rows: int) -> int:
    return int(files.train_rows if files.train_rows >= 1 else files.train_rows * n_rows)


def _read(path: Path) -> SensorTable:
    """Read a table with its label, if it has one, and every sensor in it."""
    with open_table(path, _READING) as file:
        headers, first = file.headers, {cell_kind(row[0]) for row in file.sample}
    label = next((header for header in headers if header.strip().lower() == "label"), None)
    sensors = [header for header in headers if header.strip().lower() not in ("label", "timestamp")]
    if sensors[:1] == list(headers[:1]) and "number" not in first and first & {"time", "text"}:
        del sensors[0]
    if not sensors:
        raise DataError(f"{path}: there is no sensor in the table")
    return read_table(path, replace(_READING, label=label, columns=tuple(sensors)))


def _labels(table: SensorTable, path: Path) -> BoolArray:
    if table.labels is None:
        raise DataError(f"{path}: no column is called label; add one with 1 in anomalous rows and 0 elsewhere")
    try:
        return check_labels(table.labels[""].to_numpy())
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
