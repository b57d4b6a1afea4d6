"""Scores of labelled series, kept in a folder, on which `false_alarms` and `event_quality` judge thresholds."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tsae import AnomalyDetector
from tsae.evaluation.catalogue import SeriesFiles, find_series, read_series
from tsae.scoring.whole_series import score_grid

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Scores(NamedTuple):
    """One kind of score of one series."""

    train: Array
    held_out: Array
    test: Array
    labels: Flags
    normal: Flags
    """Test rows in which alarms are false."""


def fitted_scores(files: SeriesFiles, path: Path, least_normal: int) -> bool:
    """Write the scores of a series into `path`, unless they are there; false if it has too few normal rows."""
    if path.exists():
        return True
    series = read_series(files)
    if np.count_nonzero(~series.labels) < least_normal:
        return False
    detector = AnomalyDetector(preset="fast", random_state=0).fit(series.train)
    parts = {"labels": series.labels, "window": np.array(detector.window_size_), "lag": np.array(detector.lag_)}
    parts |= {f"held_out_{name}": part for name, part in detector.calibration_._asdict().items()}
    for name, table in (("train", series.train), ("test", series.test)):
        (entity,), _ = detector._checked(table)
        ensemble, grid = detector.model_.ensemble, detector._grid(entity)
        found, at_once = (score_grid(ensemble, grid, lag=lag) for lag in (detector.lag_, 0))
        parts |= {f"{name}_settled": found.scores, f"{name}_unsmoothed": found.unsmoothed}
        parts |= {f"{name}_immediate": at_once.scores}
    unfinished = path.with_suffix(".part.npz")
    np.savez(unfinished, allow_pickle=False, **parts)
    unfinished.replace(path)
    return True


def read_scores(path: Path, kind: str) -> Scores:
    with np.load(path) as parts:
        known, labels, window = (parts[f"held_out_{kind}"], parts["labels"], int(parts["window"]))
        near = np.convolve(labels, np.ones(4 * window + 1), "full")[2 * window :][: len(labels)] > 0.5
        return Scores(parts[f"train_{kind}"], known[~np.isnan(known)], parts[f"test_{kind}"], labels, ~near)


def by_turns(found: Sequence[SeriesFiles]) -> Iterator[SeriesFiles]:
    """A series of each family, then a second one of each, …"""
    families = [list(series) for _, series in groupby(found, key=lambda files: files.family)]
    return (files for turn in zip_longest(*families) for files in turn if files is not None)


def collect(folder: Path, scores: Path, sample: int | None, least_normal: int) -> list[Path]:
    """Score the first `sample` series of each family that have enough normal rows."""
    scores.mkdir(parents=True, exist_ok=True)
    taken: dict[str, list[Path]] = {}
    for files in by_turns(find_series(folder)):
        of_family = taken.setdefault(files.family, [])
        path = scores / f"{files.name.replace('/', '__')}.npz"
        if (sample is None or len(of_family) < sample) and fitted_scores(files, path, least_normal):
            of_family.append(path)
    return [path for paths in taken.values() for path in paths]


def asked(description: str | None, arguments: Sequence[str] | None) -> tuple[list[Path], Path | None]:
    """Read a benchmark's command line: the scores of the series it names, and where the figures of each are wanted."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, metavar="N", help="series of each family; all of them unless stated")
    parser.add_argument("--scores", type=Path, default=Path("false-alarm-scores"), help="folder to keep scores in")
    parser.add_argument("--least-normal", type=int, default=3500, help="leave out series with fewer normal test rows")
    parser.add_argument("--out", type=Path, help="figures of each series, .csv")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    return collect(given.folder, given.scores, given.sample, given.least_normal), given.out
