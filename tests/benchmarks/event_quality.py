"""How good the alarms are: `python -m tests.benchmarks.event_quality FOLDER --sample N`.

For every labelled series `AnomalyDetector(preset="fast", random_state=0)` is fitted on the training rows and scores the
test rows, once with its lag ("settled") and once at lag 0 ("immediate"). On the same scores stand thresholds for one
false alarm in 10,000 rows, learned from held-out rows, and the usual ones: the quantile of all training scores that a
contamination of 0.1 asks for, and their mean plus three standard deviations. All thresholds are causal.

An alarm is a run of flagged rows with at most 8 others between them; an anomaly is a run of labelled rows. Means of
series, each weighing the same:

precision    alarms that touch an anomaly, of all; 0 if there is no alarm
recall       anomalies that an alarm touches, of all
F1           of the series' precision and recall
alarms       per 10,000 rows
delay        rows from the start of an anomaly to the first flagged row, plus the lag that its score waits for; medians
             of the anomalies found, and of the series

Scores are kept in a folder, as those of `tests.benchmarks.false_alarms`; empty it after changes to the detector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.series_scores import Array, Flags, Scores, asked, read_scores
from tsae.alarms.thresholds import following_threshold, learn_thresholds
from tsae.alarms.thresholds.threshold import MERGE_GAP
from tsae.scoring.whole_series import CalibrationScores

BUDGET = "1 per 10000 rows"
WINDOW = 64
"""Rows of the longest window of most models."""


def learned(scores: Scores, method: str, *, adapt: bool) -> Array | float:
    """What a detector with this learner does; the judged score of a budget of alarms is the smoothed one."""
    thresholds = learn_thresholds(CalibrationScores(*[scores.held_out] * 4), method, BUDGET, None)
    following = following_threshold(thresholds, scores.held_out, WINDOW) if adapt else None
    return thresholds.used.value if following is None else following.thresholds(scores.test)


LEARNERS: dict[str, Callable[[Scores], Array | float]] = {
    "as detect()": lambda scores: learned(scores, "pot", adapt=True),
    "pot, static": lambda scores: learned(scores, "pot", adapt=False),
    "spot": lambda scores: learned(scores, "spot", adapt=True),
    "dspot": lambda scores: learned(scores, "dspot", adapt=True),
    "contamination 0.1": lambda scores: float(np.nanquantile(scores.train, 0.9)),
    "mean + 3 deviations": lambda scores: float(np.nanmean(scores.train) + 3 * np.nanstd(scores.train)),
}


def runs(flags: Flags, gap: int = 0) -> Array:
    """First and last row of every run, `(n, 2)`, with at most `gap` other rows inside."""
    rows = np.flatnonzero(flags)
    if not len(rows):
        return np.zeros((0, 2), dtype=np.int64)
    breaks = np.flatnonzero(np.diff(rows) > gap + 1)
    return np.column_stack([rows[np.append(0, breaks + 1)], rows[np.append(breaks, len(rows) - 1)]])


def figures(flags: Flags, labels: Flags, lag: int) -> dict[str, float]:
    """What the alarms of one series are worth."""
    alarms, anomalies = runs(flags, MERGE_GAP), runs(labels)
    touched = (alarms[:, None, 0] <= anomalies[None, :, 1]) & (alarms[:, None, 1] >= anomalies[None, :, 0])
    precision = float(touched.any(axis=1).mean()) if len(alarms) else 0.0
    recall = float(touched.any(axis=0).mean())
    delays = []
    for place, (start, _) in enumerate(anomalies.tolist()):
        for first, last in alarms[touched[:, place]][:1].tolist():
            told = np.flatnonzero(flags[max(first, start - lag) : last + 1]) + max(first, start - lag)
            delays.append(max(0, int(told[0]) + lag - start))
    return {
        "precision": precision,
        "recall": recall,
        "F1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        "alarms": len(alarms) / len(flags) * 10_000,
        "delay": float(np.median(delays)) if delays else np.nan,
    }


def measure(paths: Sequence[Path]) -> pd.DataFrame:
    rows = []
    for path in paths:
        with np.load(path) as parts:
            lags = {"settled": int(parts["lag"]), "immediate": 0}
        for kind, lag in lags.items():
            scores = read_scores(path, kind)
            if scores.labels.any():
                for name, learner in LEARNERS.items():
                    found = figures(scores.test > learner(scores), scores.labels, lag)
                    rows.append({"series": path.stem, "score": kind, "threshold": name, **found})
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    paths, out = asked(__doc__, arguments)
    results = measure(paths)
    if out:
        results.to_csv(out, index=False)
    names = ["precision", "recall", "F1", "alarms"]
    for kind, part in results.groupby("score", sort=False):
        groups = part.groupby("threshold", sort=False)
        table = groups[names].mean().round(3).assign(delay=groups["delay"].median())
        print(f"\n{kind} scores, {part['series'].nunique()} series\n{table.to_string()}", flush=True)


if __name__ == "__main__":
    main()
