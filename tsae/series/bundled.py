"""The data sets that come with tsae: paths of CSV files, in an installed wheel and in a source checkout."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from tsae.errors import DataError, ParameterError

__all__ = ["BUNDLED_DATASETS", "BundledDataset", "bundled_dataset", "bundled_folder"]

BUNDLED_DATASETS = ("pump",)
"""Names that `bundled_dataset` knows."""


@dataclass(frozen=True)
class BundledDataset:
    """Paths of one data set's CSV files."""

    train: Path
    """Normal operation only, to fit on."""
    later: Path
    """What came after it, with a column `label`: 1 in faulty rows, else 0."""
    faults: Path
    """The labelled faults: start, end (inclusive), kind, sensor (or several, `;`), description, visible."""
    maintenance: Path
    """Intervals to exclude from alarms: start, end (inclusive), reason."""


def bundled_dataset(name: str = "pump") -> BundledDataset:
    """Find a data set that comes with tsae.

    Parameters
    ----------
    name : one of `BUNDLED_DATASETS`.

    Raises
    ------
    ParameterError : no data set of that name.
    DataError : the installation lacks the files.

    Examples
    --------
    >>> bundled_dataset("pump").train.name
    'train.csv'
    """
    if name not in BUNDLED_DATASETS:
        known = ", ".join(repr(each) for each in BUNDLED_DATASETS)
        raise ParameterError(f"`name` (={name!r}) is not a bundled data set; choose one of {known}")
    folder = bundled_folder(name, "train.csv")
    return BundledDataset(*(folder / f"{part.name}.csv" for part in fields(BundledDataset)))


def bundled_folder(name: str, file: str) -> Path:
    """The folder of a bundled data set, which must hold `file`; raises `DataError` if it is not there."""
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "data" / name, package.parent / "datasets" / name)  # wheel, source checkout
    for folder in candidates:
        if (folder / file).is_file():
            return folder
    raise DataError(f"the bundled data set {name!r} is not in {candidates[0]}; reinstall tsae")
