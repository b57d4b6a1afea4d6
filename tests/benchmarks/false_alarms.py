"""False alarms asked for and false alarms had: `python -m tests.benchmarks.false_alarms FOLDER`.

For every labelled series `AnomalyDetector(preset="fast", random_state=0)` is fitted on the training rows, thresholds
are learned from its held-out rows, and the test rows are scored. False alarms are counted on normal test rows further
than two windows from any anomaly. Budgets of rows are kept on unsmoothed scores, budgets of alarms on smoothed ones.
"training rows" is the usual way, the quantile of the scores of all training rows; "labels" may use the labels: the
static threshold that keeps the budget on the normal test rows.

within    share of series within a factor of 2 of the budget, of those in which at least four false alarms are expected
pooled    false alarms of all series over the budget of all series
recall, coverage, alarms    anomalies with a flagged row, flagged share of anomalous rows, alarms per 10,000 rows; in
          brackets those of the static threshold that the labels bring to the same false alarms as the learner had
chance    recall if the flags are shifted by a quarter, half and three quarters of the series

Scores are kept in a folder, from which an interrupted run goes on; empty it after changes to the detector.

    python -m tests.benchmarks.false_alarms FOLDER --sample 4 --scores SCORES
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby, zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from tsae import AnomalyDetector
from tsae.detection.scoring import CalibrationScores, score_grid
from tsae.detection.thresholds import (
    METHODS,
    AdaptiveThreshold,
    Target,
    adaptive_threshold,
    learn_threshold,
    learn_thresholds,
    parse_budget,
)
from tsae.detection.thresholds.clusters import MERGE_GAP, lowest_threshold
from tsae.evaluation.catalogue import SeriesFiles, find_series, read_series

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
BUDGETS = {"1%": 4, "0.1%": 4, "5 per 10000 rows": 4, "1 per 10000 rows": 0}
"""And the least false alarms that are expected of a series that counts."""


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
    parts = {"labels": series.labels, "window": np.array(detector.window_size_)}
    parts |= {f"held_out_{name}": part for name, part in detector.calibration_._asdict().items()}
    for name, table in (("train", series.train), ("test", series.test)):
        (entity,), _ = detector._checked(table)
        found = score_grid(detector.model_, detector._grid(entity), lag=detector.lag_)
        parts |= {f"{name}_settled": found.scores, f"{name}_unsmoothed": found.unsmoothed}
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


def target_of(budget: str) -> Target:
    parsed = parse_budget(budget)
    return Target(parsed.rate(None), parsed.counts)


def of_training_rows(scores: Scores, budget: str) -> float:
    return learn_threshold(scores.train, method="quantile", false_alarm_rate=budget).value


def of_held_out_rows(method: str, scores: Scores, budget: str) -> float:
    return learn_threshold(scores.held_out, method=method, false_alarm_rate=budget).value


def adaptive(scores: Scores, budget: str) -> Array:
    return AdaptiveThreshold(scores.held_out, target_of(budget)).thresholds(scores.test)


def as_detect(scores: Scores, budget: str) -> Array | float:
    """What a detector with its default threshold does."""
    known = CalibrationScores(*[scores.held_out] * 4)
    thresholds = learn_thresholds(known, "pot", budget, None)
    following = adaptive_threshold(thresholds, scores.held_out)
    return thresholds.used.value if following is None else following.thresholds(scores.test)


def of_labels(scores: Scores, budget: str) -> float:
    target = target_of(budget)
    return static_with(scores, target, target.rate * np.count_nonzero(scores.normal))


def static_with(scores: Scores, target: Target, n_false: float) -> float:
    """The static threshold with so many false alarms on the normal test rows."""
    normal = scores.test[scores.normal]
    if target.counts == "episodes":
        return lowest_threshold(normal, n_false)
    return float(np.quantile(normal, 1 - n_false / len(normal)))


LEARNERS: dict[str, Callable[[Scores, str], Array | float]] = {
    "training rows": of_training_rows,
    **{method: partial(of_held_out_rows, method) for method in METHODS},
    "adaptive": adaptive,
    "as detect()": as_detect,
    "labels": of_labels,
}


def starts(flags: Flags) -> NDArray[np.intp]:
    """First rows of alarms."""
    rows = np.flatnonzero(flags)
    return rows[np.diff(rows, prepend=-MERGE_GAP - 2) > MERGE_GAP + 1]


def n_false_alarms(flags: Flags, normal: Flags, target: Target) -> int:
    return int(np.count_nonzero(normal[starts(flags)] if target.counts == "episodes" else flags & normal))


def guards(flags: Flags, labels: Flags) -> dict[str, float]:
    edges = np.flatnonzero(np.diff(labels, prepend=False, append=False)).reshape(-1, 2)
    return {
        "recall": float(np.mean([flags[first:stop].any() for first, stop in edges])) if len(edges) else np.nan,
        "coverage": float(flags[labels].mean()) if len(edges) else np.nan,
        "alarms": len(starts(flags)) / len(flags) * 10_000,
    }


def figures(scores: Scores, budget: str, learner: str) -> dict[str, object]:
    """What one learner does on one series."""
    target = target_of(budget)
    flags = scores.test > LEARNERS[learner](scores, budget)
    n_false, n_wanted = n_false_alarms(flags, scores.normal, target), target.rate * np.count_nonzero(scores.normal)
    beside = guards(scores.test > static_with(scores, target, n_false), scores.labels)
    quarters = [len(flags) * quarter // 4 for quarter in (1, 2, 3)]
    return {
        "budget": budget,
        "learner": learner,
        "n_false": n_false,
        "n_wanted": n_wanted,
        "within": n_wanted / 2 <= n_false <= 2 * n_wanted,
        **guards(flags, scores.labels),
        **{f"{name} (labels)": value for name, value in beside.items()},
        "chance": float(np.mean([guards(np.roll(flags, rows), scores.labels)["recall"] for rows in quarters])),
    }


def real(paths: Sequence[Path]) -> pd.DataFrame:
    rows = []
    for path in paths:
        for budget, least in BUDGETS.items():
            scores = read_scores(path, "unsmoothed" if target_of(budget).counts == "rows" else "settled")
            if np.count_nonzero(scores.normal) * target_of(budget).rate >= max(least, 1e-9):
                rows += [{"series": path.stem, **figures(scores, budget, learner)} for learner in LEARNERS]
    return pd.DataFrame(rows)


def stationary(n_series: int = 100) -> pd.DataFrame:
    """900 held-out and 10,000 later rows of one distribution, independent or each like the one before."""
    rng, rows = np.random.default_rng(0), []
    for name, memory in (("independent", 0.0), ("autocorrelation .9", 0.9)):
        for _ in range(n_series):
            noise = rng.standard_normal(10_900)
            for row in range(1, len(noise)) if memory else ():
                noise[row] = memory * noise[row - 1] + np.sqrt(1 - memory**2) * noise[row]
            known, later, none = noise[:900] ** 2, noise[900:] ** 2, np.zeros(10_000, dtype=bool)
            scores = Scores(known, known, later, none, ~none)
            learners = LEARNERS.keys() - {"as detect()", "training rows"}
            rows += [{"scores": name, **figures(scores, "1%", learner)} for learner in sorted(learners)]
    return pd.DataFrame(rows)


def table(results: pd.DataFrame) -> pd.DataFrame:
    """Means over series, a line a learner."""
    means = ["within", "recall", "recall (labels)", "coverage", "coverage (labels)", "alarms", "alarms (labels)"]
    groups = results.groupby("learner", sort=False)
    found = groups[[*means, "chance"]].mean()
    found.insert(1, "pooled", groups["n_false"].sum() / groups["n_wanted"].sum())
    return found.round(3)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, metavar="N", help="series of each family; all of them unless stated")
    parser.add_argument("--scores", type=Path, default=Path("false-alarm-scores"), help="folder to keep scores in")
    parser.add_argument("--least-normal", type=int, default=4000, help="leave out series with fewer normal test rows")
    parser.add_argument("--out", type=Path, help="figures of each series, .csv")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results = real(collect(given.folder, given.scores, given.sample, given.least_normal))
    if given.out:
        results.to_csv(given.out, index=False)
    for budget, part in results.groupby("budget", sort=False):
        print(f"\n{budget}, {part['series'].nunique()} series\n{table(part).to_string()}", flush=True)
    for name, part in stationary().groupby("scores"):
        print(f"\nstationary, 1%, {name}\n{table(part)[['within', 'pooled']].to_string()}")


if __name__ == "__main__":
    main()
