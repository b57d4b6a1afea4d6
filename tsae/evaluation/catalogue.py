"""Labelled series for a benchmark: where they lie, and how they are cut into training and test rows."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd

from tsae.errors import DataError, ParameterError
from tsae.evaluation.inputs import BoolArray, FloatArray, check_labels

__all__ = ["LabelledSeries", "SeriesFiles", "find_series", "read_series"]

_TABLES = (".csv", ".csv.gz")
_TSB_AD = re.compile(r"\d+_(?P<family>.+?)_id_\d+_.*tr_(?P<n_train>\d+)_1st_\d+")
_LAYOUTS = (
    "expected <family>/<series>/{train,test}.csv[.gz], or files with TSB-AD names such as "
    "001_NAB_id_1_Facility_tr_1007_1st_2014.csv"
)


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
        training rows are the first `tr` ones, the test rows all others), or one labelled CSV.
    only : sequence of str
        Patterns such as `nab/*`; a series is kept if its `family/series` matches one.
    train_rows : int or float, optional
        For one labelled CSV: how many of its first rows are for training, or which share of them if below 1.
    max_test_rows : int, optional
        Leave out series with more test rows.

    Raises
    ------
    DataError
        If there is none, two have the same name, or a test file has no training file beside it.
    ParameterError
        If one CSV is given without `train_rows`.
    """
    if root.is_file():
        found = [_one_file(root, train_rows)]
    else:
        paths = sorted(path for path in root.resolve().rglob("*") if path.name.endswith(_TABLES))
        found = [files for path in paths if (files := _files_of(path)) is not None]
    _refuse_same_names(found)
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
    """Read one series: every row stays where it is in the file; `timestamp` columns are no sensors.

    Raises
    ------
    DataError
        If a file cannot be read, has no label, a column that is not numeric, or other sensors than the other
        file, or if no row is left for training or for the test.
    """
    table = _read_csv(files.test)
    labels = _labels(table, files.test)
    sensors = _sensors(table, files.test)
    if files.train is None:
        n_train = _n_train(files, len(table))
        if not 0 < n_train < len(table):
            raise DataError(
                f"{files.test}: `train_rows` (={n_train}) must leave some of the {len(table)} rows for the test and "
                "some for training"
            )
        values = sensors.to_numpy(dtype=np.float64)
        return LabelledSeries(values[:n_train], values[n_train:], labels[n_train:])
    train = _sensors(_read_csv(files.train), files.train)
    if list(train.columns) != list(sensors.columns):
        differing = sorted({str(name) for name in set(train.columns) ^ set(sensors.columns)})
        raise DataError(
            f"{files.test}: its sensors are not those of {files.train.name} in the same order "
            f"(in one only: {differing}); give both files the same columns"
        )
    return LabelledSeries(train.to_numpy(dtype=np.float64), sensors.to_numpy(dtype=np.float64), labels)


def _one_file(path: Path, train_rows: int | float | None) -> SeriesFiles:
    files = _files_of(path.resolve())
    if files is not None and train_rows is None:
        return files
    if train_rows is None or train_rows <= 0:
        raise ParameterError(
            f"`train_rows` (={train_rows}) must say how many of the first rows of {path.name} are for training: "
            "a number of rows, or a share such as 30%"
        )
    return SeriesFiles(path.resolve().parent.name, _stem(path), path, train_rows=train_rows)


def _files_of(path: Path) -> SeriesFiles | None:
    """The series that a file stands for; `None` for other tables and for training files."""
    stem = _stem(path)
    if stem == "test":
        siblings = [path.with_name(f"train{ending}") for ending in _TABLES]
        train = next((sibling for sibling in siblings if sibling.is_file()), None)
        if train is None:
            raise DataError(f"{path} has no train.csv or train.csv.gz beside it; add the rows to fit on")
        return SeriesFiles(path.parent.parent.name, path.parent.name, path, train)
    if match := _TSB_AD.fullmatch(stem):
        return SeriesFiles(match["family"], stem, path, train_rows=int(match["n_train"]))
    return None


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv")


def _refuse_same_names(found: Iterable[SeriesFiles]) -> None:
    seen: dict[str, SeriesFiles] = {}
    for files in found:
        if files.name in seen:
            raise DataError(f"{seen[files.name].test} and {files.test} are both {files.name!r}; rename a folder")
        seen[files.name] = files


def _count_test_rows(files: SeriesFiles) -> int:
    with gzip.open(files.test) if files.test.suffix == ".gz" else files.test.open("rb") as lines:
        n_rows = sum(1 for _ in lines) - 1
    return n_rows if files.train is not None else n_rows - _n_train(files, n_rows)


def _n_train(files: SeriesFiles, n_rows: int) -> int:
    return int(files.train_rows if files.train_rows >= 1 else files.train_rows * n_rows)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, low_memory=False)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a CSV table ({error}); repair it or get it again") from error


def _labels(table: pd.DataFrame, path: Path) -> BoolArray:
    name = next((name for name in table.columns if _is_named(name, "label")), None)
    if name is None:
        raise DataError(f"{path}: no column is called label; add one with 1 in anomalous rows and 0 elsewhere")
    try:
        return check_labels(table[name].to_numpy())
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _sensors(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """All columns but label and timestamp; a first column without numbers is a clock, whatever its name."""
    names = [name for name in table.columns if not (_is_named(name, "label") or _is_named(name, "timestamp"))]
    numeric = {name for name in names if pd.api.types.is_numeric_dtype(table[name])}
    names = [name for name in names if name in numeric or name != table.columns[0]]
    text = [name for name in names if name not in numeric]
    if text or not names:
        raise DataError(f"{path}: columns {text} hold text" if text else f"{path}: there is no sensor in the table")
    return table[names]


def _is_named(column: object, name: str) -> bool:
    return str(column).strip().lower() == name
